"""Revenue facts: each payment and each refund is counted once, whatever told of it, how often and in which order."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.reports.revenue import RevenueTotal
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.reports.revenue import SoldTotal, read_customer, read_customers, read_facts, read_sold
from pancake_meter.store.selling.checkouts import write_new_checkout
from pancake_meter.usecases.reconciliation.snapshot_events import payment_body
from pancake_meter.waffo.snapshots import PaymentSnapshot
from tests.support.webhook_world import CUSTOMER, STORE_ID, Document, World, event, lifecycle, payment, refund, utc

ORDER = "ORD_S"
MONTH = "2026-03"
RETRIES_MAX = 20
NINE_TAXED: dict[str, Any] = {
    "listPrice": {"total": "9.90", "subtotal": "9.00", "taxAmount": "0.90"},
    "productName": "Starter",
}
LIFE: list[Document] = [
    lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10"),
    payment(ORDER, "PAY_S", "2026-03-10", amount="9.90", **NINE_TAXED),
    refund(ORDER, "PAY_S", "REF_1", "2026-03-11", amount="3.30", of="9.90"),
    refund(ORDER, "PAY_S", "REF_2", "2026-04-01", amount="6.60", of="9.90"),
]


def usage_order(payment_id: str, checkout_id: str, subtotal: str, tax: str, **data: object) -> Document:
    total = str(Decimal(subtotal) + Decimal(tax))
    price = {"listPrice": {"total": total, "subtotal": subtotal, "taxAmount": tax}, "chargedAmount": total}
    named = {"paymentId": payment_id, "orderMerchantExternalId": checkout_id, "productName": "Usage"}
    return event("order.completed", f"ORD_{payment_id}", "2026-03-12", payment_id, **{**price, **named, **data})


def top_up(world: World, checkout_id: str, amount: str, currency: str = "USD") -> None:
    made = Checkout(
        id=checkout_id,
        customer_id=CUSTOMER,
        kind="top_up",
        meter="tokens",
        plan=None,
        quantity=Decimal(1000),
        amount=Money(Decimal(amount), currency),
        status="open",
        created_at=world.now,
        expires_at=world.now + timedelta(minutes=45),
    )
    assert write_new_checkout(world.table, made, None)


def from_facts(world: World, month: str = MONTH) -> dict[str, RevenueTotal]:
    """What the facts of a month come to, by currency, added up one by one."""
    totals: dict[str, RevenueTotal] = {}
    for fact in read_facts(world.table, month, CUSTOMER):
        totals[fact.currency] = totals.get(fact.currency, RevenueTotal()).plus(RevenueTotal.of(fact))
    return totals


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_the_same_money_is_counted_once_in_any_order(world: World, order: tuple[int, ...]) -> None:
    # When: every webhook of one charge, twice, in any order
    for index in (*order, *order):
        world.take(LIFE[index])
    # Then
    march = RevenueTotal(Decimal("9.90"), Decimal("0.90"), Decimal("3.30"), Decimal("0.30"), payments=1, refunds=1)
    april = RevenueTotal(refunded=Decimal("6.60"), refunded_tax=Decimal("0.60"), refunds=1)
    assert read_sold(world.table, MONTH) == [SoldTotal("USD", "subscription", "starter", march)]
    assert read_sold(world.table, "2026-04") == [SoldTotal("USD", "subscription", "starter", april)]
    assert march.net + april.net == 0
    # And
    assert from_facts(world) == {"USD": march}
    assert [row.total for row in read_customer(world.table, MONTH, CUSTOMER)] == [march]


def test_a_charge_told_of_by_two_webhooks_with_ids_of_their_own_is_one_payment(world: World) -> None:
    world.take(payment(ORDER, "PAY_S", "2026-03-10", amount="9.90", **NINE_TAXED))
    again = world.take(payment(ORDER, "PAY_S", "2026-03-10", amount="9.90", **NINE_TAXED))
    assert (again.verdict, again.reason) == ("ignored", "no_news")
    assert [sold.total.payments for sold in read_sold(world.table, MONTH)] == [1]


def test_scenario_77_a_charge_that_is_not_stated_counts_at_its_price(world: World) -> None:
    world.take(payment(ORDER, "PAY_S", "2026-03-10", chargedAmount=None, **NINE_TAXED))
    (sold,) = read_sold(world.table, MONTH)
    assert (sold.total.received, sold.total.tax, sold.total.unstated) == (Decimal("9.90"), Decimal("0.90"), 0)


def test_a_payment_of_which_nobody_says_how_much_is_counted_as_such(world: World) -> None:
    nothing_said: dict[str, Any] = {"chargedAmount": None, "amount": None, "total": None}
    world.take(payment(ORDER, "PAY_S", "2026-03-10", **nothing_said))
    assert [sold.total for sold in read_sold(world.table, MONTH)] == [RevenueTotal(payments=1, unstated=1)]


def test_currencies_are_never_added_together(world: World) -> None:
    # Given
    top_up(world, "chk_usd", "3.00")
    world.take(usage_order("PAY_1", "chk_usd", "3.00", "0.30"))
    # When
    world.take(payment(ORDER, "PAY_J", "2026-03-10", amount="1540", currency="JPY"))
    # Then
    totals = {(sold.currency, sold.sold, sold.plan): sold.total.received for sold in read_sold(world.table, MONTH)}
    assert totals == {("USD", "top_up", None): Decimal("3.30"), ("JPY", "subscription", "starter"): Decimal(1540)}
    assert {row.currency: row.total.received for row in read_customer(world.table, MONTH, CUSTOMER)} == {
        "USD": Decimal("3.30"),
        "JPY": Decimal(1540),
    }


def test_flagged_money_is_money_in(world: World) -> None:
    # Given: a checkout paid with too little, then paid again
    top_up(world, "chk_1", "3.00")
    short = world.take(usage_order("PAY_1", "chk_1", "1.00", "0.10"))
    twice = world.take(usage_order("PAY_2", "chk_1", "3.00", "0.30"))
    assert (short.reason, twice.reason) == ("amount_differs", "paid_twice")
    # Then
    (sold,) = read_sold(world.table, MONTH)
    assert (sold.total.received, sold.total.payments) == (Decimal("4.40"), 2)


def test_a_parked_payment_is_counted_once_it_is_known_what_it_bought(world: World) -> None:
    # Given
    unknown = usage_order("PAY_1", "chk_1", "3.00", "0.30")
    assert world.take(unknown).verdict == "parked"
    assert read_sold(world.table, MONTH) == []
    # When
    top_up(world, "chk_1", "3.00")
    world.take(unknown)
    # Then
    assert [sold.total.received for sold in read_sold(world.table, MONTH)] == [Decimal("3.30")]


def test_a_card_check_and_a_failed_refund_are_no_money(world: World) -> None:
    world.take(payment(ORDER, "PAY_0", "2026-03-10", amount="0.00", number=0))
    world.take(LIFE[2] | {"eventType": "refund.failed"})
    assert read_sold(world.table, MONTH) == []


def test_customers_come_in_pages_that_miss_none_and_repeat_none(world: World) -> None:
    # Given
    customers = {f"acct_{number}" for number in range(23)}
    for name in customers:
        paid = payment(f"ORD_{name}", f"PAY_{name}", "2026-03-10", merchantProvidedBuyerIdentity=name)
        assert world.take(paid).verdict == "applied"
    # When
    for limit in (1, 5, 23, 100):
        seen: list[str] = []
        place = None
        for _ in range(len(customers) + 5):
            page, place = read_customers(world.table, MONTH, limit=limit, after=place)
            assert len(page) <= limit
            seen += [row.customer_id for row in page]
            if place is None:
                break
        # Then
        assert place is None
        assert sorted(seen) == sorted(customers)


def test_payments_that_come_at_once_are_all_in_the_total(world: World) -> None:
    # Given: one customer's subscriptions, so that all of it lands in one partition and one total
    webhooks = [payment(f"ORD_{number}", f"PAY_{number}", "2026-03-10", amount="9.00") for number in range(12)]
    # When: each of them comes twice, all at once; what stayed contended is sent again, as Waffo does
    with ThreadPoolExecutor(12) as many:
        list(many.map(lambda document: _sent(world, document), [*webhooks, *webhooks]))
    # Then
    (sold,) = read_sold(world.table, MONTH)
    assert (sold.total.received, sold.total.payments) == (Decimal("108.00"), 12)
    assert from_facts(world) == {"USD": sold.total}


def _sent(world: World, document: Document) -> None:
    for _ in range(RETRIES_MAX):
        with suppress(StoreBusy):
            world.take(document)
            return
    raise AssertionError("always contended")


def test_what_reconciliation_heals_and_the_late_webhook_are_one_payment(world: World) -> None:
    # Given: a paid checkout of which reconciliation told first
    top_up(world, "chk_1", "3.00")
    late = usage_order("PAY_1", "chk_1", "3.00", "0.30")
    snapshot = PaymentSnapshot(
        id="PAY_1",
        is_test=True,
        order_id="ORD_PAY_1",
        status="succeeded",
        external_id="chk_1",
        created_at=utc("2026-03-12T09:00:00"),
        charged=Decimal("3.30"),
        charged_currency="USD",
        list_total=Decimal("3.30"),
        list_subtotal=Decimal("3.00"),
        list_tax=Decimal("0.30"),
        list_currency="USD",
    )
    assert world.take_bytes(payment_body(snapshot, utc("2026-03-12T09:00:00"), "test", STORE_ID)).verdict == "applied"
    # When
    assert world.take(late).reason == "no_news"
    # Then
    (sold,) = read_sold(world.table, MONTH)
    assert (sold.total.received, sold.total.tax, sold.total.payments) == (Decimal("3.30"), Decimal("0.30"), 1)
