"""Grants: lots of units, and the order in which they burn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.checkout import TOP_UP_PRIORITY

GrantKind = Literal["plan", "rollover", "top_up", "trial", "promotion", "credit"]

PERIODIC_KINDS: frozenset[GrantKind] = frozenset({"plan", "rollover"})
"""Kinds that live exactly as long as the period that gave them, however long its renewal is awaited."""

DEFAULT_PRIORITY: dict[GrantKind, int] = {
    "rollover": 10,
    "trial": 20,
    "promotion": 30,
    "plan": 50,
    "credit": 80,
    "top_up": TOP_UP_PRIORITY,
}
"""Lower burns first: what is lost soonest goes first, what was bought goes last."""

MAX_GRANTS = 32
"""Bound on the grants of one balance: its item must stay small, each write costs a unit per KB."""

SPARE_GRANTS = 8
"""Grants for which a sale leaves room: checkouts that were replaced, and second payments of one, may be paid after it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Units given to a balance.

    ``quantity`` is what was given, ``remaining`` what is left of it at the start of the present segment. ``expires_at`` is
    ``None`` for a grant that never expires and for the periodic kinds, which end with their period.
    """

    id: str
    kind: GrantKind
    quantity: Decimal
    remaining: Decimal
    priority: int
    starts_at: datetime
    expires_at: datetime | None = None

    @property
    def is_periodic(self) -> bool:
        """Whether the grant ends with its period."""
        return self.kind in PERIODIC_KINDS


def bought_grant(
    grant_id: str, kind: GrantKind, quantity: Decimal, priority: int, starts_at: datetime, lasts: timedelta | None
) -> Grant:
    """Return the grant of units that were bought at ``starts_at``; it ``lasts`` for good, or for so long."""
    expires_at = starts_at + lasts if lasts else None
    return Grant(grant_id, kind, quantity, quantity, priority, starts_at, expires_at)


def periodic_grant_id(kind: GrantKind, starts_at: datetime) -> str:
    """Id of what a period gives: the same however often the period is opened."""
    return f"{kind}:{timestamp(starts_at)}"


def burn_order(grant: Grant, period_end: datetime) -> tuple[int, bool, datetime, datetime, str]:
    """Sort key: priority, then earliest expiry (never is last), then oldest; the id makes it total."""
    expiry = period_end if grant.is_periodic else grant.expires_at
    return (grant.priority, expiry is None, expiry or period_end, grant.starts_at, grant.id)
