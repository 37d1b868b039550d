"""Checkouts of ours that were paid, with no delivery left that says so."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from local.waffo_simulator.graphql_rows import Rows
from local.waffo_simulator.model import Delivery
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.usecases.selling.open_checkout import OpenedCheckout
from tests.support.waffo_world import WaffoWorld

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CUSTOMER = "acct_1"


@pytest.fixture
def opened(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> OpenedCheckout:
    """A checkout of 100,000 tokens, in a Waffo that sends nothing and keeps no delivery."""

    def lose(delivery: Delivery) -> None:
        del world.waffo.state.deliveries[delivery.id]

    monkeypatch.setattr(world.deliverer, "send", lose)
    return world.top_up(CUSTOMER)


def state(world: WaffoWorld, opened: OpenedCheckout) -> tuple[str, str | None, int]:
    checkout = read_checkout(world.table, opened.checkout.id)
    assert checkout is not None
    return checkout.status_at(world.now), checkout.flag, len(checkout.payment_ids)


def asked_about_payments(world: WaffoWorld) -> int:
    return sum("PaymentsByExternalId" in query for query in world.asked)


def test_a_checkout_that_nobody_paid_stays_open(world: WaffoWorld, opened: OpenedCheckout) -> None:
    assert world.reconcile().passes["checkouts"].unchanged == 1
    assert state(world, opened) == ("open", None, 0)
    assert world.available(CUSTOMER) == 10_000


def test_a_paid_one_is_credited_once_with_its_receipt_and_then_not_asked_about_again(
    world: WaffoWorld, opened: OpenedCheckout
) -> None:
    # Given
    order = world.pay(opened, CUSTOMER)
    # When
    assert [world.reconcile().healed for _ in range(2)] == [1, 0]
    # Then
    assert world.available(CUSTOMER) == 110_000
    assert state(world, opened) == ("paid", None, 1)
    assert asked_about_payments(world) == 1
    payment = read_payment(world.table, world.payment_of(order).id)
    assert payment is not None
    assert payment.charge is not None
    paid = Decimal("4.00")
    assert (payment.charge.paid_at, payment.charge.collected, payment.charge.list_total) == (world.now, paid, paid)


def test_the_webhook_that_comes_after_all_says_nothing_new(
    world: WaffoWorld, opened: OpenedCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = world.pay(opened, CUSTOMER)
    world.reconcile()
    monkeypatch.setattr(world.deliverer, "send", world.arrive)
    world.waffo.notifier.payment(world.payment_of(order), world.now)
    assert [(outcome.verdict, outcome.reason) for outcome in world.outcomes] == [("ignored", "no_news")]
    assert world.available(CUSTOMER) == 110_000


def test_one_that_was_paid_at_its_very_end_is_credited_after_it_expired(
    world: WaffoWorld, opened: OpenedCheckout
) -> None:
    world.pay(opened, CUSTOMER)
    world.at(world.now + timedelta(days=2))
    assert world.reconcile().healed == 1
    assert world.available(CUSTOMER) == 110_000


def test_another_amount_than_was_asked_for_is_flagged_and_credits_nothing(
    world: WaffoWorld, opened: OpenedCheckout
) -> None:
    session = world.waffo.state.sessions[opened.checkout.session_id or ""]
    session.price = world.purchase(CUSTOMER, "Starter").price
    world.pay(opened, CUSTOMER)
    report = world.reconcile()
    assert (report.flagged, world.available(CUSTOMER)) == (1, 10_000)
    assert state(world, opened) == ("flagged", "amount_differs", 1)


def test_paid_twice_is_credit_and_flagged(world: WaffoWorld, opened: OpenedCheckout) -> None:
    first, second = world.pay(opened, CUSTOMER), world.pay(opened, CUSTOMER)
    report = world.reconcile()
    assert (report.flagged, world.available(CUSTOMER)) == (1, 210_000)
    assert state(world, opened) == ("flagged", "paid_twice", 2)
    assert first.id != second.id


def test_what_is_watched_goes_by_itself_a_week_after_it_can_be_paid(
    world: WaffoWorld, opened: OpenedCheckout, dynamodb: "DynamoDBClient"
) -> None:
    key = {"PK": {"S": f"CHECKOUT#{opened.checkout.id}"}, "SK": {"S": "WATCHED"}}
    item = dynamodb.get_item(TableName=world.table._name, Key=key)["Item"]
    gone_at = world.now + timedelta(minutes=45, days=7)
    assert int(item["expires_at"]["N"]) == int(gone_at.timestamp())


def test_a_payment_in_test_money_buys_nothing_in_production(
    world: WaffoWorld, opened: OpenedCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: seen from here, the other mode
    world.pay(opened, CUSTOMER)
    row = Rows.payment
    monkeypatch.setattr(Rows, "payment", lambda rows, payment: {**row(rows, payment), "testMode": False})
    # When
    report = world.reconcile()
    # Then
    assert (report.healed, report.passes["checkouts"].refused) == (0, 1)
    assert world.available(CUSTOMER) == 10_000
