"""Scenarios 78 and 91: a refund that names no payment finds its own, and takes back what a named one would, once."""

from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.selling.payment import Payment
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.usecases.webhooks.judge import Outcome
from tests.support.webhook_world import Document, World, event, lifecycle, payment, refund

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ORDER = "ORD_A"
DAY = "2026-03-10"


def activated(order: str = ORDER, **data: Any) -> Document:
    return lifecycle("activated", order, DAY, DAY, "2026-04-10", **data)


def bought(order: str = ORDER, payment_id: str = "PAY_1", **data: Any) -> Document:
    """A one-time order of 50,000 tokens for 10 USD."""
    fields: dict[str, Any] = {
        "paymentId": payment_id,
        "chargedAmount": "10.00",
        "amount": "10.00",
        "total": "10.00",
        "productName": "Tokens",
        "productMetadata": {"top_up_tokens": "50000"},
        **data,
    }
    return event("order.completed", order, DAY, payment_id, **fields)


def unnamed(refund_id: str = "REF_1", amount: str = "9.00", of: str = "9.00", /, **data: Any) -> Document:
    fields = {"periodNumber": 1, **data, "paymentId": None}
    order = fields.pop("order", ORDER)
    return refund(order, "", refund_id, DAY, amount=amount, of=of, **fields)


def state(world: World) -> tuple[Payment | None, str | None, int]:
    """What is kept of the payment, and what the customer has."""
    return read_payment(world.table, "PAY_1"), world.plan(), world.available()


def refunded(world: World, payment_id: str = "PAY_1") -> str:
    kept = read_payment(world.table, payment_id)
    return f"{sum(each.amount or 0 for each in kept.standing_refunds) if kept else 0:.2f}"


def reasons(outcomes: Sequence[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.verdict, outcome.reason) for outcome in outcomes]


def test_scenario_91_a_subscriptions_charge_is_found_by_its_number(world: World) -> None:
    # Given two charges of one order
    world.take(activated())
    world.take(payment(ORDER, "PAY_1", DAY))
    world.take(payment(ORDER, "PAY_2", DAY, number=2))
    # When
    outcome = world.take(unnamed(periodNumber=2))
    # Then
    assert outcome.verdict == "applied"
    assert (refunded(world), refunded(world, "PAY_2")) == ("0.00", "9.00")
    assert world.available() == 100_000
    # And the other is found too
    world.take(unnamed("REF_2"))
    assert (refunded(world), world.available()) == ("9.00", 0)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_scenario_91_of_two_charges_with_one_number_the_one_that_collected_as_much_was_refunded(
    world: World, order: tuple[int, ...]
) -> None:
    """A plan change may be charged under the number of the charge before it."""
    steps = (
        activated(),
        payment(ORDER, "PAY_1", DAY),
        payment(ORDER, "PAY_2", DAY, amount="18.00"),
        unnamed("REF_1", "9.00", "18.00"),
    )
    for index in order:
        world.take(steps[index])
    assert (refunded(world), refunded(world, "PAY_2")) == ("0.00", "9.00")


def test_scenario_91_a_one_time_orders_charge_is_its_only_one(world: World) -> None:
    world.take(bought())
    had = world.available()
    outcome = world.take(unnamed("REF_1", "5.00", "10.00", periodNumber=None))
    assert outcome.verdict == "applied"
    assert (had - world.available(), refunded(world)) == (25_000, "5.00")


def test_scenario_91_what_is_not_certain_is_parked_and_takes_nothing(world: World) -> None:
    # Given an order with two payments, a subscription's charge whose number nobody says, and one of another number
    world.take(bought("ORD_two", "PAY_A"))
    world.take(bought("ORD_two", "PAY_B"))
    world.take(activated("ORD_sub"))
    world.take(payment("ORD_sub", "PAY_C", DAY))
    had = world.available()
    # When
    outcomes = [
        world.take(unnamed("REF_1", order="ORD_two", periodNumber=None)),
        world.take(unnamed("REF_2", order="ORD_sub", periodNumber=None)),
        world.take(unnamed("REF_3", order="ORD_sub", periodNumber=3)),
        world.take(unnamed("REF_4", order="ORD_nobody_knows", periodNumber=1)),
    ]
    # Then
    assert reasons(outcomes) == [("parked", "payment_unknown")] * 4
    assert (world.available(), {refunded(world, f"PAY_{each}") for each in "ABC"}) == (had, {"0.00"})


def test_scenario_78_the_same_refund_under_two_deliveries_is_one(world: World) -> None:
    world.take(bought())
    had = world.available()
    outcomes = [world.take(unnamed("REF_1", "5.00", "10.00", periodNumber=None)) for _ in range(2)]
    assert reasons(outcomes) == [("applied", None), ("ignored", "no_news")]
    assert had - world.available() == 25_000


def test_scenario_78_two_partial_refunds_add_up_and_a_third_takes_no_more_than_all(world: World) -> None:
    world.take(bought())
    had = world.available()
    taken = []
    for number, amount in enumerate(("2.00", "3.00", "9.00")):
        assert world.take(unnamed(f"REF_{number}", amount, "10.00", periodNumber=None)).verdict == "applied"
        taken.append(had - world.available())
    assert taken == [10_000, 25_000, 50_000]


def test_scenario_78_a_refund_that_names_its_payment_and_the_same_that_does_not_are_one(world: World) -> None:
    world.take(bought())
    world.take(refund(ORDER, "PAY_1", "REF_1", DAY, amount="5.00", of="10.00"))
    assert world.take(unnamed("REF_1", "5.00", "10.00", periodNumber=None)).reason == "no_news"
    assert refunded(world) == "5.00"


@pytest.mark.parametrize("amount", ["9.00", "4.50"])
def test_scenario_91_every_order_of_charge_refund_and_status_ends_as_the_named_refund_does(
    world: World, amount: str
) -> None:
    # Given a customer and an order for each of the histories; the last one's refund names its payment
    histories = [*permutations(range(3)), (0, 1, 2)]
    ends = []
    for number, history in enumerate(histories):
        who, order, paid_by = f"acct_{amount}_{number}", f"ORD_{number}", f"PAY_{number}"
        named = {"paymentId": paid_by} if number == len(histories) - 1 else {"paymentId": None}
        whose: dict[str, Any] = {"merchantProvidedBuyerIdentity": who}
        documents = [
            activated(order, **whose),
            payment(order, paid_by, DAY, **whose),
            refund(order, "", f"REF_{number}", DAY, amount=amount, periodNumber=1, **whose, **named),
        ]
        # When
        for index in history:
            world.take(documents[index])
        # Then
        ends.append((world.plan(customer_id=who), world.available(customer_id=who), refunded(world, paid_by)))
    assert ends == [ends[-1]] * len(histories)
    assert ends[0] == ("starter", 0 if amount == "9.00" else 50_000, amount)


def test_scenario_78_a_refund_before_its_one_time_payment_waits_for_it(world: World) -> None:
    early = world.take(unnamed("REF_1", "10.00", "10.00", periodNumber=None))
    assert (early.verdict, early.reason) == ("parked", "payment_unknown")
    had = world.available()
    assert world.take(bought()).unparked == 1
    assert (world.available(), refunded(world)) == (had, "10.00")


@pytest.mark.parametrize("is_subscription", [True, False])
def test_scenario_91_payments_that_the_version_before_wrote_are_found_by_their_deliveries(
    world: World, dynamodb: "DynamoDBClient", table: str, is_subscription: bool
) -> None:
    # Given a payment that its order does not list
    world.take(payment(ORDER, "PAY_1", DAY) if is_subscription else bought())
    pointer = {"PK": {"S": f"ORDER#{ORDER}"}, "SK": {"S": "PAYMENT#PAY_1"}}
    assert "Item" in dynamodb.get_item(TableName=table, Key=pointer)
    dynamodb.delete_item(TableName=table, Key=pointer)
    # When
    outcome = world.take(unnamed(periodNumber=1 if is_subscription else None))
    # Then: it is found, and listed from now on
    assert (outcome.verdict, refunded(world)) == ("applied", "9.00")
    assert "Item" in dynamodb.get_item(TableName=table, Key=pointer)


@pytest.mark.parametrize("amount", ["0.00", None])
def test_scenario_78_a_refund_that_failed_changes_nothing_and_may_succeed_later(
    world: World, amount: str | None
) -> None:
    # Given
    world.take(bought())
    before = world.available()
    failed = unnamed("REF_1", "5.00", "10.00", periodNumber=None, refundedAmount=None, refundStatus="failed")
    failed["data"]["amount"] = amount
    # When
    outcome = world.take(failed | {"eventType": "refund.failed"})
    # Then
    assert (outcome.verdict, outcome.reason) == ("ignored", "refund_failed")
    assert (world.available(), refunded(world)) == (before, "0.00")
    assert world.take(unnamed("REF_1", "5.00", "10.00", periodNumber=None)).verdict == "applied"
    assert refunded(world) == "5.00"


def test_scenario_91_a_refund_of_another_currency_takes_nothing(world: World) -> None:
    world.take(bought())
    outcome = world.take(unnamed("REF_1", "5.00", "10.00", periodNumber=None, currency="EUR"))
    assert (outcome.verdict, outcome.reason, refunded(world)) == ("parked", "currency_mismatch", "0.00")
