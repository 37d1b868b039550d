"""Payments: what of their money and of the units that they bought has gone back, never more than there was."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from pancake_meter.domain.selling.payment import MAX_REFUNDS, Charge, Credit, Payment
from pancake_meter.domain.selling.refund import Refund, RefundMarks
from pancake_meter.value import replace

AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
CHARGE = Charge("USD", Decimal(30), Decimal(30), AT, "top_up")


def refund(name: str, amount: str | None, *, of: str | None = None, failed: bool = False) -> Refund:
    return Refund(
        name,
        Decimal(amount) if amount else None,
        Decimal(of) if of else None,
        AT,
        RefundMarks(name),
        succeeded_at=None if failed else AT,
        failed_at=AT if failed else None,
    )


def paid(*refunds: Refund, charge: Charge | None = CHARGE) -> Payment:
    payment = Payment("PAY_1", "ORD_1", "ada", charge)
    for each in refunds:
        payment = payment.with_refund(each)
    return payment


@pytest.mark.parametrize(
    ("amounts", "amount", "share"),
    [
        ([], 0, Fraction(0)),
        (["10"], 10, Fraction(1, 3)),
        (["10", "5"], 15, Fraction(1, 2)),
        (["10", "20"], 30, Fraction(1)),
        (["10", "21"], 30, Fraction(1)),
        (["40"], 30, Fraction(1)),
        ([None], 0, Fraction(0)),
        ([None, "10"], 10, Fraction(1, 3)),
    ],
)
def test_never_more_goes_back_than_was_paid(amounts: list[str | None], amount: int, share: Fraction) -> None:
    payment = paid(*(refund(f"REF_{number}", each) for number, each in enumerate(amounts)))
    assert (payment.refunded_amount, payment.refunded_share) == (amount, share)


def test_a_refund_that_failed_takes_nothing() -> None:
    payment = paid(refund("REF_1", "10", failed=True), refund("REF_2", "6"))
    assert (payment.refunded_share, [each.id for each in payment.standing_refunds]) == (Fraction(1, 5), ["REF_2"])


@pytest.mark.parametrize(
    ("charge", "stated", "amount"),
    [
        (CHARGE, ["20"], 30),
        (replace(CHARGE, collected=None), ["20", "25"], 25),
        (replace(CHARGE, collected=Decimal(0), list_total=Decimal(7)), ["20"], 20),
        (replace(CHARGE, collected=None, list_total=Decimal(7)), [None], 7),
        (replace(CHARGE, collected=None, list_total=None), [None], None),
        (None, ["20", "25", None], 25),
        (None, [None], None),
        (None, [], None),
    ],
)
def test_what_came_in_is_what_was_collected_else_what_refunds_are_of_else_the_price(
    charge: Charge | None, stated: list[str | None], amount: int | None
) -> None:
    refunds = (refund(f"REF_{number}", "1", of=of) for number, of in enumerate(stated))
    assert paid(*refunds, charge=charge).paid_amount == amount


def test_without_knowing_what_came_in_the_amount_counts_and_no_share() -> None:
    payment = paid(refund("REF_1", "4"), charge=None)
    assert (payment.refunded_amount, payment.refunded_share) == (4, Fraction(0))


def test_money_that_came_back_for_nothing_paid_is_all_of_it() -> None:
    nothing = replace(CHARGE, collected=None, list_total=Decimal(0))
    assert paid(refund("REF_1", "4"), charge=nothing).refunded_share == Fraction(1)


@pytest.mark.parametrize(
    ("quantity", "share", "units"),
    [
        ("300", Fraction(1, 3), "100"),
        ("300", Fraction(1, 7), "42"),
        ("300", Fraction(1), "300"),
        ("0.5", Fraction(1, 3), "0.166666"),
        ("1", Fraction(99, 100), "0"),
    ],
)
def test_point_18_whole_units_go_back_whole_and_rounded_down(quantity: str, share: Fraction, units: str) -> None:
    assert Credit("tokens", "lot", Decimal(quantity)).refunded(share) == Decimal(units)


def test_the_first_statement_of_a_charge_stands() -> None:
    again = replace(CHARGE, collected=Decimal(99))
    assert paid().with_charge(again).charge == CHARGE
    assert paid(charge=None).with_charge(again).charge == again


def test_the_money_is_what_was_collected_else_the_price() -> None:
    assert CHARGE.amount == 30
    assert replace(CHARGE, collected=Decimal(0)).amount == 0
    assert replace(CHARGE, collected=None, list_total=Decimal(7)).amount == 7
    assert [replace(CHARGE, sold=sold).is_subscription for sold in ("subscription", "top_up", "overage")] == [
        True,
        False,
        False,
    ]


def test_a_word_on_a_known_refund_takes_its_place() -> None:
    known = refund("REF_1", "10")
    failed = replace(refund("REF_1", None, failed=True), failed_at=AT + timedelta(days=1))
    payment = paid(known, refund("REF_2", "5")).with_refund(failed, known)
    assert {each.id: each.stands for each in payment.refunds.values()} == {"REF_1": False, "REF_2": True}
    # A success gives the refund its name, in whatever order the two are told
    failure = refund("EVT_9", None, failed=True)
    named = paid(failure).with_refund(known, failure)
    assert list(named.refunds) == ["REF_1"]


@pytest.mark.parametrize("failed", [False, True])
def test_point_16_a_payment_keeps_50_refunds_that_succeeded_and_50_that_only_failed(*, failed: bool) -> None:
    assert MAX_REFUNDS == 50
    like = [refund(f"REF_{number}", "0.01", failed=failed) for number in range(MAX_REFUNDS)]
    assert paid(*like[1:]).has_place_for(like[0])
    full = paid(*like)
    assert not full.has_place_for(refund("REF_50", "0.01", failed=failed))
    # A word on one that is known, and one of the other kind, find their place
    assert full.has_place_for(refund("REF_0", "0.01", failed=failed), like[0])
    assert full.has_place_for(refund("REF_50", "0.01", failed=not failed))


def test_point_16_the_failure_of_a_refund_that_is_known_takes_no_place_of_those_that_only_failed() -> None:
    failures = [refund(f"REF_{number}", "0.01", failed=True) for number in range(MAX_REFUNDS)]
    known = refund("REF_known", "0.01")
    assert paid(*failures, known).has_place_for(refund("REF_known", None, failed=True), known)


def test_every_word_on_refunds_makes_the_rank_grow() -> None:
    first, second = refund("REF_1", "10"), refund("REF_2", "5")
    failed = replace(first, failed_at=AT)
    ranks = [each.refunds_rank for each in (paid(), paid(first), paid(first, second), paid(failed, second))]
    assert ranks == sorted(set(ranks))
    assert paid(first).refunds_rank == int(AT.timestamp() * 1000)
