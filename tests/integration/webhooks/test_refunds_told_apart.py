"""Two parts of a payment that go back are two refunds, one told twice is one, and what is unclear is shown to a person."""

from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.selling.payment import MAX_REFUNDS
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.store.selling.payments import payment_writes, read_payment
from pancake_meter.value import replace
from tests.support.webhook_world import Document, World, event, lifecycle, payment, refund, utc

ORDER, PAYMENT, DAY = "ORD_A", "PAY_1", "2026-03-10"
ALL = 100_000
INSTANT = "2026-03-10T15:14:30.000Z"


@pytest.fixture
def sold(world: World) -> World:
    """A customer whose plan of 100,000 was paid with 9.00."""
    world.take(lifecycle("activated", ORDER, DAY, DAY, "2026-04-10"))
    world.take(payment(ORDER, PAYMENT, DAY))
    assert world.available() == ALL
    return world


def part(event_id: str = ORDER, at: str = "2026-03-10T15:14:31", **data: Any) -> Document:
    """3.00 of 9.00 went back; nothing but the order or the payment is named."""
    fields = {"paymentId": None, "periodNumber": 1, "refundCreatedAt": None, "amount": "3.00", **data}
    return refund(ORDER, "", event_id, at, **fields)


def test_the_parts_are_told_apart_by_whatever_differs(sold: World) -> None:
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"event_id": "REF_1"}, {"event_id": "REF_2"}),
        ({"refundTicketMerchantExternalId": "T1"}, {"refundTicketMerchantExternalId": "T2"}),
    ]
    for left in [{}, {"refundCreatedAt": DAY}, {"refundCreatedAt": INSTANT}]:
        for event_id in (ORDER, PAYMENT):
            tickets = [{"event_id": event_id, "refundTicketMerchantExternalId": each, **left} for each in ("T3", "T4")]
            pairs.append((tickets[0], tickets[1]))
    for number, (one, other) in enumerate(pairs):
        order, paid = f"ORD_{number}", f"PAY_of_{number}"
        who: dict[str, Any] = {"merchantProvidedBuyerIdentity": f"acct_{number}", "orderId": order}
        own = {ORDER: order, PAYMENT: paid}
        sold.take(lifecycle("activated", order, DAY, DAY, "2026-04-10", **who))
        sold.take(payment(order, paid, DAY, **who))
        for each in (one, other):
            stated = {**each, "event_id": own.get(each.get("event_id", ORDER), each.get("event_id"))}
            assert sold.take(part(**stated, **who)).verdict == "applied", (one, other)
        assert sold.available(customer_id=f"acct_{number}") == 33_333, (one, other)


@pytest.mark.parametrize("made_at", [None, DAY])
def test_two_equal_parts_that_nothing_tells_apart_are_shown_to_a_person(sold: World, made_at: str | None) -> None:
    first = sold.take(part(refundCreatedAt=made_at))
    second = sold.take(part(at="2026-03-10T15:14:59", refundCreatedAt=made_at))
    assert (first.verdict, first.reason) == ("applied", None)
    assert (second.verdict, second.reason) == ("parked", "refund_not_told_apart")


@pytest.mark.parametrize("event_id", [ORDER, PAYMENT, "REF_1"])
@pytest.mark.parametrize("made_at", [None, DAY, INSTANT])
def test_scenario_78_one_refund_that_two_webhooks_tell_is_one(sold: World, event_id: str, made_at: str | None) -> None:
    outcomes = [sold.take(part(event_id, refundCreatedAt=made_at)) for _ in range(2)]
    assert [(each.verdict, each.reason) for each in outcomes] == [("applied", None), ("ignored", "no_news")]
    assert sold.available() == 66_666


def test_parts_of_other_amounts_are_two_in_any_order(sold: World) -> None:
    assert [sold.take(part(amount=each)).verdict for each in ("3.00", "4.50")] == ["applied", "applied"]
    assert sold.available() == 16_666


@pytest.mark.parametrize("ticket", [None, "T1"])
@pytest.mark.parametrize("made_at", [None, DAY, INSTANT])
def test_a_refund_that_an_earlier_version_kept_is_not_counted_again(
    sold: World, made_at: str | None, ticket: str | None
) -> None:
    # Given: its id was the event's and the time at which it was made
    when = {None: "", DAY: "2026-03-10T00:00:00+00:00", INSTANT: "2026-03-10T15:14:30+00:00"}[made_at]
    known = read_payment(sold.table, PAYMENT)
    assert known is not None
    at = utc("2026-03-10T15:14:30" if made_at == INSTANT else "2026-03-10T15:14:31")
    kept = known.with_refund(Refund(f"{ORDER}@{when}", Decimal(3), None, at))
    sold.table.transact(payment_writes(known, kept))
    # When
    outcome = sold.take(part(refundCreatedAt=made_at, refundTicketMerchantExternalId=ticket))
    # Then
    assert (outcome.verdict, outcome.reason) == ("ignored", "no_news")
    after = read_payment(sold.table, PAYMENT)
    assert after is not None
    assert len(after.refunds) == 1


def test_a_refund_beyond_what_a_payment_keeps_is_shown_to_a_person(sold: World) -> None:
    known = read_payment(sold.table, PAYMENT)
    assert known is not None
    many = {f"R{number}": Refund(f"R{number}", Decimal(0), None, sold.now) for number in range(MAX_REFUNDS)}
    sold.table.transact(payment_writes(replace(known, refunds={}), replace(known, refunds=many))[:1])
    outcome = sold.take(part("REF_1"))
    assert (outcome.verdict, outcome.reason) == ("parked", "too_many_refunds")


def test_a_refund_of_another_customers_payment_is_shown_to_a_person(sold: World) -> None:
    outcome = sold.take(
        refund("ORD_other", PAYMENT, "REF_1", DAY, amount="9.00", merchantProvidedBuyerIdentity="acct_2")
    )
    assert (outcome.verdict, outcome.reason) == ("parked", "payment_of_another_customer")
    again = sold.take(payment("ORD_other", PAYMENT, DAY, merchantProvidedBuyerIdentity="acct_2"))
    assert (again.verdict, again.reason) == ("parked", "payment_of_another_customer")
    assert sold.available() == ALL


def test_a_refund_whose_charge_is_of_no_period_is_flagged(sold: World) -> None:
    sold.take(payment(ORDER, "PAY_3", DAY, number=3))
    outcome = sold.take(part("REF_3", periodNumber=3, amount="9.00"))
    assert (outcome.verdict, outcome.flags) == ("applied", ("refund_of_no_period",))
    assert sold.available() == ALL
    # And one that takes something is not
    assert sold.take(part("REF_1")).flags == ()


def test_money_that_was_collected_is_no_card_check(sold: World) -> None:
    renewed = sold.take(payment(ORDER, "PAY_0", DAY, amount="9.00", number=0))
    product: dict[str, Any] = {"productName": "Usage", "productMetadata": {"top_up_tokens": "50000"}}
    bought = sold.take(
        event("order.completed", "ORD_B", DAY, paymentId="PAY_B", chargedAmount="3.00", periodNumber=0, **product)
    )
    assert (renewed.verdict, renewed.flags) == ("applied", ("charged_card_check",))
    # A one-time order has no number of charges.
    assert (bought.verdict, bought.flags) == ("applied", ())
    assert read_payment(sold.table, "PAY_0") is not None
    assert sold.available() == ALL + 50_000
