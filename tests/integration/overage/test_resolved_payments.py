"""Issue 14, point 3: overage that was paid with another amount, and what an operator says of it."""

import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.errors import NothingOwed
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.store.selling.overage_lines import read_remainder
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import Table
from pancake_meter.usecases.webhooks.resolve_payment import Resolved, resolve_payment
from tests.support.billing import BEGAN, Billing
from tests.support.webhook_world import CUSTOMER, World, refund

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def billing(dynamodb: "DynamoDBClient", table: str) -> Billing:
    world = World(Table(dynamodb, table), BEGAN)
    return Billing(world, world.metering)


def as_checkout(billing: Billing, payment_id: str = "PAY_1", checkout_id: str | None = None) -> Resolved:
    wanted = Resolution("case-1", "checkout", "tax inside", billing.now, "ops", checkout_id=checkout_id)
    return resolve_payment(billing.metering, payment_id, wanted, billing.now)


def owe(billing: Billing, units: int = 200_000) -> None:
    """Pro has a million tokens; what is used beyond costs 0.02 for each thousand."""
    billing.subscribe("pro")
    billing.use(1_000_000 + units)


def test_the_lines_that_the_checkout_sold_are_settled_and_count_as_overage_of_their_plan(billing: Billing) -> None:
    owe(billing)
    checkout = billing.ask()
    assert billing.take(billing.paid(checkout, "PAY_1", "3.60")) == "amount_differs"
    assert billing.owes()[:2] != (0, 0)
    as_checkout(billing)
    assert billing.owes()[:2] == (0, 0)
    with pytest.raises(NothingOwed):
        billing.ask()
    sold = [(row.sold, row.plan, row.total.received) for row in read_sold(billing.world.table, "2026-03")]
    assert ("overage", "pro", Decimal("3.60")) in sold
    # And a refund of half makes half of it owed again
    billing.take(refund("ORD_PAY_1", "PAY_1", "REF_1", "2026-03-12", amount="1.80", of="3.60"))
    payment = read_payment(billing.world.table, "PAY_1")
    assert payment is not None
    assert [(int(credit.quantity), int(credit.taken_back)) for credit in payment.credits] == [(200_000, 100_000)]


def test_what_is_not_owed_any_more_becomes_credit(billing: Billing) -> None:
    # Given an old checkout that is paid with another amount after a newer one was paid in full
    owe(billing)
    old = billing.ask()
    billing.use(50_000)
    new = billing.ask()
    assert billing.pay(new) is None
    assert billing.take(billing.paid(old, "PAY_1", "3.60")) == "amount_differs"
    # When
    as_checkout(billing)
    # Then
    payment = read_payment(billing.world.table, "PAY_1")
    assert payment is not None
    (credit,) = payment.credits
    assert (credit.line, int(credit.quantity)) == (None, 200_000)
    assert credit.terms is not None
    assert credit.terms.kind == "credit"


def test_units_pay_for_the_overage_of_the_time_when_they_were_paid(billing: Billing) -> None:
    owe(billing)
    billing.take(billing.paid(billing.ask(), "PAY_1", "3.60"))
    wanted = Resolution("c", "units", "by hand", billing.now, "ops", "tokens", Decimal(300_000))
    resolve_payment(billing.metering, "PAY_1", wanted, billing.now)
    assert billing.owes()[:2] == (0, 0)
    assert billing.world.available(now=billing.now) == 100_000


def test_what_a_sale_carried_is_carried_once(billing: Billing) -> None:
    owe(billing, 200_250)
    checkout = billing.ask()
    billing.take(billing.paid(checkout, "PAY_1", "1.00"))
    before = read_remainder(billing.world.table, CUSTOMER, "tokens", "USD")
    as_checkout(billing)
    assert read_remainder(billing.world.table, CUSTOMER, "tokens", "USD") - before == checkout.remainder


def test_sixteen_operators_at_once_credit_it_once(billing: Billing) -> None:
    owe(billing)
    billing.take(billing.paid(billing.ask(), "PAY_1", "3.60"))
    done: list[bool] = []

    def resolve() -> None:
        done.append(as_checkout(billing).is_replay)

    threads = [threading.Thread(target=resolve) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] + [True] * 15
    payment = read_payment(billing.world.table, "PAY_1")
    assert payment is not None
    assert sum(credit.quantity for credit in payment.credits) == 200_000
