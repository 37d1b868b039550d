"""Which order a sale of a plan has to mind. Issue 11, point 7: an add-on stands beside every plan, and once."""

import pytest

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.held_order import HeldOrder, held_by, stands_for
from pancake_meter.domain.standing.lifecycle import LifecycleKind
from pancake_meter.domain.standing.subscription import Subscription
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CUSTOMER, step
from tests.support.webhook_world import utc

PLANS = WITH_ADD_ONS.plans
NOW = utc("2026-03-11T00:00:00")


def holder(*plans: str) -> Subscription:
    """A customer with an order of each plan, one bought a minute after the other; each order is named for its plan."""
    subscription = Subscription(CUSTOMER)
    for minute, plan in enumerate(plans):
        at = f"2026-03-10T15:{minute:02d}:00"
        subscription = subscription.learn(
            step("activated", plan, at, "2026-03-10", "2026-04-10", plan=PLANS[plan]).facts
        )
    return subscription


def held(subscription: Subscription, wanted: Plan | None, *meters: str) -> str | None:
    found = held_by(subscription, wanted, meters, NOW)
    return found.order_id if found else None


@pytest.mark.parametrize("orders", [("pro", "boost"), ("boost", "pro")])
def test_a_sale_minds_the_order_of_its_own_kind_whichever_is_the_newer(orders: tuple[str, str]) -> None:
    subscription = holder(*orders)
    assert held(subscription, PLANS["scale"], "tokens") == "pro"
    assert held(subscription, None, "tokens") == "pro"
    assert held(subscription, PLANS["boost"], "tokens") == "boost"
    assert held(subscription, PLANS["turbo"], "tokens") is None


def test_without_a_plan_there_is_nothing_to_change() -> None:
    assert held(holder("boost", "turbo"), PLANS["pro"], "tokens") is None
    assert held(holder("boost", "turbo"), None, "tokens") is None


@pytest.mark.parametrize(
    ("one", "other", "are_rivals"),
    [
        ("starter", "pro", True),
        ("starter", "starter", True),
        ("starter", "agent", True),
        ("starter", "boost", False),
        ("boost", "turbo", False),
        ("boost", "boost", True),
    ],
)
def test_two_plans_are_rivals_and_so_is_one_add_on_twice(one: str, other: str, are_rivals: bool) -> None:
    assert PLANS[one].is_rival_of(PLANS[other]) is are_rivals
    assert PLANS[other].is_rival_of(PLANS[one]) is are_rivals
    assert stands_for(PLANS[one], PLANS[other]) is are_rivals


@pytest.mark.parametrize(
    ("orders", "wanted", "meters", "found"),
    [
        (("starter", "pro"), "starter", ("tokens",), "starter"),
        (("pro", "agent"), "scale", ("agent_runs",), "agent"),
        (("agent", "pro"), "scale", ("tokens",), "pro"),
        (("pro", "starter"), "scale", ("tokens",), "pro"),
        (("starter", "pro"), "scale", ("tokens",), "pro"),
        (("starter", "pro"), None, ("tokens",), "pro"),
        (("pro", "starter"), None, (), "pro"),
        ((), "scale", ("tokens",), None),
    ],
)
def test_of_several_it_is_the_plan_wanted_then_one_of_the_meter_then_the_highest_rank(
    orders: tuple[str, ...], wanted: str | None, meters: tuple[str, ...], found: str | None
) -> None:
    assert held(holder(*orders), PLANS[wanted] if wanted else None, *meters) == found


def test_of_two_alike_it_is_the_newest() -> None:
    twice = Subscription(CUSTOMER)
    for order_id, day in (("ORD_1", "2026-03-09"), ("ORD_2", "2026-03-10")):
        twice = twice.learn(step("activated", order_id, f"{day}T15:00:00", day, "2026-04-10", plan="pro").facts)
    assert held(twice, PLANS["scale"], "tokens") == "ORD_2"


def test_nobody_without_orders_holds_any() -> None:
    assert held_by(None, PLANS["pro"], (), NOW) is None


@pytest.mark.parametrize(
    ("kind", "status", "now", "is_held"),
    [
        ("renewed", "active", "2026-03-11", True),
        ("renewed", "active", "2026-05-30", True),
        ("canceling", "canceling", "2026-04-09", True),
        ("canceling", "canceling", "2026-04-12", False),
        ("past_due", "past_due", "2026-05-30", True),
        ("canceled", "active", "2026-03-11", False),
    ],
)
def test_an_order_counts_until_its_end_is_known_and_a_cancelled_one_until_its_period_ends(
    kind: LifecycleKind, status: str, now: str, *, is_held: bool
) -> None:
    subscription = holder("pro").learn(
        step(kind, "pro", "2026-03-10T16:00:00", "2026-03-10", "2026-04-10", plan="pro").facts
    )
    found = held_by(subscription, PLANS["scale"], ("tokens",), utc(now))
    assert found == (
        HeldOrder("pro", PLANS["pro"], status, utc("2026-04-10")) if is_held else None  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("kind", "is_scheduled"), [("plan_change_scheduled", True), ("plan_change_failed", False)])
def test_a_change_that_is_agreed_is_part_of_what_is_held(kind: LifecycleKind, *, is_scheduled: bool) -> None:
    subscription = holder("pro").learn(
        step(kind, "pro", "2026-03-10T16:00:00", "2026-03-10", "2026-04-10", plan="pro").facts
    )
    found = held_by(subscription, PLANS["scale"], ("tokens",), NOW)
    assert found is not None
    assert found.scheduled_at == (utc("2026-03-10T16:00:00") if is_scheduled else None)


def test_waffo_s_own_word_on_an_order_has_its_currency() -> None:
    told = HeldOrder("ORD_1", PLANS["pro"], "active", utc("2026-04-10"))
    assert (told.is_of_waffo, told.ends_at_text) == (False, "2026-04-10T00:00:00.000Z")
    shown = HeldOrder("ORD_1", PLANS["pro"], "active", currency="USD", is_of_waffo=True)
    assert (shown.is_of_waffo, shown.ends_at_text) == (True, None)


def test_an_order_that_is_held_has_the_currency_of_its_money() -> None:
    told = step("activated", "ORD_1", "2026-03-10T15:00:00", "2026-03-10", "2026-04-10", plan="pro", currency="JPY")
    found = held_by(Subscription(CUSTOMER).learn(told.facts), PLANS["scale"], ("tokens",), NOW)
    assert found is not None
    assert found.currency == "JPY"
