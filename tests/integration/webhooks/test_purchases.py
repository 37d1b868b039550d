"""Money for units: checkouts settled, links credited, refunds taken back in proportion."""

import itertools
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.http.balance.quota import quota_body
from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.selling.checkouts import read_checkout, write_new_checkout
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import Table
from pancake_meter.value import replace
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ORDER = "ORD_9aLm3cUeH7rTxK5pQ0vWsD"
NOW = utc("2026-03-10T15:15:00")


def order_completed(payment_id: str = "PAY_1", order_id: str = ORDER, amount: str = "3.00", **data: object) -> Document:
    tax = {"listPrice": {"total": "3.30", "subtotal": amount, "taxAmount": "0.30"}, "productName": "Usage"}
    charge = {"paymentId": payment_id, "chargedAmount": "3.30", "amount": "3.30", "productMetadata": {"kind": "usage"}}
    return event("order.completed", order_id, "2026-03-10", payment_id, **{**tax, **charge, **data})


def test_a_paid_checkout_credits_its_units_once(world: World, checkout: Checkout) -> None:
    # When
    outcomes = [world.take(order_completed(orderMerchantExternalId=checkout.id)) for _ in range(2)]
    # Then
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [("applied", None), ("ignored", "no_news")]
    assert world.available() == 110_000
    settled = read_checkout(world.table, checkout.id)
    assert settled is not None
    assert (settled.status, settled.payment_ids) == ("paid", ("PAY_1",))


def test_units_bought_after_a_better_order_has_lapsed_leave_the_balance_under_the_one_that_stands(world: World) -> None:
    # Given a better order whose renewal never came, beside one that was renewed
    world.use(1_000)
    for told in (
        lifecycle("activated", "ORD_A", "2026-03-10", "2026-03-10", "2026-04-10", plan="pro"),
        lifecycle("activated", "ORD_B", "2026-03-12", "2026-03-12", "2026-04-12"),
        lifecycle("renewed", "ORD_B", "2026-04-10", "2026-04-12", "2026-05-12", number=2),
    ):
        world.take(told, utc(told["timestamp"].removesuffix("Z")))
    # When
    bought = event(
        "order.completed", "ORD_C", "2026-04-12", "PAY_9",
        paymentId="PAY_9", chargedAmount="3.00", productName="Pack",
        productMetadata={"kind": "top_up", "meter": "tokens", "quantity": "5000"},
    )  # fmt: skip
    outcome = world.take(bought, utc("2026-04-12T16:00:00"))
    # Then
    assert outcome.verdict == "applied"
    at = utc("2026-04-12T17:00:00")
    assert (world.plan(now=at), world.available(now=at)) == ("starter", 105_000)


def test_scenario_22_39_a_rebuilt_checkout_is_found_by_its_money(world: World, checkout: Checkout) -> None:
    assert world.take(order_completed()).verdict == "applied"
    assert world.available() == 110_000


def test_an_order_of_unknown_purpose_is_parked(world: World, checkout: Checkout) -> None:
    outcome = world.take(order_completed(amount="2.00"))
    assert (outcome.verdict, outcome.reason) == ("parked", "purchase_unknown")


def test_scenario_37_paid_twice_is_credit_and_flagged(world: World, checkout: Checkout) -> None:
    # When
    world.take(order_completed(orderMerchantExternalId=checkout.id))
    second = world.take(order_completed("PAY_2", "ORD_2", orderMerchantExternalId=checkout.id))
    # Then
    assert (second.verdict, second.reason) == ("applied", "paid_twice")
    assert world.available() == 210_000


def test_scenario_76_another_amount_settles_nothing_and_is_flagged(world: World, checkout: Checkout) -> None:
    outcome = world.take(order_completed(amount="1.00", orderMerchantExternalId=checkout.id))
    assert (outcome.verdict, outcome.reason) == ("applied", "amount_differs")
    assert world.available() == 10_000


@pytest.mark.parametrize("charged", [None, "1.10", "3.30"], ids=["not stated", "less a credit", "in full"])
def test_scenario_77_what_was_charged_is_recorded_and_the_price_decides(
    world: World, checkout: Checkout, charged: str | None
) -> None:
    # Given a price as asked, of which Waffo may have collected less, or does not say how much
    outcome = world.take(order_completed(orderMerchantExternalId=checkout.id, chargedAmount=charged))
    # Then it settles, and both figures are kept
    assert (outcome.verdict, outcome.reason) == ("applied", None)
    assert world.available() == 110_000
    payment = read_payment(world.table, "PAY_1")
    assert payment is not None
    assert payment.charge is not None
    assert payment.charge.collected == (Decimal(charged) if charged else None)
    assert payment.charge.list_total == Decimal("3.30")


@pytest.mark.parametrize(
    "metadata",
    [{"top_up_tokens": "50000"}, {"kind": "top_up", "meter": "tokens", "quantity": "50000"}],
)
def test_a_plain_link_credits_what_its_product_states(world: World, metadata: dict[str, str]) -> None:
    assert world.take(order_completed(productMetadata=metadata)).verdict == "applied"
    assert world.available() == 60_000


def refund_debt(world: World) -> int:
    return int(world.metering.current_balance(CUSTOMER, "tokens", world.now).refund_debt)


REFUNDED: list[Document] = [
    order_completed(productMetadata={"top_up_tokens": "100000"}),
    refund(ORDER, "PAY_1", "REF_1", "2026-03-11", amount="0.825", of="3.30"),
    refund(ORDER, "PAY_1", "REF_2", "2026-03-12", amount="1.65", of="3.30"),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_scenario_78_refunds_claw_back_in_proportion_in_any_order(world: World, order: tuple[int, ...]) -> None:
    # When: each of them twice
    for index in (*order, *order):
        world.take(REFUNDED[index])
    # Then: a quarter and a half went back
    assert world.available() == 35_000
    payment = read_payment(world.table, "PAY_1")
    assert payment is not None
    assert payment.refunded_share == Fraction(3, 4)
    assert refund_debt(world) == 0


def test_scenario_78_more_than_was_paid_takes_back_no_more_than_was_bought(world: World) -> None:
    world.take(REFUNDED[0])
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-11", amount="99.00", of="3.30"))
    assert world.available() == 10_000


def test_scenario_79_used_units_are_a_debt_and_never_a_negative_balance(world: World) -> None:
    # Given: 10,000 free and 100,000 bought, of which 60,000 are used
    world.take(REFUNDED[0])
    world.use(70_000)
    # When: all of it is refunded
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-11", amount="3.30", of="3.30"))
    # Then
    balance = read_balance(world.table, CUSTOMER, "tokens")
    assert balance is not None
    assert balance.available == balance.current_overage == 0
    # And: the seller sees it in the quota and in the ledger
    assert quota_body(balance, {})["refund_debt"] == 60_000
    (refunded, *_) = read_ledger(world.table, CUSTOMER, "tokens", limit=1)
    moved = {movement.kind: movement.quantity for movement in refunded.movements}
    assert refunded.cause == "refund.succeeded"
    assert (int(moved["clawed_back"]), int(moved["refund_owed"])) == (40_000, 60_000)
    # When: the same refund comes once more
    world.take(refund(ORDER, "PAY_1", "REF_1", "2026-03-11", amount="3.30", of="3.30"))
    # Then
    again = read_balance(world.table, CUSTOMER, "tokens")
    assert again == balance


def test_scenario_80_a_failed_refund_changes_nothing(world: World) -> None:
    # Given
    world.take(REFUNDED[0])
    failed = refund(ORDER, "PAY_1", "REF_1", "2026-03-11", amount="3.30", of="3.30") | {"eventType": "refund.failed"}
    # When
    outcome = world.take(failed)
    # Then
    assert (outcome.verdict, outcome.reason) == ("ignored", "refund_failed")
    assert world.available() == 110_000


def test_scenario_81_a_refunded_period_loses_units_and_still_renews(world: World) -> None:
    # Given
    order = "ORD_S"
    world.metering.open(CUSTOMER, "tokens", world.now)
    world.take(lifecycle("activated", order, "2026-03-10", "2026-03-10", "2026-04-10"))
    world.use(20_000)
    receipt = event(
        "subscription.payment_succeeded",
        order,
        "2026-03-10",
        "PAY_S",
        paymentId="PAY_S",
        chargedAmount="9.00",
        periodNumber=1,
    )
    # When
    world.take(refund(order, "PAY_S", "REF_S", "2026-03-11", amount="4.50"))
    world.take(receipt)
    # Then
    assert world.available() == 30_000
    # When
    renewed = replace(world, now=utc("2026-04-10T15:15:00"))
    renewed.take(lifecycle("renewed", order, "2026-04-10", "2026-04-10", "2026-05-10", number=2))
    # Then
    assert renewed.available() == 100_000


def test_a_top_up_outlives_the_subscription(world: World) -> None:
    # Given
    world.take(lifecycle("activated", "ORD_S", "2026-03-10", "2026-03-10", "2026-04-10"))
    world.take(REFUNDED[0])
    assert world.available() == 200_000
    # When
    world.take(lifecycle("canceled", "ORD_S", "2026-03-11", "2026-03-10", "2026-04-10"))
    # Then
    assert (world.plan(), world.available()) == ("free", 110_000)


def test_a_plan_checkout_is_closed_by_its_subscription(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given
    world = World(Table(dynamodb, table), NOW)
    made = Checkout(
        "chk_plan", CUSTOMER, "subscription", None, "starter", Decimal(0), Money(Decimal("9.00"), "USD"), "open", NOW,
        NOW + timedelta(minutes=45),
    )  # fmt: skip
    assert write_new_checkout(world.table, made, None)
    # When
    external: dict[str, Any] = {"orderMerchantExternalId": made.id, "merchantProvidedBuyerIdentity": None}
    outcome = world.take(lifecycle("activated", "ORD_S", "2026-03-10", "2026-03-10", "2026-04-10", **external))
    # Then
    closed = read_checkout(world.table, made.id)
    assert (outcome.verdict, outcome.customer_id) == ("applied", CUSTOMER)
    assert closed is not None
    assert (closed.status, closed.payment_ids) == ("paid", ("ORD_S",))
