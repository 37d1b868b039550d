"""Promise 4 under limits: whatever the order of webhooks, a customer with limits ends in the same state."""

from decimal import Decimal
from itertools import permutations

import pytest

from pancake_meter.domain.balance.adjust import set_limits
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.limits import Limits, SpendCap
from tests.support.pure_subscription import PureCustomer, Step, refunded, step
from tests.support.webhook_world import utc

MARCH, APRIL, MAY = "2026-03-10T12:00:00", "2026-04-10T12:00:00", "2026-05-10T12:00:00"
LIMITS = Limits(Decimal(400_000), Decimal(50), SpendCap(Decimal(20)))
RENEWED = [
    step("activated", "ORD_A", MARCH, MARCH, APRIL, "scale", 1),
    step("renewed", "ORD_A", APRIL, APRIL, MAY, "scale", 2),
    step("canceling", "ORD_A", "2026-04-20T12:00:00", APRIL, MAY, "scale", 2),
    refunded("ORD_A", "PAY_1", "2026-04-12T12:00:00", APRIL, "0.5"),
]
CHANGED = [
    step("activated", "ORD_A", MARCH, MARCH, APRIL, "starter", 1),
    step("plan_changed", "ORD_B", "2026-03-20T12:00:00", "2026-03-20T12:00:00", "2026-04-20T12:00:00", "pro", 1),
    step("renewed", "ORD_B", "2026-04-20T12:00:00", "2026-04-20T12:00:00", "2026-05-20T12:00:00", "pro", 2),
]


def told(order: tuple[Step, ...], used: int) -> PureCustomer:
    customer = PureCustomer(utc("2026-03-01T12:00:00"))
    customer.open("tokens")
    customer.balances["tokens"] = set_limits(Change.begin(customer.balances["tokens"]), LIMITS).balance
    customer.pass_to(utc("2026-03-15T12:00:00"))
    customer.use(used)
    customer.pass_to(utc("2026-04-25T12:00:00"))
    customer.take_all(order)
    return customer


@pytest.mark.parametrize("used", [0, 300, 20_000])
@pytest.mark.parametrize("events", [RENEWED, CHANGED], ids=["renewed", "changed"])
def test_every_order_of_events_ends_in_the_same_state_under_the_same_limits(events: list[Step], used: int) -> None:
    pictures = [told(order, used).picture() for order in permutations(events)]
    assert all(picture == pictures[0] for picture in pictures)
    balance = told(tuple(events), used).balances["tokens"]
    assert (balance.limits, balance.allowance, balance.is_uncapped) == (LIMITS, 400_000, False)
    assert balance.overage_limit <= 20


def test_no_more_rolls_over_than_the_limits_left_of_what_was_sold() -> None:
    # Given 400,000 a month, of which 300 were used in the first
    customer = PureCustomer(utc("2026-03-10T12:00:00"))
    customer.take(step("activated", "ORD_A", MARCH, MARCH, APRIL, "hoarder", 1))
    customer.open("tokens")
    customer.balances["tokens"] = set_limits(Change.begin(customer.balances["tokens"]), LIMITS).balance
    customer.use(300)
    # Then the second has the rest of them on top, and so it stays when its order is told of once more
    renewed = step("renewed", "ORD_A", APRIL, APRIL, MAY, "hoarder", 2)
    for told in (renewed, step("uncanceled", "ORD_A", "2026-04-12T12:00:00", APRIL, MAY, "hoarder", 2)):
        customer.take(told, told.at)
        assert customer.available() == 400_000 + 399_700


def test_what_is_left_of_a_refunded_period_rolls_over_within_the_limits() -> None:
    customer = PureCustomer(utc("2026-03-10T12:00:00"))
    customer.take(step("activated", "ORD_A", MARCH, MARCH, APRIL, "hoarder", 1))
    customer.open("tokens")
    customer.balances["tokens"] = set_limits(Change.begin(customer.balances["tokens"]), LIMITS).balance
    customer.use(300)
    customer.take(step("renewed", "ORD_A", APRIL, APRIL, MAY, "hoarder", 2), utc(APRIL))
    # When all but 200,000 units of the first month's 10,000,000 go back
    customer.take(refunded("ORD_A", "PAY_1", "2026-04-12T12:00:00", MARCH, "0.98"), utc("2026-04-12T12:00:00"))
    assert customer.available() == 400_000 + 199_700
