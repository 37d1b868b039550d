"""Grants on the wire: those that the operator gives, and all that a customer has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from typing_extensions import TypedDict

from pancake_meter.domain.balance.gift import PRIORITY_MAX, Gift, GivenUnits, Voided
from pancake_meter.domain.balance.grant import GrantKind, GrantStatus
from pancake_meter.domain.balance.ledger import GIFT_PREFIX
from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import (
    REASON_PATTERN,
    WHOLE,
    Instant,
    MeterName,
    PositiveQuantity,
    Timestamp,
    Units,
    WireModel,
    without_controls,
)
from pancake_meter.http.idempotency import KEY_PATTERN
from pancake_meter.usecases.balance.grants import HeldGrant
from pancake_meter.usecases.balance.operate import REASON_LENGTH_MAX

LedgerReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_LENGTH_MAX),
    AfterValidator(without_controls),
    WithJsonSchema({"type": "string", "pattern": REASON_PATTERN, "minLength": 1, "maxLength": REASON_LENGTH_MAX}),
]
"""Why an operator changes a balance: it is kept with it, so it is shorter than other reasons."""

CallerMadeId = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]

KIND_DEFAULT: Final = "promotion"


class GrantRequest(WireModel):
    """Body of ``POST /v1/customers/{customer_id}/grants``: units that the operator gives.

    ``trial`` burns before ``promotion``, and both before the plan's units; a lower ``priority`` than 50 burns before those.
    Without ``starts_at`` the units start now, without ``expires_at`` they never end. The units are given once for each
    ``id``, whatever the meter; the header ``Idempotency-Key`` may stand in its place. Without both a repeat gives again.
    """

    meter: MeterName
    quantity: PositiveQuantity
    kind: Literal["promotion", "trial"] = KIND_DEFAULT
    starts_at: Instant | None = None
    expires_at: Instant | None = None
    priority: Annotated[int, Field(strict=True, ge=0, le=PRIORITY_MAX), WHOLE] | None = None
    reason: LedgerReason | None = None
    id: CallerMadeId | None = None

    @property
    def gift(self) -> Gift:
        """The units that are asked for."""
        return Gift(self.kind, self.quantity, self.starts_at, self.expires_at, self.priority, self.reason)


class GrantsQuery(WireModel):
    """Query of ``GET .../grants``: only those of one meter."""

    meter: MeterName | None = None


class GrantBody(TypedDict):
    """A grant of a balance: ``remaining`` of its ``quantity`` are left. The lower ``priority`` burns first.

    ``live`` ones may be used, ``future`` ones start later, ``spent`` ones have nothing left. ``expires_at`` is null for
    those that never expire, and for ``plan`` and ``rollover``, which end with their period. Only ``voidable`` ones, which
    were given by hand, have ``given_at``, and may have a ``reason`` and ``by``, the name of the API key that gave them.
    """

    id: str
    meter: str
    kind: GrantKind
    quantity: Units
    remaining: Units
    status: GrantStatus
    priority: int
    starts_at: Timestamp
    expires_at: Timestamp | None
    voidable: bool
    given_at: Timestamp | None
    reason: str | None
    by: str | None


class GrantsBody(TypedDict):
    """The grants on a customer's balances as they are now, each balance's in burn order."""

    customer_id: str
    grants: list[GrantBody]


class VoidedBody(TypedDict):
    """``voided`` units of a grant were taken away, which nobody had used. ``replayed``: by an earlier request."""

    id: str
    meter: str
    voided: Units
    voided_at: Timestamp
    by: str | None
    replayed: bool


def given_body(given: GivenUnits) -> GrantBody:
    """Return a grant as it was given. A repeat gets the same answer, whatever has become of the grant."""
    grant = given.gift.grant(given.id, given.at)
    held = HeldGrant(given.meter, grant.left_with(given.remaining), given)
    return grant_body(held, given.at)


def grant_body(held: HeldGrant, now: datetime) -> GrantBody:
    """Return a grant of a balance."""
    grant, given = held.grant, held.given
    return {
        "id": grant.id.removeprefix(GIFT_PREFIX) if grant.is_gift else grant.id,
        "meter": held.meter,
        "kind": grant.kind,
        "quantity": grant.quantity,
        "remaining": grant.remaining,
        "status": grant.status_at(now),
        "priority": grant.priority,
        "starts_at": timestamp(grant.starts_at),
        "expires_at": timestamp(grant.expires_at) if grant.expires_at is not None else None,
        "voidable": grant.is_gift,
        "given_at": timestamp(given.at) if given is not None else None,
        "reason": given.gift.reason if given is not None else None,
        "by": given.by if given is not None else None,
    }


def grants_body(customer_id: str, held: Sequence[HeldGrant], now: datetime) -> GrantsBody:
    """Return the grants of a customer."""
    return {"customer_id": customer_id, "grants": [grant_body(each, now) for each in held]}


def voided_body(given: GivenUnits, voided: Voided, *, is_replay: bool) -> VoidedBody:
    """Return what was taken away."""
    return {
        "id": given.id,
        "meter": given.meter,
        "voided": voided.quantity,
        "voided_at": timestamp(voided.at),
        "by": voided.by,
        "replayed": is_replay,
    }
