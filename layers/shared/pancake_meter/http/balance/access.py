"""Access that the operator cuts off, and opens again, on the wire."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.http.balance.grants import LedgerReason
from pancake_meter.http.fields import MeterName, WireModel


class BlockRequest(WireModel):
    """Body of ``POST .../block``: the reason, which refusals repeat, and the meter.

    Without a meter it is all of them, also those that the customer uses for the first time later.
    """

    reason: LedgerReason
    meter: MeterName | None = None


class UnblockRequest(WireModel):
    """Body of ``POST .../unblock``: which meter, if not all. A body is not needed."""

    meter: MeterName | None = None


class MeterAccess(TypedDict):
    """Whether a meter is cut off, and why."""

    meter: str
    blocked: str | None


class AccessBody(TypedDict):
    """What was asked for, and the balances that follow it. ``meter`` is null where it was all meters, now and later."""

    customer_id: str
    meter: str | None
    blocked: str | None
    balances: list[MeterAccess]


def access_body(customer_id: str, meter: str | None, reason: str | None, balances: Sequence[Balance]) -> AccessBody:
    """Return what became of a request to cut off or to open."""
    access: list[MeterAccess] = [{"meter": balance.meter, "blocked": balance.blocked} for balance in balances]
    return {"customer_id": customer_id, "meter": meter, "blocked": reason, "balances": access}
