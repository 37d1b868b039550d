"""The directory: a customer's line is the same in whatever order the states of its items become known."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.standing.directory import BalanceFacts, DirectoryLine, OrdersFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import replace
from tests.support.pure_subscription import step
from tests.support.webhook_world import utc

NOW = utc("2026-03-10T15:14:30.5")
LINE = DirectoryLine("ada")
OLD, NEW = BalanceFacts(1, "starter", "fraud", Decimal(4)), BalanceFacts(2, "pro")


def orders(*events: tuple[str, str, str], **more: object) -> OrdersFacts:
    """What a line says of orders, given by id, event and plan; all are bought a day after each other."""
    subscription = Subscription("ada", version=3)
    for day, (order_id, kind, plan) in enumerate(events, start=10):
        told = step(kind, order_id, f"2026-03-{day}T15:00:00", f"2026-03-{day}", "2026-05-10", plan, **more)  # type: ignore[arg-type]
        subscription = subscription.learn(told.facts)
    return OrdersFacts.of(subscription)


def test_a_line_says_what_a_balance_says() -> None:
    term = Term(None, NOW)
    balance = Balance("ada", "tokens", Policy("pro"), term, Period(NOW, NOW + timedelta(days=30)), NOW, segment=7)
    balance = replace(balance, blocked="fraud", overage_due=Decimal(5))
    assert BalanceFacts.of(balance) == BalanceFacts(7, "pro", "fraud", Decimal(5))


def test_a_line_says_what_the_standing_orders_say() -> None:
    assert orders() == OrdersFacts(3)
    active = orders(("A", "activated", "pro"))
    assert active == OrdersFacts(3, frozenset({"pro"}))
    assert orders(("A", "activated", "pro"), is_trial=True) == replace(active, is_trialing=True)
    assert OrdersFacts.of(Subscription("ada", blocked="fraud", version=1)) == OrdersFacts(1, blocked="fraud")


def test_a_line_says_so_where_any_of_the_orders_is_overdue_or_ends() -> None:
    active = OrdersFacts(3, frozenset({"pro"}))
    assert orders(("A", "activated", "pro"), ("A", "past_due", "pro")) == replace(active, is_past_due=True)
    assert orders(("A", "activated", "pro"), ("A", "canceling", "pro")) == replace(active, is_canceling=True)


def test_a_line_says_so_where_two_orders_stand_for_one_meter() -> None:
    told = orders(("A", "activated", "pro"), ("B", "activated", "starter"), ("A", "recovered", "pro"))
    assert not told.is_bought_twice
    told = orders(
        ("A", "activated", "pro"), ("B", "activated", "starter"), ("A", "recovered", "pro"), ("B", "renewed", "starter")
    )
    assert (told.plans, told.is_bought_twice) == ({"pro", "starter"}, True)


def test_of_two_states_of_a_balance_the_later_one_stands_and_a_repeat_changes_nothing() -> None:
    for told in permutations([OLD, NEW, NEW]):
        line = LINE.learn_balance("images", OLD)
        for facts in told:
            line = line.learn_balance("tokens", facts)
        assert line == replace(LINE, meters={"images": OLD, "tokens": NEW})
    line = LINE.learn_balance("tokens", OLD)
    assert line.learn_balance("tokens", replace(NEW, segment=1)) is line


def test_of_two_states_of_the_orders_the_later_one_stands() -> None:
    old, new = OrdersFacts(1, frozenset({"pro"})), OrdersFacts(2)
    for told in permutations([old, new]):
        line = LINE
        for facts in told:
            line = line.learn_orders(facts)
        assert line == replace(LINE, orders=new)
    line = LINE.learn_orders(old)
    assert line.learn_orders(replace(new, version=1)) is line


def test_a_use_is_known_by_its_hour_so_that_a_busy_customer_costs_one_write_an_hour() -> None:
    hour = utc("2026-03-10T15:00:00")
    line = LINE.learn_use(NOW)
    assert line == replace(LINE, active_at=hour)
    assert line.learn_use(NOW + timedelta(minutes=30)) is line
    assert line.learn_use(NOW - timedelta(hours=1)) is line
    assert line.learn_use(NOW + timedelta(hours=1)).active_at == hour + timedelta(hours=1)


def test_a_line_says_which_plans_what_is_owed_and_why_access_is_off_by_meter() -> None:
    line = replace(LINE, orders=OrdersFacts(1, frozenset({"boost"})))
    line = line.learn_balance("tokens", NEW).learn_balance("images", OLD).learn_balance("calls", BalanceFacts(1))
    assert line.plans == {"boost", "pro", "starter"}
    assert line.blocked == {"images": "fraud"}
    assert line.overage_due == {"images": 4}


@pytest.mark.parametrize(
    ("line", "lists"),
    [
        (LINE, set()),
        (LINE.learn_use(NOW), {"active"}),
        (LINE.learn_orders(OrdersFacts(1, is_past_due=True)), {"past_due"}),
        (LINE.learn_orders(OrdersFacts(1, blocked="fraud")), {"blocked"}),
        (LINE.learn_balance("tokens", BalanceFacts(1, blocked="fraud")), {"blocked"}),
        (LINE.learn_balance("tokens", BalanceFacts(1, overage_due=Decimal(1))), {"owing"}),
        (LINE.learn_use(NOW).learn_balance("tokens", OLD), {"active", "blocked", "owing"}),
    ],
)
def test_a_customer_is_on_each_list_that_it_belongs_to(line: DirectoryLine, lists: set[str]) -> None:
    assert line.statuses == lists


def test_who_is_on_no_plan_is_on_the_default_plan_where_there_is_one() -> None:
    nobody = Subscription("ada", version=3)
    assert OrdersFacts.of(nobody, "free") == OrdersFacts(3, default="free")
    assert replace(LINE, orders=OrdersFacts.of(nobody, "free")).plans == {"free"}
    assert replace(LINE, orders=OrdersFacts.of(nobody)).plans == frozenset()
    assert replace(LINE, orders=OrdersFacts(1, frozenset({"pro"}), default="free")).plans == {"pro"}
