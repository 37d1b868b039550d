"""Revenue facts: tax in parts of a payment, and what is new in a payment that has grown."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pancake_meter.domain.reports.revenue import RevenueTotal, new_facts, revenue_facts
from pancake_meter.domain.selling.payment import Charge, Payment
from pancake_meter.domain.selling.refund import Refund

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
        ("19.80", None, None, "USD", "0"),
        ("1.000", "2.000", "0.333", "KWD", "0.167"),
    ],
    ids=["all", "not stated", "half: half up", "yen", "more than the price", "no price", "three decimals"],
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
