"""What goes over the wire, typed. Quantities are exact decimals in units of the meter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Self
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Quota:
    """What a customer may still use of a meter. ``available`` is in the grants; overage may come on top, up to a limit."""

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
        )


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
    """What a settlement came to: counted in any case; ``was_held`` is false when the units were reserved no more."""

    quantity: Decimal
    was_held: bool
    was_replayed: bool

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read a settlement of the API."""
        return cls(decimal(body["quantity"]), body["hold"] == "settled", body["replayed"])


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One fact: ``customer_id`` used ``quantity`` of ``meter``. The same ``id`` counts once, however often it is sent."""

    customer_id: str
    meter: str
    quantity: Decimal | int
    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime | None = None

    def body(self) -> dict[str, Any]:
        """Return the event as the API takes it."""
        body = {"id": self.id, "customer_id": self.customer_id, "meter": self.meter, "quantity": str(self.quantity)}
        return body if self.time is None else {**body, "time": self.time.isoformat()}


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


@dataclass(frozen=True, slots=True)
class CallReceipt:
    """What became of model calls that were told together: how many of each, and for how many units were held until now."""

    counted: int
    duplicate: int
    ignored: int
    parked: int
    holds_ended: int

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read the answer to a batch."""
        return cls(body["counted"], body["duplicate"], body["ignored"], body["parked"], body["holds_ended"])


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


def decimal(number: Decimal | float | str) -> Decimal:
    """Return a quantity of the API: a number where a double carries it exactly, else a string."""
    return Decimal(str(number))
