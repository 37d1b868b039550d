"""Refunds that an operator asks for: what Waffo's words on a ticket mean, and how much may yet be asked for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pancake_meter.domain.selling.payment import Charge, Credit, Payment, PaymentStatus
from pancake_meter.domain.selling.refund import Refund, RefundMarks
from pancake_meter.domain.selling.refund_request import RefundRequest, ticket_reference, ticket_state
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.value import replace

AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(days=1)
CHARGE = Charge("USD", Decimal(30), Decimal(30), AT, "top_up")
CREDIT = Credit("tokens", "lot", Decimal(300))
PAID = Payment("PAY_1", "ORD_1", "ada", CHARGE, credits=(CREDIT,))
ASKED = RefundRequest("r1", Decimal(10), "sorry", AT, "rfd_1")
NOT_OURS = Resolution("d1", "not_ours", "for a book", AT)


def refund(amount: str, ticket: str | None = "rfd_1", *, failed: bool = False) -> Refund:
    told = {"failed_at": AT} if failed else {"succeeded_at": AT}
    return Refund(f"REF_{ticket}", Decimal(amount), None, AT, RefundMarks(ticket=ticket), **told)


def asked(*requests: RefundRequest, refunds: tuple[Refund, ...] = ()) -> Payment:
    payment = PAID
    for each in requests:
        payment = payment.with_request(each)
    for told in refunds:
        payment = payment.with_refund(told)
    return payment


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((each, "failed") for each in ("rejected", "returned", "failed", "cancelled", "canceled")),
        *((each, "requested") for each in ("pending", "under_review")),
        *((each, "approved") for each in ("approved", "processing", "succeeded", "a word that is new")),
    ],
)
def test_a_ticket_is_approved_unless_waffo_refused_it_or_has_not_decided(status: str, state: str) -> None:
    assert ticket_state(status) == state


def test_a_reference_is_of_one_request_for_one_payment() -> None:
    reference = ticket_reference("PAY_1", "r1")
    assert reference == ticket_reference("PAY_1", "r1")
    assert len({reference, ticket_reference("PAY_2", "r1"), ticket_reference("PAY_1", "r2")}) == 3
    assert (reference[:4], len(reference)) == ("rfd_", 44)


def test_a_repeat_asks_for_the_same_amount_or_again_for_all_the_rest() -> None:
    rest = replace(ASKED, is_rest=True)
    assert [ASKED.asks_for(amount) for amount in (Decimal(10), Decimal(11), None)] == [True, False, False]
    assert [rest.asks_for(amount) for amount in (Decimal(10), Decimal(11), None)] == [True, False, True]


def test_a_request_is_answered_once_waffo_has_the_ticket_or_refused_it() -> None:
    assert not ASKED.is_answered
    assert replace(ASKED, ticket_id="T").is_answered
    assert replace(ASKED, state="failed").is_answered
    assert not replace(ASKED, state="approved").is_answered


def test_the_webhook_alone_says_that_the_money_went_back() -> None:
    other = replace(ASKED, id="r2", reference="rfd_2", state="approved")
    waiting = asked(ASKED, other)
    assert [waiting.state_of(each) for each in (ASKED, other)] == ["requested", "approved"]
    assert waiting.refund_of(ASKED) is None
    went = asked(ASKED, other, refunds=(refund("10"), refund("10", "rfd_2", failed=True)))
    assert [went.state_of(each) for each in (ASKED, other)] == ["succeeded", "failed"]
    assert went.refund_of(other) == refund("10", "rfd_2", failed=True)
    # A refund that names no ticket, or another, comes of no request of ours
    assert asked(ASKED, refunds=(refund("10", None), refund("10", "rfd_9"))).state_of(ASKED) == "requested"


def test_an_answer_of_waffo_takes_the_place_of_the_request() -> None:
    answered = replace(ASKED, ticket_id="T", state="approved")
    second = replace(ASKED, id="r2")
    assert asked(ASKED, second, answered).requests == {"r1": answered, "r2": second}


def test_requests_wait_in_the_order_in_which_they_were_made() -> None:
    early, late = replace(ASKED, id="z", reference="1"), replace(ASKED, id="y", at=LATER, reference="2")
    same = replace(ASKED, id="a", reference="3")
    done = replace(ASKED, id="d", reference="4", state="approved")
    assert asked(late, done, early, same).open_requests == (same, early, late)
    assert asked(early, refunds=(refund("1", "1"),)).open_requests == ()


@pytest.mark.parametrize(
    ("payment", "left"),
    [
        (PAID, 30),
        (asked(ASKED), 20),
        (asked(replace(ASKED, state="approved")), 20),
        (asked(replace(ASKED, state="failed")), 30),
        (asked(ASKED, replace(ASKED, id="r2", amount=Decimal(5))), 15),
        (asked(ASKED, refunds=(refund("10"),)), 20),
        (asked(ASKED, refunds=(refund("10", failed=True),)), 30),
        (asked(ASKED, refunds=(refund("4", "rfd_9"),)), 16),
        (asked(ASKED, refunds=(refund("25", "rfd_9"),)), 0),
        (replace(PAID, charge=None, unmatched=CHARGE), 30),
        (replace(PAID, charge=None), None),
        (replace(PAID, charge=replace(CHARGE, collected=None, list_total=None)), None),
        (replace(PAID, charge=None).with_refund(replace(refund("4"), of=Decimal(30))), None),
    ],
)
def test_no_more_may_be_asked_for_than_was_paid_less_what_went_back_and_is_asked_for(
    payment: Payment, left: int | None
) -> None:
    assert payment.refundable == left


@pytest.mark.parametrize(
    ("changed", "status", "why"),
    [
        ({}, "applied", None),
        ({"credits": ()}, "flagged", "fits_nothing"),
        ({"credits": (), "flag": "no_such_checkout"}, "flagged", "no_such_checkout"),
        ({"flag": "paid_twice"}, "flagged", "paid_twice"),
        ({"charge": None, "unmatched": CHARGE, "flag": "no_such_checkout"}, "flagged", "no_such_checkout"),
        ({"credits": (), "charge": replace(CHARGE, sold="subscription")}, "applied", None),
        # Its order follows a subscription's charge, whatever somebody flagged
        ({"flag": "paid_twice", "charge": replace(CHARGE, sold="subscription")}, "applied", "paid_twice"),
        ({"charge": None, "credits": ()}, "uncharged", None),
        ({"charge": None, "credits": (), "flag": "no_such_checkout"}, "uncharged", "no_such_checkout"),
        ({"refunds": {"R": refund("30")}}, "refunded", None),
        ({"refunds": {"R": refund("29")}}, "applied", None),
        ({"resolution": replace(NOT_OURS, kind="units")}, "resolved", None),
        ({"resolution": replace(NOT_OURS, kind="units"), "refunds": {"R": refund("30")}}, "refunded", None),
        ({"resolution": NOT_OURS, "refunds": {"R": refund("30")}}, "not_ours", None),
        ({"resolution": NOT_OURS, "charge": None}, "not_ours", None),
    ],
)
def test_a_payment_says_what_became_of_it(changed: dict[str, Any], status: PaymentStatus, why: str | None) -> None:
    payment = replace(PAID, **changed)
    assert (payment.status, payment.why_flagged) == (status, why)


def test_only_a_decision_that_it_is_not_ours_takes_a_payment_out_of_the_count() -> None:
    assert replace(PAID, resolution=NOT_OURS).is_not_ours
    assert not replace(PAID, resolution=replace(NOT_OURS, kind="checkout")).is_not_ours
    assert not PAID.is_not_ours


def test_a_charge_that_is_known_is_no_riddle_any_more() -> None:
    riddle = replace(PAID, charge=None, unmatched=replace(CHARGE, collected=Decimal(1)), flag="no_such_checkout")
    assert riddle.with_charge(CHARGE) == PAID


def test_a_decision_told_twice_is_one_whoever_repeats_it_and_whenever() -> None:
    decided = Resolution("d1", "units", "sorry", AT, "admin", "tokens", Decimal(5))
    assert decided.decides_as(replace(decided, reason="typo", at=LATER, by="other"))


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "d2"},
        {"kind": "checkout"},
        {"meter": "images"},
        {"quantity": Decimal(6)},
        {"priority": 5},
        {"expires_at": LATER},
        {"checkout_id": "chk_1"},
    ],
)
def test_a_decision_that_says_anything_else_is_another(changed: dict[str, Any]) -> None:
    decided = Resolution("d1", "units", "sorry", AT, "admin", "tokens", Decimal(5))
    assert not decided.decides_as(replace(decided, **changed))
