"""Revenue facts: tax in parts of a payment, and what is new in a payment that has grown."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.reports.revenue import RevenueFact, RevenueTotal, new_facts, revenue_facts, withdrawn_facts
from pancake_meter.domain.selling.payment import Charge, Payment
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.value import replace

AT = datetime(2026, 3, 10, tzinfo=UTC)


def paid(collected: str | None, total: str | None, tax: str | None, currency: str = "USD", *refunds: str) -> Payment:
    charge = Charge(
        currency=currency,
        collected=Decimal(collected) if collected else None,
        list_total=Decimal(total) if total else None,
        paid_at=AT,
        sold="overage",
        plan="scale",
        tax=Decimal(tax) if tax else None,
    )
    known = {f"REF_{n}": Refund(f"REF_{n}", Decimal(amount), None, AT) for n, amount in enumerate(refunds)}
    return Payment("PAY_1", "ORD_1", "ada", charge, known)


def total(payment: Payment) -> RevenueTotal:
    found = RevenueTotal()
    for fact in revenue_facts(payment):
        found = found.plus(RevenueTotal.of(fact))
    return found


@pytest.mark.parametrize(
    ("collected", "price", "tax", "currency", "in_it"),
    [
        ("19.80", "19.80", "1.80", "USD", "1.80"),
        (None, "19.80", "1.80", "USD", "1.80"),
        ("9.90", "19.80", "1.81", "USD", "0.91"),
        ("2250", "4500", "409", "JPY", "205"),
        ("25.00", "19.80", "1.80", "USD", "1.80"),
        ("19.80", "19.80", "1.804", "USD", "1.804"),
        ("19.80", None, None, "USD", "0"),
        ("1.000", "2.000", "0.333", "KWD", "0.167"),
    ],
    ids=[
        "all",
        "not stated",
        "half: half up",
        "yen",
        "more than the price",
        "all: not rounded",
        "no price",
        "three decimals",
    ],
)
def test_the_tax_in_what_was_collected(
    collected: str | None, price: str | None, tax: str | None, currency: str, in_it: str
) -> None:
    assert total(paid(collected, price, tax, currency)).tax == Decimal(in_it)


def test_a_payment_that_is_refunded_in_full_leaves_nothing() -> None:
    whole = total(paid("19.80", "19.80", "1.80", "USD", "19.80"))
    assert (whole.net, whole.refunded_tax) == (Decimal(0), Decimal("1.80"))


def test_a_refund_without_its_charge_waits_for_it() -> None:
    # Given
    told = paid("19.80", "19.80", "1.80", "USD", "9.90")
    waiting = Payment("PAY_1", "ORD_1", "ada", None, told.refunds)
    # Then
    assert new_facts(Payment("PAY_1", "ORD_1", "ada"), waiting) == ()
    assert [fact.kind for fact in new_facts(waiting, told)] == ["payment", "refund"]
    assert new_facts(told, told) == ()


def test_a_fact_says_all_that_a_report_shows() -> None:
    payment = paid("19.80", "19.80", "1.80", "USD", "9.90")
    received = RevenueFact(
        "payment", "PAY_1", "PAY_1", "ORD_1", "ada", "overage", "scale", "USD", Decimal("19.80"), Decimal("1.80"), AT
    )
    back = replace(received, kind="refund", id="REF_0", amount=Decimal("9.90"), tax=Decimal("0.90"))
    assert revenue_facts(payment) == (received, back)


@pytest.mark.parametrize(
    ("refund", "tax"), [("9.90", "0.90"), ("19.79", "1.80"), ("19.80", "1.80"), ("25.00", "1.80"), ("0.05", "0.00")]
)
def test_a_refund_has_its_part_of_the_tax_and_never_more(refund: str, tax: str) -> None:
    assert total(paid("19.80", "19.80", "1.80", "USD", refund)).refunded_tax == Decimal(tax)


def test_a_refund_of_a_payment_whose_amount_nobody_said_has_all_of_its_tax() -> None:
    assert total(paid(None, None, "1.80", "USD", "9.90")).refunded_tax == Decimal(0)


def test_a_currency_that_nobody_knows_has_two_decimal_places() -> None:
    assert total(paid("1.00", "3.00", "1.00", "XYZ")).tax == Decimal("0.33")


def test_totals_count_payments_and_refunds_and_those_of_which_nobody_said_how_much() -> None:
    known, unknown = total(paid("19.80", "19.80", "1.80", "USD", "9.90", "1.00")), total(paid(None, None, None))
    assert (known.payments, known.refunds, known.unstated) == (1, 2, 0)
    assert (unknown.payments, unknown.refunds, unknown.unstated, unknown.received) == (1, 0, 1, Decimal(0))
    both = known.plus(unknown).plus(unknown)
    assert (both.payments, both.refunds, both.unstated) == (3, 2, 2)
    assert (both.received, both.refunded, both.net) == (Decimal("19.80"), Decimal("10.90"), Decimal("8.09"))
    assert both.minus(unknown).minus(known) == unknown


def test_a_refund_that_failed_after_all_withdraws_its_fact() -> None:
    before = paid("19.80", "19.80", "1.80", "USD", "9.90", "1.00")
    failed = replace(before.refunds["REF_0"], failed_at=AT + timedelta(days=1))
    after = before.with_refund(failed, before.refunds["REF_0"])
    assert [fact.id for fact in withdrawn_facts(before, after)] == ["REF_0"]
    assert (new_facts(before, after), withdrawn_facts(before, before)) == ((), ())
