"""Which order a sale of a plan has to mind. Issue 11, point 7: an add-on stands beside every plan, and once."""

import pytest

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.held_order import held_by, stands_for
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
