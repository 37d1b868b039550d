"""A payment is worth what was asked for: in its currency, at its price, once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.credit import (
    PaidOrder,
    Settlement,
    lot_credit,
    lot_of,
    settle_as_told,
    settle_payment,
)
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.checkout import Checkout, CheckoutKind, Flag
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey, OverageLine, SettledUnits, SoldLine
from pancake_meter.domain.selling.payment import Credit, LotTerms
from pancake_meter.domain.selling.plan import OverageAllowed
from pancake_meter.value import replace

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
NOW = START + timedelta(days=3)
LINE = LineKey(START, "pro")
PRICE = Money(Decimal("3.00"), "USD")


def balance(used: int = 0) -> Balance:
    policy = Policy("pro", Decimal(100), "month", OverageAllowed())
    return record_usage(
        open_balance("acct_1001", "tokens", policy, Term(None, START), START).after, Decimal(used), START
    )


def checkout(kind: CheckoutKind = "top_up", quantity: int = 300, lines: tuple[SoldLine, ...] = ()) -> Checkout:
    return Checkout(
        "chk_1", "acct_1001", kind, "tokens", None, Decimal(quantity), PRICE, "open", START, NOW, lines=lines
    )


def overage(quantity: int = 300) -> Checkout:
    return checkout("overage", quantity, (SoldLine(LINE, ZERO, Decimal(quantity), PRICE, Decimal("3.004")),))


def paid(currency: str = "USD", subtotal: str | None = "3.00", payment_id: str = "PAY_1") -> PaidOrder:
    return PaidOrder(payment_id, currency, Decimal(subtotal) if subtotal else None)


@pytest.mark.parametrize(
    ("payment", "flag"),
    [
        (paid(currency="EUR"), "currency_differs"),
        (paid(currency="EUR", subtotal=None), "currency_differs"),
        (paid(currency="EUR", subtotal="2.99"), "currency_differs"),
        (paid(subtotal="2.99"), "amount_differs"),
        (paid(subtotal="3.01"), "amount_differs"),
    ],
)
@pytest.mark.parametrize("sold", [checkout(), overage()], ids=["top-up", "overage"])
def test_other_money_than_was_asked_for_credits_nothing_and_is_shown(
    sold: Checkout, payment: PaidOrder, flag: Flag
) -> None:
    made = settle_payment(sold, payment, Change.begin(balance(used=400)), {}, NOW)
    assert (made.checkout.status, made.checkout.flag) == ("flagged", flag)
    assert (made.change.is_empty, made.settled, made.grant, made.remainder) == (True, (), None, ZERO)
    assert made.checkout.payment_ids == ("PAY_1",)


@pytest.mark.parametrize("subtotal", ["3.00", "3", None])
def test_a_price_that_is_the_same_or_not_stated_does_not_differ(subtotal: str | None) -> None:
    made = settle_payment(checkout(), paid(subtotal=subtotal), Change.begin(balance()), {}, NOW)
    assert (made.checkout.status, made.checkout.flag, made.change.balance.available) == ("paid", None, Decimal(400))


@pytest.mark.parametrize(
    ("sold", "used", "status", "flag", "settled", "granted", "kind"),
    [
        (checkout(), 0, "paid", None, 0, 300, "top_up"),
        (overage(), 400, "paid", None, 300, 0, None),
        (overage(), 500, "paid", None, 300, 0, None),
        (overage(), 350, "flagged", "no_longer_owed", 250, 50, "credit"),
        (overage(), 0, "flagged", "no_longer_owed", 0, 300, "credit"),
    ],
)
def test_paid_units_settle_what_is_still_owed_and_the_rest_is_a_grant(
    sold: Checkout, used: int, status: str, flag: Flag | None, settled: int, granted: int, kind: str | None
) -> None:
    made = settle_payment(sold, paid(), Change.begin(balance(used)), {}, NOW)
    assert (made.checkout.status, made.checkout.flag) == (status, flag)
    assert made.settled == ((SettledUnits(LINE, Decimal(settled)),) if settled else ())
    assert (int(made.grant.quantity), made.grant.kind) == (granted, kind) if made.grant else not granted
    assert made.change.balance.overage == max(0, used - 100 - 300 if settled else 0)


def test_what_rounding_left_out_is_carried_only_where_all_was_owed() -> None:
    assert settle_payment(overage(), paid(), Change.begin(balance(400)), {}, NOW).remainder == Decimal("0.004")
    assert settle_payment(overage(), paid(), Change.begin(balance(399)), {}, NOW).remainder == ZERO


def test_what_a_late_payment_bought_pays_for_what_is_due() -> None:
    began = START - timedelta(days=31)
    old = OverageLine(LineKey(began, "pro"), NOW + timedelta(days=1), Decimal(40))
    owing = replace(balance(), overage_due=Decimal(40))
    made = settle_payment(overage(), paid(), Change.begin(owing), {old.key: old}, NOW)
    assert (made.change.balance.overage_due, made.change.balance.available) == (ZERO, Decimal(100 + 300 - 40))


def test_a_second_payment_is_credit_and_shown_and_one_told_twice_is_one() -> None:
    once = settle_payment(checkout(), paid(), Change.begin(balance()), {}, NOW)
    told_again = settle_payment(once.checkout, paid(), Change.begin(once.change.after), {}, NOW)
    assert (told_again.checkout, told_again.change.is_empty, told_again.grant) == (once.checkout, True, None)
    twice = settle_payment(once.checkout, paid(payment_id="PAY_2"), Change.begin(once.change.after), {}, NOW)
    assert (twice.checkout.status, twice.checkout.flag, twice.checkout.payment_ids) == (
        "flagged",
        "paid_twice",
        ("PAY_1", "PAY_2"),
    )
    assert twice.grant is not None
    assert (twice.grant.kind, twice.change.balance.available) == ("credit", Decimal(700))


@pytest.mark.parametrize("life", [None, timedelta(days=30)])
def test_a_bought_lot_lives_from_the_payment_for_as_long_as_was_sold(life: timedelta | None) -> None:
    sold = replace(checkout(), expires_after=life, priority=70)
    lot = settle_payment(sold, paid(), Change.begin(balance()), {}, NOW).grant
    assert lot is not None
    assert (lot.starts_at, lot.expires_at, lot.priority) == (NOW, NOW + life if life else None, 70)


@pytest.mark.parametrize("kind", ["top_up", "credit"])
def test_the_record_of_a_credit_is_enough_to_give_it_back(kind: str) -> None:
    sold = replace(overage() if kind == "credit" else checkout(), expires_after=timedelta(days=30))
    lot = settle_payment(sold, paid(), Change.begin(balance()), {}, NOW).grant
    assert lot is not None
    kept = lot_credit("tokens", lot)
    assert (kept.meter, kept.quantity) == ("tokens", Decimal(300))
    assert lot_of(kept, kept.quantity, START) == lot


def test_a_credit_kept_without_terms_comes_back_as_a_top_up_that_never_expires() -> None:
    lot = lot_of(Credit("tokens", "top_up:PAY_1", Decimal(300)), Decimal(20), NOW)
    assert (lot.id, lot.quantity, lot.remaining) == ("top_up:PAY_1", 20, 20)
    assert LotTerms("top_up", lot.priority, lot.starts_at, lot.expires_at) == LotTerms("top_up", 90, NOW, None)


PAID_AT = START + timedelta(days=1)


def as_told(sold: Checkout, used: int = 0, payment_id: str = "PAY_1") -> Settlement:
    return settle_as_told(sold, payment_id, Change.begin(balance(used)), {}, PAID_AT, NOW)


def test_a_payment_that_a_person_calls_a_checkout_s_own_pays_it_whatever_was_flagged() -> None:
    made = as_told(replace(checkout(), status="flagged", flag="amount_differs", payment_ids=("PAY_0",)))
    assert made.checkout == replace(checkout(), status="paid", flag=None, payment_ids=("PAY_0", "PAY_1"))
    assert as_told(made.checkout).checkout == made.checkout


@pytest.mark.parametrize(
    ("sold", "used", "settled", "granted", "kind", "remainder"),
    [
        (checkout(), 0, 0, 300, "top_up", "0"),
        (overage(), 400, 300, 0, None, "0.004"),
        (overage(), 350, 250, 50, "credit", "0"),
        (overage(), 0, 0, 300, "credit", "0"),
    ],
)
def test_what_a_person_assigns_settles_what_is_still_owed_and_the_rest_is_a_grant(
    sold: Checkout, used: int, settled: int, granted: int, kind: str | None, remainder: str
) -> None:
    made = as_told(sold, used)
    assert made.settled == ((SettledUnits(LINE, Decimal(settled)),) if settled else ())
    assert (int(made.grant.quantity), made.grant.kind) == (granted, kind) if made.grant else not granted
    assert made.remainder == Decimal(remainder)
    assert made.change.balance.available == max(0, 100 - used) + granted
    assert made.change.balance.overage == 0


@pytest.mark.parametrize("life", [None, timedelta(days=30)])
def test_units_that_a_person_assigns_are_there_since_the_payment_and_live_from_now(life: timedelta | None) -> None:
    lot = as_told(replace(checkout(), expires_after=life, priority=70)).grant
    assert lot is not None
    assert (lot.starts_at, lot.expires_at, lot.priority) == (PAID_AT, NOW + life if life else None, 70)
    assert lot.remaining == lot.quantity


def test_units_that_a_person_assigns_pay_for_what_became_due_after_the_payment() -> None:
    ended = OverageLine(LineKey(START - timedelta(days=31), "pro"), PAID_AT, Decimal(40))
    open_then = replace(ended, key=LineKey(START - timedelta(days=30), "pro"), ends_at=PAID_AT + timedelta(days=1))
    change = Change.begin(replace(balance(), overage_due=Decimal(80)))
    made = settle_as_told(checkout(), "PAY_1", change, {line.key: line for line in (ended, open_then)}, PAID_AT, NOW)
    assert (made.change.balance.overage_due, made.change.balance.available) == (Decimal(40), Decimal(360))
    assert made.change.balance.as_of == NOW


def test_units_of_a_known_line_are_settled_in_it_by_a_person_s_word() -> None:
    key = LineKey(START - timedelta(days=31), "pro")
    line = OverageLine(key, START, Decimal(300))
    change = Change.begin(replace(balance(), overage_due=Decimal(300)))
    sold = checkout("overage", 300, (SoldLine(key, ZERO, Decimal(300), PRICE, Decimal("3.004")),))
    made = settle_as_told(sold, "PAY_1", change, {key: line}, PAID_AT, NOW)
    assert (made.settled, made.grant) == ((SettledUnits(key, Decimal(300)),), None)
    assert made.change.balance.overage_due == ZERO


@pytest.mark.parametrize(
    ("tax", "total", "flag"), [("inclusive", "3.00", None), ("exclusive", "3.00", "amount_differs")]
)
def test_a_price_with_tax_in_it_is_met_after_tax_and_no_other_is(tax: Any, total: str, flag: str | None) -> None:
    payment = PaidOrder("PAY_1", "USD", Decimal("2.50"), Decimal(total))
    assert settle_payment(replace(checkout(), tax=tax), payment, Change.begin(balance()), {}, NOW).checkout.flag == flag
