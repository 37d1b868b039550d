"""Refunds that the operator asks for: one ticket at Waffo for each, however often and however unluckily it is asked for.

The request is kept before Waffo is called. After a lost answer Waffo is asked whether it has the ticket; if not, the
request is sent again. Units are taken back when Waffo's webhook says that the money went back, and not before.
"""

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.errors import (
    PaymentNotFound,
    PaymentNotRefundable,
    RefundConflict,
    RefundRefused,
    RefundTooLarge,
    TooManyRefunds,
)
from pancake_meter.domain.selling.money import Money, currency_exponent
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.selling.refund_request import MAX_REQUESTS, RefundRequest, ticket_reference, ticket_state
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.selling.payments import read_payment, requests_writes
from pancake_meter.store.table import Table
from pancake_meter.usecases.selling.waffo_refusal import is_about_the_request, words_of
from pancake_meter.value import Value, replace
from pancake_meter.waffo.checkout import RefundTicket, check_short_id
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import InvalidRequest, WaffoRejected

_ATTEMPTS_MAX: Final = 8
_IN_FLIGHT: Final = timedelta(minutes=5)
"""So long after it was asked for, a refund may still be on its way to Waffo."""

_NO_REASON: Final = "requested_by_merchant"
"""What Waffo is told where the operator's words are gone with the customer."""


class Refunding(Value):
    """The collaborators of a refund: ``erasures`` are the customers who were erased."""

    table: Table
    erasures: Erasures | None
    waffo: WaffoClient


class RefundWish(Value):
    """What an operator asks for. ``id`` is the caller's, ``by`` names the API key. Without ``amount``: all that is left."""

    id: str
    amount: Decimal | None
    reason: str
    by: str | None = None


class RefundAsked(Value):
    """A payment, and the refund that was asked for, now or by an earlier request (``is_replay``)."""

    payment: Payment
    request: RefundRequest
    is_replay: bool


def refund_payment(refunding: Refunding, payment_id: str, wish: RefundWish, now: datetime) -> RefundAsked:
    """Ask Waffo to give back a payment or a part of it, once for each id of a wish.

    Raises:
        PaymentNotFound: no payment has that id.
        PaymentNotRefundable, RefundTooLarge, TooManyRefunds, InvalidMoney: it cannot be asked for; Waffo was not called.
        RefundConflict: the id was used for another amount, or once with an amount and once without.
        RefundRefused: Waffo refuses the refund. A repeat is refused too; another wish needs another id.
        WaffoApiError: Waffo did not answer, or not as it should; the same request is safe to repeat.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    payment, request, is_new = _kept(refunding, payment_id, wish, now)
    if request.is_answered:
        return RefundAsked(payment, _accepted(request), is_replay=True)
    answered = _sent(refunding, payment, request, is_new=is_new)
    payment = _keep_answer(refunding, payment_id, answered)
    return RefundAsked(payment, _accepted(answered), is_replay=not is_new)


def ask_after(refunding: Refunding, payment_id: str, now: datetime) -> bool:
    """Ask Waffo what became of the refunds of a payment that it has not answered for; return whether anything did.

    Nothing is sent: a refund that Waffo was never asked for waits for the operator to repeat it.

    Raises:
        PaymentNotFound: no payment has that id.
        WaffoApiError: Waffo did not answer; the next run asks again.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    is_news = False
    payment = _payment(refunding, payment_id)
    for request in payment.open_requests:
        if now < request.at + _IN_FLIGHT:
            continue
        ticket = refunding.waffo.refund_ticket(request.reference)
        if ticket is None:
            continue
        answered = _answered(request, ticket)
        if answered != request:
            payment, is_news = _keep_answer(refunding, payment_id, answered), True
    if not payment.open_requests and not is_news:
        # Waffo's webhook was faster: the list does not know yet.
        _write(refunding, payment)
    return is_news


def _accepted(request: RefundRequest) -> RefundRequest:
    if request.refusal is not None:
        raise RefundRefused("Waffo refused the refund; ask for another under another id", refusal=request.refusal)
    return request


def _kept(
    refunding: Refunding, payment_id: str, wish: RefundWish, now: datetime
) -> tuple[Payment, RefundRequest, bool]:
    """Return the payment and the request as they are kept, and whether this call keeps it first."""
    for _ in range(_ATTEMPTS_MAX):
        payment = _payment(refunding, payment_id)
        known = payment.requests.get(wish.id)
        if known is not None:
            if not known.asks_for(wish.amount):
                raise RefundConflict("the id was used to refund another amount", amount=f"{known.amount:f}")
            return payment, known, False
        request = _request(payment, wish, now)
        if _write(refunding, payment.with_request(request)):
            return payment.with_request(request), request, True
    raise StoreBusy("the payment kept changing")


def _request(payment: Payment, wish: RefundWish, now: datetime) -> RefundRequest:
    """Return the request for a refund that is within what is left of the payment."""
    charge, left = payment.told_charge, payment.refundable
    if charge is None or left is None:
        raise PaymentNotRefundable("nobody has said yet how much the payment was")
    try:
        check_short_id("paymentId", payment.payment_id, "PAY")
    except InvalidRequest:
        raise PaymentNotRefundable("Waffo knows no payment by an id of this form") from None
    whole = _payable(left, charge.currency)
    amount = Money(wish.amount, charge.currency) if wish.amount is not None else whole
    if not 0 < amount.amount <= whole.amount:
        raise RefundTooLarge("that is not left of the payment", left=whole.display, currency=charge.currency)
    if len(payment.requests) >= MAX_REQUESTS:
        raise TooManyRefunds("the payment has as many refunds as can be kept", limit=MAX_REQUESTS)
    reason = "" if is_pseudonym(payment.customer_id) else wish.reason
    reference = ticket_reference(payment.payment_id, wish.id)
    return RefundRequest(wish.id, amount.amount, reason, now, reference, wish.by, is_rest=wish.amount is None)


def _payable(amount: Decimal, currency: str) -> Money:
    """Return as much of an amount as its currency can pay: parts that were refunded may have been finer."""
    step = Decimal(1).scaleb(-currency_exponent(currency))
    return Money(amount.quantize(step, rounding=ROUND_DOWN), currency)


def _sent(refunding: Refunding, payment: Payment, request: RefundRequest, *, is_new: bool) -> RefundRequest:
    """Return the request as Waffo answers it. One that may have been sent before is looked for first."""
    ticket = None if is_new else refunding.waffo.refund_ticket(request.reference)
    currency = payment.told_charge.currency if payment.told_charge else ""
    if ticket is None:
        try:
            ticket = refunding.waffo.create_refund_ticket(
                payment.payment_id,
                amount=Money(request.amount, currency).display,
                currency=currency,
                reason=request.reason or _NO_REASON,
                external_id=request.reference,
            )
        except WaffoRejected as refusal:
            if not is_about_the_request(refusal):
                raise
            return replace(request, state="failed", refusal=words_of(refusal))
    return _answered(request, ticket)


def _answered(request: RefundRequest, ticket: RefundTicket) -> RefundRequest:
    return replace(request, ticket_id=ticket.id, state=ticket_state(ticket.status))


def _keep_answer(refunding: Refunding, payment_id: str, answered: RefundRequest) -> Payment:
    for _ in range(_ATTEMPTS_MAX):
        payment = _payment(refunding, payment_id).with_request(answered)
        if is_pseudonym(payment.customer_id):
            payment = payment.with_request(replace(answered, reason=""))
        if _write(refunding, payment):
            return payment
    raise StoreBusy("the payment kept changing")


def _payment(refunding: Refunding, payment_id: str) -> Payment:
    payment = read_payment(refunding.table, payment_id)
    if payment is None:
        raise PaymentNotFound("no payment has that id")
    return payment


def _write(refunding: Refunding, payment: Payment) -> bool:
    """Write a payment; return whether nobody else was faster. An erasure renames it, which counts as somebody else."""
    owner, erasures = payment.customer_id, refunding.erasures
    demands = [] if is_pseudonym(owner) or erasures is None else [erasures.unless_erased(owner)]
    try:
        refunding.table.transact([*requests_writes(payment), *demands])
    except WriteRefused:
        return False
    return True
