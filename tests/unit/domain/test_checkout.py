"""Checkouts: what is sold, whether two sell the same, and when one ends."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.selling.checkout import Checkout, CheckoutKind
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey, SoldLine
from pancake_meter.value import replace

AT = datetime(2026, 3, 10, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
USD = Money(Decimal("0.11"), "USD")
LINE = SoldLine(LineKey(AT, "pro"), Decimal(0), Decimal(28), USD, Decimal("0.112"))
SALE = Checkout("chk_1", "ada", "overage", "tokens", "pro", Decimal(28), USD, "open", AT, LATER, lines=(LINE,))


@pytest.mark.parametrize(
    "otherwise",
    [
        {"kind": "top_up"},
        {"meter": "images"},
        {"quantity": Decimal(29)},
        {"amount": Money(Decimal("0.12"), "USD")},
        {"amount": Money(Decimal("0.11"), "EUR")},
        {"lines": ()},
        {"timing": "immediate"},
        {"origin_order_id": "ORD_1"},
    ],
)
def test_two_checkouts_sell_the_same_only_if_all_of_the_offer_is_the_same(otherwise: dict[str, Any]) -> None:
    assert not SALE.sells_as(replace(SALE, **otherwise))


def test_two_checkouts_sell_the_same_whoever_asked_and_whenever() -> None:
    assert SALE.sells_as(
        replace(SALE, id="chk_2", created_at=LATER, expires_at=LATER, url="https://pay", flag="paid_twice")
    )


@pytest.mark.parametrize(
    ("kind", "subject"), [("overage", "tokens"), ("top_up", "tokens"), ("subscription", "pro"), ("plan_change", "pro")]
)
def test_units_are_of_a_meter_and_the_rest_is_of_a_plan(kind: CheckoutKind, subject: str) -> None:
    assert replace(SALE, kind=kind).subject == subject
    assert replace(SALE, kind=kind, meter=None, plan=None).subject == ""


def test_what_rounding_left_out_is_the_exact_price_less_the_amount() -> None:
    assert SALE.remainder == Decimal("0.002")
    assert replace(SALE, lines=(LINE, LINE), amount=Money(Decimal("0.23"), "USD")).remainder == Decimal("-0.006")
    assert replace(SALE, lines=()).remainder == Decimal(0)


def test_an_open_checkout_expires_at_its_very_instant_and_no_other_does() -> None:
    assert SALE.status_at(LATER - timedelta.resolution) == "open"
    assert SALE.status_at(LATER) == "expired"
    for status in ("paid", "superseded", "flagged", "expired"):
        assert replace(SALE, status=status).status_at(LATER) == status


@pytest.mark.parametrize(
    ("tax", "subtotal", "total", "is_asked_for"),
    [
        ("exclusive", "0.11", "0.13", True),
        ("exclusive", "0.09", "0.11", False),
        ("inclusive", "0.09", "0.11", True),
        ("inclusive", "0.11", "0.13", True),
        ("inclusive", "0.09", "0.13", False),
        (None, "0.09", "0.11", False),
    ],
)
def test_the_price_is_asked_for_before_tax_and_where_it_includes_the_tax_also_after_it(
    tax: Any, subtotal: str, total: str, *, is_asked_for: bool
) -> None:
    assert replace(SALE, tax=tax).asks_for(Decimal(subtotal), Decimal(total)) == is_asked_for
