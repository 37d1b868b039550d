"""Checkouts on the wire."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal, NotRequired, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.checkout import Checkout, CheckoutKind, CheckoutStatus, Flag, Tax, WantedKind
from pancake_meter.http.cursors import PageQuery, Pages, read_dated
from pancake_meter.http.fields import (
    COUNT,
    Amount,
    Currency,
    MeterName,
    PositiveQuantity,
    Timestamp,
    Units,
    Url,
    WireModel,
)
from pancake_meter.http.problem import Problem
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError, WaffoInFlight, WaffoUnavailable

CHECKOUTS_PAGE_MAX: Final = 100

_RETRY_SECONDS = 2


class CheckoutRequest(WireModel):
    """Body of ``POST /v1/customers/{customer_id}/checkouts``. The amount is computed here, never taken from the caller.

    Without a ``kind``, a ``quantity`` asks for a top-up and a bare ``meter`` for what is owed. A ``plan`` asks for a plan
    change where the customer has a live subscription, else for a subscription; the answer's ``kind`` says which.
    ``subscription`` is refused where there is a live one. An add-on is a subscription of its own, whatever else there is.
    ``timing`` says when a plan change happens; without it upgrades happen now, downgrades with the next period.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"timing": {"type": "string"}}, "required": ["timing"]},
            "then": {"properties": {"kind": {"const": "plan_change"}}, "required": ["kind"]},
        }
    )

    kind: Literal["overage", "top_up", "subscription", "plan_change"] | None = None
    meter: MeterName | None = None
    quantity: PositiveQuantity | None = None
    plan: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    success_url: Annotated[str, Field(max_length=2048)] | None = None
    timing: Literal["immediate", "next_period"] | None = None

    @model_validator(mode="after")
    def _timing_is_of_plan_changes(self) -> Self:
        if self.timing is not None and self.kind != "plan_change":
            raise ValueError("timing is of a plan_change")
        return self

    @property
    def wanted_kind(self) -> WantedKind:
        """The kind that is asked for, in so many words or not."""
        if self.kind is not None:
            return self.kind
        if self.plan is not None:
            return "plan"
        return "overage" if self.quantity is None else "top_up"


class CheckoutsQuery(PageQuery):
    """Query of ``GET .../checkouts``: the page's size, and the cursor that the page before answered."""

    limit: Annotated[int, Field(ge=1, le=CHECKOUTS_PAGE_MAX), COUNT] = CHECKOUTS_PAGE_MAX


class CheckoutLine(TypedDict):
    """Overage of one period under one plan: its units above ``start``, up to and with ``end``, for ``amount``."""

    period_start: Timestamp
    plan: str | None
    start: Units
    end: Units
    amount: Amount


class CheckoutBody(TypedDict):
    """One checkout. ``amount`` is a display amount; ``tax`` says whether it is inside that or comes on top.

    ``url`` is the payment page, in answers that open one.

    ``lines`` say of an overage checkout what was used when; of other kinds there are none. ``origin_order_id`` is the
    order that a plan change replaces.
    """

    checkout_id: str
    customer_id: str
    kind: CheckoutKind
    meter: str | None
    plan: str | None
    origin_order_id: str | None
    quantity: Units
    amount: Amount
    currency: Currency
    tax: Tax
    status: CheckoutStatus
    flag: Flag | None
    created_at: Timestamp
    expires_at: Timestamp
    payment_ids: list[str]
    lines: list[CheckoutLine]
    url: NotRequired[Url]


class CheckoutPage(TypedDict):
    """A page of checkouts, newest first; ``next_cursor`` goes on from it, and is null at the end."""

    checkouts: list[CheckoutBody]
    next_cursor: str | None


def checkout_body(checkout: Checkout, now: datetime) -> CheckoutBody:
    """Return a checkout as it stands at ``now``, without a payment URL: that one carries the customer's token."""
    return {
        "checkout_id": checkout.id,
        "customer_id": checkout.customer_id,
        "kind": checkout.kind,
        "meter": checkout.meter,
        "plan": checkout.plan,
        "origin_order_id": checkout.origin_order_id,
        "quantity": checkout.quantity,
        "amount": checkout.amount.display,
        "currency": checkout.amount.currency,
        "tax": checkout.tax,
        "status": checkout.status_at(now),
        "flag": checkout.flag,
        "created_at": timestamp(checkout.created_at),
        "expires_at": timestamp(checkout.expires_at),
        "payment_ids": list(checkout.payment_ids),
        "lines": [
            {
                "period_start": timestamp(line.key.period_start),
                "plan": line.key.plan,
                "start": line.start,
                "end": line.end,
                "amount": line.amount.display,
            }
            for line in checkout.lines
        ],
    }


def checkout_page(
    checkouts: Sequence[Checkout], following: tuple[str, str] | None, pages: Pages, now: datetime
) -> CheckoutPage:
    """Return a page; ``following`` is where the next one starts."""
    shown = [checkout_body(checkout, now) for checkout in checkouts]
    return {"checkouts": shown, "next_cursor": pages.cursor(following)}


def read_listed(listed_at: str, checkout_id: str) -> tuple[str, str]:
    """Return where a page of checkouts starts: (listed_at, checkout id). Raises ``ValueError`` for what is no such place."""
    created_at, name = read_dated(listed_at.partition("#")[0], checkout_id)
    return f"{timestamp(created_at)}#{name}", name


def problem_of_waffo(error: WaffoApiError | InvalidRequest) -> Problem:
    """Return the problem of a session that was not made: 503 where a repeat may help, 409 where Waffo takes no such, 502."""
    if isinstance(error, InvalidRequest):
        detail = "The payment provider does not take this; the log of this request says why."
        return Problem(HTTPStatus.CONFLICT, "not_for_sale", detail, {"field": error.field})
    if isinstance(error, WaffoUnavailable | WaffoInFlight):
        detail = "The payment provider did not answer. Repeat the same request: it opens no second checkout."
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "waffo_unavailable", detail, retry_after_seconds=_RETRY_SECONDS)
    detail = "The payment provider refused the checkout; the log of this request says why."
    return Problem(HTTPStatus.BAD_GATEWAY, "waffo_refused", detail)
