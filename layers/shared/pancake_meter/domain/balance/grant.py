"""Grants: lots of units, and the order in which they burn."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.balance.ledger import GIFT_PREFIX
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.checkout import TOP_UP_PRIORITY
from pancake_meter.value import Value, replace

GrantKind = Literal["plan", "rollover", "add_on", "top_up", "trial", "promotion", "credit"]

PERIODIC_KINDS: frozenset[GrantKind] = frozenset({"plan", "rollover"})
"""Kinds that live exactly as long as the period that gave them, however long its renewal is awaited."""

BOUGHT_KINDS: frozenset[GrantKind] = frozenset({"top_up", "credit"})
"""Kinds that money buys. For refunds they are one pool: see ``claw_back``."""

DEFAULT_PRIORITY: dict[GrantKind, int] = {
    "rollover": 10,
    "trial": 20,
    "promotion": 30,
    "plan": 50,
    "add_on": 60,
    "credit": 80,
    "top_up": TOP_UP_PRIORITY,
}
"""Lower burns first: what is lost soonest goes first, what was bought goes last."""

MAX_GRANTS = 32
"""Bound on the grants of one balance: its item must stay small, each write costs a unit per KB."""

GRANTS_NOT_SOLD = 8
"""Places among these that no sale fills."""

SPENT_LOTS_KEPT = 4
"""Lots that expire and are used up, and are kept all the same: units may come back to them (``adjust.pay_overage``)."""

_LOT = "lot:"

GrantStatus = Literal["live", "future", "spent"]


class Grant(Value):
    """Units given to a balance.

    ``quantity`` is what was given, less what a refund took back; ``remaining`` is what is left of it at the start of the
    present segment. ``expires_at`` is ``None`` for a grant that never expires and for the periodic kinds, which end with
    their period.

    A *lot* is one grant for all that was bought of one kind, priority and expiry, by however many payments. Its units are
    alike: a refund of any of the payments takes units of the lot.
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

    @property
    def is_gift(self) -> bool:
        """Whether the operator gave it by hand."""
        return self.id.startswith(GIFT_PREFIX)

    @property
    def is_live(self) -> bool:
        """Whether it has to be kept: it has units, or stands for a period, or is a lot that more may be added to."""
        is_open_lot = self.id.startswith(_LOT) and self.expires_at is None
        return self.remaining > 0 or self.is_periodic or self.kind == "add_on" or is_open_lot

    @property
    def is_spent_lot(self) -> bool:
        """Whether it is a lot that expires, all units of which are used."""
        return self.id.startswith(_LOT) and self.expires_at is not None and self.remaining <= 0 < self.quantity

    def status_at(self, now: datetime) -> GrantStatus:
        """Return whether its units may be used at ``now``, only later, or are all gone."""
        if self.remaining <= 0:
            return "spent"
        return "live" if self.is_periodic or self.starts_at <= now else "future"

    def left_with(self, remaining: Decimal) -> "Grant":
        """Return the grant with so many units left."""
        return replace(self, remaining=remaining)

    def plus(self, more: "Grant") -> "Grant":
        """Return the grant with more units of its kind, priority and expiry in it."""
        return replace(
            self,
            quantity=self.quantity + more.quantity,
            remaining=self.remaining + more.remaining,
            starts_at=min(self.starts_at, more.starts_at),
        )

    @property
    def is_bought(self) -> bool:
        """Whether money bought it."""
        return self.kind in BOUGHT_KINDS


def periodic_grant_id(kind: GrantKind, starts_at: datetime) -> str:
    """Id of what a period gives: the same however often the period is opened."""
    return f"{kind}:{timestamp(starts_at)}"


def lot_id(kind: GrantKind, priority: int, expires_at: datetime | None) -> str:
    """Id of the one lot of this kind, priority and expiry."""
    return f"{_LOT}{kind}:{priority}:{timestamp(expires_at) if expires_at else 'never'}"


def kept_grants(grants: Iterable[Grant], added_id: str) -> tuple[Grant, ...]:
    """Return the grants that stay: those that are live, the one just added, and the spent lots that expire last."""
    grants = tuple(grants)
    spent = [(grant.expires_at or grant.starts_at, grant.id) for grant in grants if grant.is_spent_lot]
    kept = {grant_id for _, grant_id in sorted(spent)[-SPENT_LOTS_KEPT:]}
    return tuple(grant for grant in grants if grant.is_live or grant.id in {added_id, *kept})


def burn_order(grant: Grant, period_end: datetime) -> tuple[int, bool, datetime, datetime, str]:
    """Sort key: priority, then earliest expiry (never is last), then oldest; the id makes it total."""
    expiry = period_end if grant.is_periodic else grant.expires_at
    return (grant.priority, expiry is None, expiry or period_end, grant.starts_at, grant.id)
