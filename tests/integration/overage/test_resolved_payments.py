"""Issue 14, point 3: overage that was paid with another amount, and what an operator says of it."""

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import pytest

from pancake_meter.domain.errors import NothingOwed
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.store.selling.checkouts import read_checkout
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


def checkout_of(billing: Billing, checkout_id: str) -> tuple[str, str | None, tuple[str, ...]]:
    checkout = read_checkout(billing.world.table, checkout_id)
    assert checkout is not None
    return checkout.status, checkout.flag, checkout.payment_ids


@pytest.mark.parametrize("kind", ["units", "not_ours"])
def test_a_checkout_paid_twice_is_flagged_no_longer_once_the_second_payment_is_for_something_else(
    billing: Billing, kind: Literal["units", "not_ours"]
) -> None:
    owe(billing)
    checkout = billing.ask()
    assert billing.take(billing.paid(checkout, "PAY_1")) is None
    assert billing.take(billing.paid(checkout, "PAY_2")) == "paid_twice"
    assert checkout_of(billing, checkout.id) == ("flagged", "paid_twice", ("PAY_1", "PAY_2"))
    meter, quantity = ("tokens", Decimal(5)) if kind == "units" else (None, None)
    resolve_payment(
        billing.metering, "PAY_2", Resolution("c", kind, "x", billing.now, "ops", meter, quantity), billing.now
    )
    assert checkout_of(billing, checkout.id) == ("paid", None, ("PAY_1",))


def test_a_checkout_paid_three_times_is_flagged_until_nobody_has_to_look_at_a_payment_of_it(billing: Billing) -> None:
    owe(billing)
    checkout = billing.ask()
    for name in ("PAY_1", "PAY_2", "PAY_3"):
        billing.take(billing.paid(checkout, name))
    # When all of the second payment goes back
    billing.take(refund("ORD_PAY_2", "PAY_2", "REF_2", "2026-03-12", amount="4.00", of="4.00"))
    assert checkout_of(billing, checkout.id)[:2] == ("flagged", "paid_twice")
    # And all of the third
    billing.take(refund("ORD_PAY_3", "PAY_3", "REF_3", "2026-03-12", amount="4.00", of="4.00"))
    assert checkout_of(billing, checkout.id)[:2] == ("paid", None)


def test_a_checkout_whose_wrong_payment_went_back_can_be_sold_again(billing: Billing) -> None:
    owe(billing)
    checkout = billing.ask()
    assert billing.take(billing.paid(checkout, "PAY_1", "3.60")) == "amount_differs"
    billing.take(refund("ORD_PAY_1", "PAY_1", "REF_1", "2026-03-12", amount="3.60", of="3.60"))
    assert checkout_of(billing, checkout.id)[:2] == ("superseded", None)
    again = billing.ask()
    assert again.id != checkout.id
    assert billing.take(billing.paid(again, "PAY_2")) is None
    assert billing.owes()[:2] == (0, 0)


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
