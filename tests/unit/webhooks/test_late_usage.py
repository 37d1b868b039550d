"""Issue 11, point 15: late usage takes of the plan that was in force when it happened, and of no other."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.selling.plan import Plan, QuotaChangePolicy
from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, PLANS, PureCustomer, Step, step
from tests.support.webhook_world import utc

FREE, STARTER, PRO = (int(CATALOG.plans[key].allowances["tokens"].quantity) for key in ("free", "starter", "pro"))
BEGAN = utc("2026-01-20T12:00:00")
BOUGHT = step("activated", "ORD_A", "2026-02-01T12:00:00", "2026-02-01T12:00:00", "2026-03-01T12:00:00", number=1)
RENEWED = step("renewed", "ORD_A", "2026-03-01T12:00:00", "2026-03-01T12:00:00", "2026-04-01T12:00:00", number=2)
CANCELED = step("canceled", "ORD_A", "2026-02-10T12:00:00", "2026-02-01T12:00:00", "2026-03-01T12:00:00", number=1)
OVER = step("canceled", "ORD_A", "2026-03-01T12:00:00", "2026-02-01T12:00:00", "2026-03-01T12:00:00", number=1)


def fresh(plan: str) -> Plan:
    """Return a plan that begins whole after a change to it."""
    return replace(PLANS[plan], quota_change="reset")


def changed(plan: str | Plan) -> Step:
    """A change of plan on 15 February, as a new order."""
    return step("plan_changed", "ORD_B", "2026-02-15T12:00:00", "2026-02-15T12:00:00", "2026-03-15T12:00:00", plan, 1)


def customer(*steps: Step, meters: tuple[str, ...] = ("tokens",)) -> PureCustomer:
    """A customer who has a balance from the beginning, or none at all."""
    made = PureCustomer(BEGAN)
    made.open(*meters)
    for each in steps:
        made.take(each, each.at)
    return made


def told_at(made: PureCustomer, now: str, units: int, used_at: str) -> PureCustomer:
    made.pass_to(utc(now))
    made.tell(units, used_at)
    return made


def figures(made: PureCustomer) -> list[tuple[str | None, int, int, int]]:
    """Plan, units gone, left and due of each closed period, newest first."""
    return [(c.plan, int(c.gone), int(c.left), int(c.overage)) for c in made.closed["tokens"]]


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_the_first_usage_of_february_told_in_march_takes_nothing_of_march(meters: tuple[str, ...]) -> None:
    made = told_at(customer(BOUGHT, RENEWED, meters=meters), "2026-03-01T13:00:00", 400, "2026-02-28T12:00:00")
    assert made.available() == STARTER
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_of_the_last_paid_period_told_after_its_end_takes_nothing_of_the_free_plan(
    meters: tuple[str, ...],
) -> None:
    made = told_at(customer(BOUGHT, OVER, meters=meters), "2026-03-01T13:00:00", 400, "2026-02-28T12:00:00")
    assert (made.plan(), made.available()) == ("free", FREE)
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_from_before_a_cancellation_told_after_it_takes_nothing_of_the_free_plan(meters: tuple[str, ...]) -> None:
    made = told_at(customer(BOUGHT, CANCELED, meters=meters), "2026-02-10T13:00:00", 400, "2026-02-10T11:00:00")
    assert (made.plan(), made.available()) == ("free", FREE)
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)
    # And usage from after it takes nothing of what was paid for
    made.tell(30, "2026-02-10T12:30:00")
    assert made.available() == FREE - 30


def test_usage_from_before_the_first_order_told_after_it_takes_nothing_of_what_was_bought() -> None:
    made = told_at(customer(BOUGHT), "2026-02-01T13:00:00", 400, "2026-02-01T11:00:00")
    assert made.available() == STARTER
    assert figures(made) == [("free", 400, FREE - 400, 0)]


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_from_before_a_change_to_a_plan_that_begins_whole_takes_nothing_of_it(meters: tuple[str, ...]) -> None:
    made = customer(BOUGHT, changed(fresh("pro")), meters=meters)
    told_at(made, "2026-02-15T13:00:00", 400, "2026-02-15T11:00:00")
    assert made.available() == PRO
    assert figures(made)[0] == ("starter", 400, STARTER - 400, 0)


@pytest.mark.parametrize("meters", [("tokens",), ()], ids=["a balance", "no balance"])
def test_usage_from_before_a_change_that_carries_it_counts_as_if_told_in_time(meters: tuple[str, ...]) -> None:
    in_time = customer(BOUGHT)
    in_time.use(400)
    in_time.take(changed("pro"), changed("pro").at)
    made = told_at(customer(BOUGHT, changed("pro"), meters=meters), "2026-02-15T13:00:00", 400, "2026-02-15T11:00:00")
    assert made.available() == in_time.available() == PRO - 400


def test_usage_of_the_day_between_two_orders_takes_nothing_of_the_second() -> None:
    bought_anew = step(
        "activated", "ORD_B", "2026-03-03T12:00:00", "2026-03-03T12:00:00", "2026-04-03T12:00:00", "pro", 1
    )
    made = told_at(customer(BOUGHT, OVER, bought_anew), "2026-03-03T13:00:00", 400, "2026-03-02T12:00:00")
    assert made.available() == PRO
    assert figures(made)[0] == ("free", 400, FREE - 400, 0)


def test_a_period_that_is_entered_again_has_its_usage_itself() -> None:
    # Given a better plan that was bought beside, began whole, and is over again
    span = ("2026-02-10T12:00:00", "2026-03-10T12:00:00", fresh("scale"), 1)
    beside = step("activated", "ORD_B", "2026-02-10T12:00:00", *span)
    over = step("canceled", "ORD_B", "2026-02-12T12:00:00", *span)
    made = customer(BOUGHT, beside)
    assert figures(made)[0][0] == "starter"
    made.take(over, over.at)
    assert (made.plan(), made.available()) == ("starter", STARTER)
    # When usage from before it is told
    told_at(made, "2026-02-12T13:00:00", 400, "2026-02-10T11:00:00")
    # Then it is of the period that is open again
    assert made.available() == STARTER - 400


def test_what_was_idle_before_a_balance_was_opened_rolls_over_alike() -> None:
    spans = (("2026-02-01T12:00:00", "2026-03-01T12:00:00"), ("2026-03-01T12:00:00", "2026-04-01T12:00:00"))
    activated = step("activated", "ORD_A", spans[0][0], *spans[0], "hoarder", 1)
    renewed = step("renewed", "ORD_A", spans[1][0], *spans[1], "hoarder", 2)
    one, other = customer(activated, renewed), customer(activated, renewed, meters=())
    for made in (one, other):
        told_at(made, "2026-03-01T13:00:00", 400, "2026-02-28T12:00:00")
    assert one.available() == other.available()
    assert figures(one)[0] == figures(other)[0]


Move = tuple[str, str, int]
MOVES = st.tuples(
    st.sampled_from(["renew", "change", "cancel"]),
    st.sampled_from(["starter", "pro", "scale", "starter whole", "scale prorated"]),
    st.integers(1, 20),
)
POLICIES: dict[str, QuotaChangePolicy] = {"whole": "reset", "prorated": "prorate"}


def sold(name: str) -> Plan:
    """Return a plan by its name and what it does with usage from before a change to it."""
    key, _, policy = name.partition(" ")
    return replace(PLANS[key], quota_change=POLICIES.get(policy, "carry"))


def life(first: str, moves: list[Move]) -> list[Step]:
    """Return the events of a customer who buys a plan and then makes these moves, each so many days after the last.

    A plan is changed once in a period. Usage from before two changes is told so late that its period has closed for good.
    """
    order, number, plan, changes = "A", 1, sold(first), 0
    start = now = utc("2026-02-01T12:00:00")

    def happens(kind: LifecycleKind, at: datetime) -> Step:
        span = (StatedPeriod(Bound(start, is_day=False), Bound(add_months(start, 1), is_day=False), number), plan)
        return Step(at, OrderFacts.of(LifecycleEvent(kind, f"ORD_{order}", at, *span)))

    events = [happens("activated", now)]
    for move, name, days in moves:
        later = now + timedelta(days=days)
        if move == "renew":
            start, number, changes = add_months(start, 1), number + 1, 0
            now = start
            events.append(happens("renewed", now))
        elif later >= add_months(start, 1):
            continue
        elif move == "change" and not changes:
            changes += 1
            order, number, plan, start, now = chr(ord(order) + 1), 1, sold(name), later, later
            events.append(happens("plan_changed", now))
        elif move == "cancel":
            return [*events, happens("canceled", later)]
    return events


@given(
    first=st.sampled_from(["starter", "scale", "starter whole"]),
    moves=st.lists(MOVES, max_size=4),
    when=st.integers(0, 999),
    units=st.sampled_from([1, 400, 9000]),
    has_balance=st.booleans(),
)
def test_usage_told_late_leaves_the_same_as_usage_told_in_time(
    first: str, moves: list[Move], when: int, units: int, has_balance: bool
) -> None:
    events = life(first, moves)
    end = events[-1].at + timedelta(hours=1)
    used_at = (BEGAN + (end - BEGAN) * when / 1000).replace(microsecond=0)

    in_time, late = customer(), customer(meters=("tokens",) if has_balance else ())
    for event in events:
        if in_time.now <= used_at < event.at:
            in_time.pass_to(used_at)
            in_time.tell(units, f"{used_at:%FT%T}")
        in_time.take(event, event.at)
        late.take(event, event.at)
    in_time.pass_to(end)
    if used_at >= events[-1].at:
        in_time.tell(units, f"{used_at:%FT%T}")
    told_at(late, f"{end:%FT%T}", units, f"{used_at:%FT%T}")

    stands = [(made.plan(), made.available(), owed(made)) for made in (late, in_time)]
    assert stands[0] == stands[1]


def owed(made: PureCustomer) -> Decimal:
    balance = made.balances["tokens"]
    return balance.overage_due + balance.current_overage
