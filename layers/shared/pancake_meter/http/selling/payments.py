"""Payments on the wire: what came in, what it gave, what a person decided, and what went back."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from pancake_meter.domain.balance.gift import PRIORITY_MAX
from pancake_meter.domain.instant import parse_instant, timestamp
from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS
from pancake_meter.domain.selling.payment import Credit, Payment, PaymentStatus, SoldKind
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.domain.selling.refund_request import RefundRequest, RefundState
from pancake_meter.domain.selling.resolution import Resolution, ResolvedAs
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import (
    COUNT,
    WHOLE,
    Amount,
    Currency,
    Instant,
    MeterName,
    PositiveQuantity,
    Reason,
    Timestamp,
    Units,
    WireModel,
)
from pancake_meter.http.idempotency import KEY_PATTERN

PAYMENTS_PAGE_MAX: Final = 50
_CHECKOUT_ID: Final = r"^chk_[0-9a-z_]{1,64}$"
_PLACE_BYTES_MAX: Final = 1000
"""A sort key has 1,024 bytes."""

RequestId = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]


class PaymentsQuery(PageQuery):
    """Query of ``GET /v1/payments``: a status, the page's size, and the cursor that the page before gave."""

    status: PaymentStatus | None = None
    limit: Annotated[int, Field(ge=1, le=PAYMENTS_PAGE_MAX), COUNT] = PAYMENTS_PAGE_MAX


_UNITS_ONLY: Final = ("meter", "quantity", "priority", "expires_at")


def _absent(*names: str) -> dict[str, Any]:
    return {"properties": {name: {"type": "null"} for name in names}}


def _given(*names: str) -> dict[str, Any]:
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def _when(kind: ResolvedAs, *then: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {"as": {"const": kind}}}, "then": {"allOf": list(then)}}


class ResolveRequest(WireModel):
    """Body of ``POST /v1/payments/{payment_id}/resolve``: what the payment is. ``id`` is the caller's;
    the header ``Idempotency-Key`` may stand in its place.

    ``units`` takes ``meter`` and ``quantity``; where ``priority`` and ``expires_at`` are left out, those of the meter's
    top-up hold. ``checkout`` takes ``checkout_id``, or means the checkout that the payment names.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _when("units", _given("meter", "quantity"), _absent("checkout_id")),
                _when("checkout", _absent(*_UNITS_ONLY)),
                _when("not_ours", _absent(*_UNITS_ONLY, "checkout_id")),
            ]
        },
    )

    id: RequestId | None = None
    reason: Reason
    as_: Annotated[ResolvedAs, Field(alias="as")]
    meter: MeterName | None = None
    quantity: PositiveQuantity | None = None
    priority: Annotated[int, Field(strict=True, ge=0, le=PRIORITY_MAX), WHOLE] | None = None
    expires_at: Instant | None = None
    checkout_id: Annotated[str, StringConstraints(pattern=_CHECKOUT_ID)] | None = None

    @model_validator(mode="after")
    def _says_what_its_kind_takes(self) -> Self:
        units = (self.meter, self.quantity, self.priority, self.expires_at)
        if self.as_ == "units" and (self.meter is None or self.quantity is None):
            raise ValueError("units need a meter and a quantity")
        if self.as_ != "units" and any(each is not None for each in units):
            raise ValueError("meter, quantity, priority and expires_at are of units")
        if self.as_ != "checkout" and self.checkout_id is not None:
            raise ValueError("checkout_id is of checkout")
        return self


_AmountText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$")]


def _above_zero(amount: str) -> str:
    if Decimal(amount) == 0:
        raise ValueError("must be more than zero")
    return amount


class RefundPaymentRequest(WireModel):
    """Body of ``POST /v1/payments/{payment_id}/refund``. Without ``amount`` all that is left is refunded.

    ``id`` is the caller's; the header ``Idempotency-Key`` may stand in its place.
    """

    id: RequestId | None = None
    reason: Reason
    amount: (
        Annotated[_AmountText, AfterValidator(_above_zero), Field(json_schema_extra={"not": {"pattern": "^[0.]*$"}})]
        | None
    ) = None


class PaymentSummary(TypedDict):
    """One payment as lists show it. ``amount`` includes ``tax``; ``refunded`` is what went back of it.

    ``status`` is ``flagged`` while a person has to say what it is for: ``flag`` says why. ``sold`` is null while nobody
    knows.
    """

    payment_id: str
    order_id: str
    customer_id: str
    status: PaymentStatus
    flag: str | None
    sold: SoldKind | None
    plan: str | None
    checkout_id: str | None
    currency: Currency | None
    amount: Amount | None
    tax: Amount | None
    refunded: Amount | None
    paid_at: Timestamp | None


class CreditBody(TypedDict):
    """Units that a payment gave; ``taken_back`` of them went with refunds. ``overage``: it settled units that were owed."""

    meter: str
    kind: Literal["overage", "top_up", "credit"]
    quantity: Units
    taken_back: Units
    period_start: Timestamp | None
    priority: int | None
    expires_at: Timestamp | None


ResolutionBody = TypedDict(
    "ResolutionBody",
    {
        "id": str,
        "as": ResolvedAs,
        "reason": str,
        "at": Timestamp,
        "by": str | None,
        "meter": str | None,
        "quantity": Units | None,
        "priority": int | None,
        "expires_at": Timestamp | None,
        "checkout_id": str | None,
    },
)
"""What an operator decided; ``by`` names the API key."""


class RefundBody(TypedDict):
    """One refund. ``id`` and what begins with ``requested`` are null where it was not asked for here.

    ``state``: ``requested`` (Waffo has not decided), ``approved`` (Waffo has it), ``succeeded`` and ``failed`` as Waffo's
    webhook says. ``refusal`` is why Waffo refused it.
    """

    id: str | None
    state: RefundState
    amount: Amount | None
    currency: Currency | None
    reason: str | None
    requested_at: Timestamp | None
    requested_by: str | None
    ticket_id: str | None
    refusal: str | None
    succeeded_at: Timestamp | None
    failed_at: Timestamp | None


class PaymentBody(PaymentSummary):
    """One payment with all that came of it. ``refundable`` is what may yet be refunded; null where nobody says how much.

    ``collected`` is what was collected, ``list_total`` the order's price after tax. ``number`` counts a subscription's
    charges.
    """

    collected: Amount | None
    list_total: Amount | None
    number: int | None
    refundable: Amount | None
    credits: list[CreditBody]
    resolution: ResolutionBody | None
    refunds: list[RefundBody]


class ResolvedBody(PaymentBody):
    """The payment as it is resolved. ``replayed``: an earlier request resolved it."""

    replayed: bool


class RefundAskedBody(RefundBody):
    """The refund that was asked for. ``replayed``: an earlier request asked for it. ``refundable`` is what is left."""

    payment_id: str
    refundable: Amount | None
    replayed: bool


class PaymentPage(TypedDict):
    """A page of payments, newest first; ``next_cursor`` goes on from it, and is null at the end."""

    payments: list[PaymentSummary]
    next_cursor: str | None


def payment_page(payments: Sequence[Payment], following: str | None, pages: Pages) -> PaymentPage:
    """Return a page of payments; ``following`` is the place before which the next one goes on."""
    cursor = pages.cursor((following,) if following is not None else None)
    return {"payments": [_summary(payment) for payment in payments], "next_cursor": cursor}


def read_place(listed_at: str) -> str:
    """Return the place before which a page of payments goes on. Raises ``ValueError`` for what is no such place."""
    paid_at, _, payment_id = listed_at.partition("#")
    place = f"{timestamp(parse_instant(paid_at))}#{payment_id}"
    if len(place.encode()) > _PLACE_BYTES_MAX:
        raise ValueError("a sort key is longer than any place")
    return place


def payment_body(payment: Payment) -> PaymentBody:
    """Return a payment, whole."""
    charge = payment.told_charge
    currency = charge.currency if charge else None
    asked = [_asked(payment, request) for request in payment.requests.values()]
    ours = {refund.id for each in payment.requests.values() if (refund := payment.refund_of(each)) is not None}
    told = [_told(payment, refund) for refund in payment.refunds.values() if refund.id not in ours]
    return {
        **_summary(payment),
        "collected": _display(charge.collected if charge else None, currency),
        "list_total": _display(charge.list_total if charge else None, currency),
        "number": charge.number if charge else None,
        "refundable": _display(payment.refundable, currency),
        "credits": [_credit(credit) for credit in payment.credits],
        "resolution": _resolution(payment.resolution) if payment.resolution else None,
        "refunds": [*asked, *told],
    }


def resolved_body(payment: Payment, *, replayed: bool) -> ResolvedBody:
    """Return a payment as it is resolved."""
    return {**payment_body(payment), "replayed": replayed}


def refund_asked_body(payment: Payment, request: RefundRequest, *, replayed: bool) -> RefundAskedBody:
    """Return what became of a request for a refund."""
    charge = payment.told_charge
    refundable = _display(payment.refundable, charge.currency if charge else None)
    asked = _asked(payment, request)
    return {**asked, "payment_id": payment.payment_id, "refundable": refundable, "replayed": replayed}


def _summary(payment: Payment) -> PaymentSummary:
    charge = payment.told_charge
    currency = charge.currency if charge else None
    sold = payment.charge.sold if payment.charge and not payment.is_not_ours else None
    return {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "customer_id": payment.customer_id,
        "status": payment.status,
        "flag": payment.why_flagged,
        "sold": sold,
        "plan": payment.charge.plan if payment.charge and sold else None,
        "checkout_id": payment.checkout_id,
        "currency": currency,
        "amount": _display(payment.paid_amount, currency),
        "tax": _display(charge.tax if charge else None, currency),
        "refunded": _display(payment.refunded_amount, currency),
        "paid_at": timestamp(charge.paid_at) if charge else None,
    }


def _credit(credit: Credit) -> CreditBody:
    terms = credit.terms
    expires_at = terms.expires_at if terms else None
    return {
        "meter": credit.meter,
        "kind": "overage" if credit.line is not None else terms.kind if terms is not None else "top_up",
        "quantity": credit.quantity,
        "taken_back": credit.taken_back,
        "period_start": timestamp(credit.line.period_start) if credit.line is not None else None,
        "priority": terms.priority if terms else None,
        "expires_at": timestamp(expires_at) if expires_at else None,
    }


def _resolution(resolution: Resolution) -> ResolutionBody:
    return {
        "id": resolution.id,
        "as": resolution.kind,
        "reason": resolution.reason,
        "at": timestamp(resolution.at),
        "by": resolution.by,
        "meter": resolution.meter,
        "quantity": resolution.quantity,
        "priority": resolution.priority,
        "expires_at": timestamp(resolution.expires_at) if resolution.expires_at else None,
        "checkout_id": resolution.checkout_id,
    }


def _asked(payment: Payment, request: RefundRequest) -> RefundBody:
    refund = payment.refund_of(request)
    charge = payment.told_charge
    currency = charge.currency if charge else None
    return {
        "id": request.id,
        "state": payment.state_of(request),
        "amount": _display(request.amount, currency),
        "currency": currency,
        "reason": request.reason or None,
        "requested_at": timestamp(request.at),
        "requested_by": request.by,
        "ticket_id": request.ticket_id,
        "refusal": request.refusal,
        "succeeded_at": timestamp(refund.done_at) if refund and refund.done_at else None,
        "failed_at": timestamp(refund.failed_at) if refund and refund.failed_at else None,
    }


def _told(payment: Payment, refund: Refund) -> RefundBody:
    charge = payment.told_charge
    currency = charge.currency if charge else None
    return {
        "id": None,
        "state": "succeeded" if refund.stands else "failed",
        "amount": _display(refund.amount, currency),
        "currency": currency,
        "reason": None,
        "requested_at": None,
        "requested_by": None,
        "ticket_id": None,
        "refusal": None,
        "succeeded_at": timestamp(refund.done_at) if refund.done_at else None,
        "failed_at": timestamp(refund.failed_at) if refund.failed_at else None,
    }


def _display(amount: Decimal | None, currency: str | None) -> str | None:
    """Return an amount with its currency's decimals, or with as many more as it takes: nothing is rounded."""
    if amount is None:
        return None
    exact = Decimal(f"{amount.normalize():f}")
    places = -int(exact.as_tuple().exponent)
    return f"{exact:.{max(places, CURRENCY_EXPONENTS.get(currency or '', 2))}f}"
