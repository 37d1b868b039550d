"""Holds on the wire."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.balance.hold import DEFAULT_HOLD_TTL, HOLD_ID_PATTERN, MAX_HOLD_TTL
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.balance.quota import QuotaBody
from pancake_meter.http.fields import (
    WHOLE,
    Instant,
    MeterName,
    OriginName,
    PositiveQuantity,
    Quantity,
    Timestamp,
    Units,
    WireModel,
)
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, HoldReleased, HoldSettled

HoldId = Annotated[str, StringConstraints(pattern=HOLD_ID_PATTERN)]
_SECOND = timedelta(seconds=1)


class HoldRequest(WireModel):
    """Body of ``POST /v1/customers/{customer_id}/holds``. Without an ``id`` a repeat is another hold: send one."""

    meter: MeterName
    quantity: PositiveQuantity
    id: HoldId | None = None
    ttl_seconds: Annotated[int, Field(strict=True, ge=1, le=MAX_HOLD_TTL // _SECOND), WHOLE] = (
        DEFAULT_HOLD_TTL // _SECOND
    )

    @property
    def ttl(self) -> timedelta:
        """How long the units stay reserved."""
        return self.ttl_seconds * _SECOND


class SettleRequest(WireModel):
    """Body of ``POST .../holds/{hold_id}/settle``: what was really used, and when, if not now.

    ``meter`` is needed only where the path has the caller's own id in place of the ``hold_id`` that was answered. ``model``
    and ``source`` say what the usage was made of, for charts.
    """

    quantity: Quantity
    time: Instant | None = None
    meter: MeterName | None = None
    model: OriginName | None = None
    source: OriginName | None = None


class ReleaseQuery(WireModel):
    """Query of ``DELETE .../holds/{hold_id}``; ``meter`` as in ``SettleRequest``."""

    meter: MeterName | None = None


class HoldBody(TypedDict):
    """A hold that stands; ``replayed`` when the same request had placed it before."""

    hold_id: str
    id: str
    meter: str
    quantity: Units
    expires_at: Timestamp
    replayed: bool
    quota: QuotaBody


class SettledBody(TypedDict):
    """A settlement: ``hold`` is ``settled``, or ``not_held`` when the units were reserved no more.

    ``quota`` is the quota after it, with links from the first alert on. It is null when the usage is counted and the balance
    could not be read afterwards.
    """

    id: str
    meter: str
    quantity: Units
    hold: Literal["settled", "not_held"]
    replayed: bool
    quota: QuotaBody | None


class ReleasedBody(TypedDict):
    """A release: ``hold`` is ``released``, or ``not_held`` when there was nothing to release."""

    id: str
    meter: str
    hold: Literal["released", "not_held"]


def hold_body(placed: HoldPlaced, quota: QuotaBody) -> HoldBody:
    """Return the answer to a hold that stands. ``hold_id`` is what settles or releases it."""
    return {
        "hold_id": str(placed.handle),
        "id": placed.handle.id,
        "meter": placed.handle.meter,
        "quantity": placed.hold.quantity,
        "expires_at": timestamp(placed.hold.expires_at),
        "replayed": placed.is_replay,
        "quota": quota,
    }


def settled_body(settled: HoldSettled, quota: QuotaBody | None) -> SettledBody:
    """Return the answer to a settlement; ``quota`` is the quota after it, ``None`` when it is not known."""
    return {
        "id": settled.handle.id,
        "meter": settled.handle.meter,
        "quantity": settled.quantity,
        "hold": "settled" if settled.was_held else "not_held",
        "replayed": settled.is_replay,
        "quota": quota,
    }


def released_body(released: HoldReleased) -> ReleasedBody:
    """Return the answer to a release; releasing what is not held changes nothing."""
    return {
        "id": released.handle.id,
        "meter": released.handle.meter,
        "hold": "released" if released.was_held else "not_held",
    }
