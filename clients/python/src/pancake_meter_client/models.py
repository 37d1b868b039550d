"""What goes over the wire, typed. Quantities are exact decimals in units of the meter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Self
from uuid import uuid4

from pancake_meter_client.errors import UsageRefused
from pancake_meter_client.quantities import plain


@dataclass(frozen=True, slots=True)
class Period:
    """The window after which an allowance starts afresh: from ``start``, until before ``end``."""

    start: str
    end: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a period of the API."""
        return cls(body["start"], body["end"])


@dataclass(frozen=True, slots=True)
class Quota:
    """What a customer may still use of a meter. ``available`` is in the grants; overage may come on top.

    ``overage_limit`` caps the open period's ``overage``, ``None`` where nothing does; ``overage_due`` is unpaid overage of
    closed periods, ``refund_debt`` what a refund took that was used already. ``alert`` is the highest threshold of the plan
    that is reached, as a share of the allowance (0.8 is 80 %), ``None`` below the first: a nudge before the refusal.
    ``holds_per_minute`` is ``None`` unless a late payment throttles the customer. ``past_due``: the plan is not paid, and
    nothing but bought units is left. Stacks older than this client leave
    some of these out.
    """

    customer_id: str
    meter: str
    plan: str | None
    allowance: Decimal
    used: Decimal
    held: Decimal
    available: Decimal
    overage: Decimal
    resets_at: str
    blocked: str | None
    purchase_url: str | None = None
    upgrade_url: str | None = None
    overage_due: Decimal = Decimal(0)
    overage_limit: Decimal | None = None
    refund_debt: Decimal = Decimal(0)
    period: Period | None = None
    holds_per_minute: int | None = None
    alert: Decimal | None = None
    past_due: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a quota of the API."""
        return cls(
            customer_id=body["customer_id"],
            meter=body["meter"],
            plan=body["plan"],
            allowance=decimal(body["allowance"]),
            used=decimal(body["used"]),
            held=decimal(body["held"]),
            available=decimal(body["available"]),
            overage=decimal(body["overage"]),
            resets_at=body["resets_at"],
            blocked=body["blocked"],
            purchase_url=body.get("purchase_url"),
            upgrade_url=body.get("upgrade_url"),
            overage_due=decimal(body.get("overage_due", 0)),
            overage_limit=_decimal_or_none(body.get("overage_limit")),
            refund_debt=decimal(body.get("refund_debt", 0)),
            period=Period.read(body["period"]) if body.get("period") else None,
            holds_per_minute=body.get("holds_per_minute"),
            alert=_decimal_or_none(body.get("alert")),
            past_due=body.get("past_due") is True,
        )

    @classmethod
    def read_if_one(cls, body: object) -> Self | None:
        """Read a quota, or return ``None`` for what is none: a refusal may come from something before the API."""
        try:
            return cls.read(body) if isinstance(body, Mapping) and body else None
        except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation):
            return None


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A hold as it was answered: ``handle`` is what settles or releases it."""

    handle: str
    id: str
    quantity: Decimal
    expires_at: str
    quota: Quota

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a hold of the API."""
        return cls(
            body["hold_id"], body["id"], decimal(body["quantity"]), body["expires_at"], Quota.read(body["quota"])
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a settlement came to: counted in any case; ``was_held`` is false when the units were reserved no more.

    ``quota`` is the quota after it, ``None`` from a stack that does not answer it.
    """

    quantity: Decimal
    was_held: bool
    was_replayed: bool
    quota: Quota | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a settlement of the API."""
        quota = body.get("quota")
        return cls(
            decimal(body["quantity"]), body["hold"] == "settled", body["replayed"], Quota.read(quota) if quota else None
        )


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One fact: ``customer_id`` used ``quantity`` of ``meter``. The same ``id`` counts once, however often it is sent.

    ``model`` and ``source`` say what it was made of, for the customer's charts.
    """

    customer_id: str
    meter: str
    quantity: Decimal | int
    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime | None = None
    model: str | None = None
    source: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the event as the API takes it.

        Raises:
            InvalidRequest: the quantity is no number that could be sent.
        """
        quantity = plain(self.quantity)
        body = {"id": self.id, "customer_id": self.customer_id, "meter": self.meter, "quantity": quantity}
        stated = {"time": self.time and self.time.isoformat(), "model": self.model, "source": self.source}
        return body | {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of one event; a refused one has the ``code`` and ``detail`` of a problem."""

    status: Literal["counted", "duplicate", "refused"]
    id: str | None = None
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class UsageReceipt:
    """What became of all events that were recorded together, in the order in which they were given."""

    results: tuple[EventResult, ...]

    @property
    def refused(self) -> tuple[EventResult, ...]:
        """Those that were not counted."""
        return tuple(result for result in self.results if result.status == "refused")

    def raise_for_refused(self) -> Self:
        """Return the receipt where every event counts, now or before.

        Raises:
            UsageRefused: some were not counted.
        """
        refused = self.refused
        if not refused:
            return self
        first = refused[0]
        detail = (
            f"{len(refused)} of {len(self.results)} events were not counted, the first: {first.code}: {first.detail}"
        )
        error = UsageRefused(None, {"code": "usage_refused", "detail": detail})
        error.refused = refused
        raise error


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that was not counted: its ``index`` among those given, from 0, and the problem."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class BulkReceipt:
    """What became of events sent in bulk. Accepted ones are durable and count within moments.

    ``refused_items`` may be fewer than ``refused``: the API names the first of each request.
    """

    accepted: int
    refused: int
    refused_items: tuple[RefusedItem, ...]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read the answer to one request."""
        items = (RefusedItem(item["index"], item["code"], item["detail"]) for item in body["refused_items"])
        return cls(body["accepted"], body["refused"], tuple(items))


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """What was used in one period. ``days`` are the quantities by day, as the API names days."""

    period: Period
    is_open: bool
    used: Decimal
    overage: Decimal
    days: Mapping[str, Decimal]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read one period of the API."""
        days = {day: decimal(quantity) for day, quantity in body["days"].items()}
        return cls(Period.read(body), body["open"], decimal(body["used"]), decimal(body["overage"]), days)


@dataclass(frozen=True, slots=True)
class Movement:
    """One part of a ledger entry: so many units moved, and what by."""

    kind: str
    quantity: Decimal
    reference: str | None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One change of a balance: when, why, what moved, and what there was after it."""

    segment: int
    at: str
    cause: str
    reference: str | None
    movements: tuple[Movement, ...]
    available: Decimal
    overage: Decimal

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read an entry of the API."""
        moved = (Movement(each["kind"], decimal(each["quantity"]), each["reference"]) for each in body["movements"])
        return cls(
            segment=body["segment"],
            at=body["at"],
            cause=body["cause"],
            reference=body["reference"],
            movements=tuple(moved),
            available=decimal(body["available"]),
            overage=decimal(body["overage"]),
        )


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Ledger entries, the newest first. ``next_cursor`` asks for older ones; ``None`` on the last page."""

    entries: tuple[LedgerEntry, ...]
    next_cursor: str | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a page of the API."""
        return cls(tuple(LedgerEntry.read(entry) for entry in body["entries"]), body["next_cursor"])


@dataclass(frozen=True, slots=True)
class CallReceipt:
    """What became of model calls that were told together: how many of each, and for how many units were held until now.

    ``parked_items`` are those that were kept and not counted, by their index among those told.
    """

    counted: int
    duplicate: int
    ignored: int
    parked: int
    holds_ended: int
    parked_items: tuple["RefusedItem", ...] = ()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read the answer to a batch."""
        items = (RefusedItem(item["index"], item["code"], item["detail"]) for item in body.get("parked_items", ()))
        return cls(
            body["counted"], body["duplicate"], body["ignored"], body["parked"], body["holds_ended"], tuple(items)
        )


@dataclass(frozen=True, slots=True)
class Checkout:
    """A payment that the customer is asked for. ``amount`` is a display amount before tax; ``url`` is the payment page."""

    id: str
    kind: str
    quantity: Decimal
    amount: str
    currency: str
    status: str
    url: str | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a checkout of the API."""
        return cls(
            id=body["checkout_id"],
            kind=body["kind"],
            quantity=decimal(body["quantity"]),
            amount=body["amount"],
            currency=body["currency"],
            status=body["status"],
            url=body.get("url"),
        )


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """Checkouts, the newest first. ``next_cursor`` asks for older ones; ``None`` on the last page."""

    checkouts: tuple[Checkout, ...]
    next_cursor: str | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a page of the API."""
        return cls(tuple(Checkout.read(checkout) for checkout in body["checkouts"]), body["next_cursor"])


def decimal(number: Decimal | float | str) -> Decimal:
    """Return a quantity of the API: a number where a double carries it exactly, else a string."""
    return Decimal(str(number))


def _decimal_or_none(number: Decimal | float | str | None) -> Decimal | None:
    return None if number is None else decimal(number)
