"""What a webhook says of a subscription's life, in our own terms. The Waffo adapter's models never come this far."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final, Literal

from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.value import Value

LifecycleKind = Literal[
    "activated",
    "renewed",
    "recovered",
    "plan_changed",
    "plan_change_scheduled",
    "plan_change_failed",
    "canceling",
    "uncanceled",
    "canceled",
    "past_due",
]

PAYING_KINDS: frozenset[LifecycleKind] = frozenset({"activated", "renewed", "recovered", "plan_changed"})
"""Kinds whose period is paid for. The others state periods too, but one that is past due may state an unpaid grace."""

PeriodKey = tuple[datetime, int]
"""What makes two periods of one order the same (``StatedPeriod.key``); a later period has a greater key."""

BillingPeriod = Literal["weekly", "monthly", "quarterly", "yearly"]
"""How long a product's regular period is. A trial or a sandbox may make others."""

_MONTHS: Final = {"monthly": 1, "quarterly": 3, "yearly": 12}
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)


class Bound(Value):
    """One end of a period. Waffo's webhooks often give only the day; ``at`` is then its midnight, UTC."""

    at: datetime
    is_day: bool = False

    def after(self, billing_period: BillingPeriod) -> "Bound":
        """Return the end of a regular period that starts here."""
        if billing_period == "weekly":
            return Bound(self.at + _WEEK, self.is_day)
        return Bound(add_months(self.at, _MONTHS[billing_period]), self.is_day)


class StatedPeriod(Value, dict=True):
    """A period as one event states it; ``number`` counts charges, 0 where the event has none."""

    start: Bound
    end: Bound
    number: int = 0

    @property
    def is_short(self) -> bool:
        """Whether it lasts less than a day. Only sandboxes make such periods, and several may start on one day."""
        return self.end.at - self.start.at < _DAY

    def is_regular(self, billing_period: BillingPeriod | None) -> bool:
        """Whether it lasts about as long as ``billing_period``: give or take an eighth, and a day at least.

        Nobody can say so without a billing period, nor of a sandbox's short period: they count as regular.
        """
        if billing_period is None or self.is_short:
            return True
        regular_end = self.start.after(billing_period).at
        return abs(self.end.at - regular_end) <= max(_DAY, (regular_end - self.start.at) / 8)

    @property
    def ends_at(self) -> datetime:
        """When it ends; one that starts and ends on the same bare day lasts that day."""
        return self.end.at if self.end.at > self.start.at else self.start.at + _DAY

    @cached_property
    def key(self) -> PeriodKey:
        """What makes it the same period as another of its order; a later period has a greater key.

        A period is known by the day on which it starts: the same period comes as a day from webhooks and as an instant from
        GraphQL. Only short ones are told apart by instant, or, where they state nothing but the day, by number.
        """
        if not self.is_short:
            return self.start.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), 0
        return self.start.at, self.number if self.start.is_day else 0


class LifecycleEvent(Value):
    """One step in the life of an order. ``at`` is Waffo's own time of it.

    ``period`` and ``plan`` are always there for the ``PAYING_KINDS``; elsewhere they may be ``None``. With ``is_trial`` the
    stated period is one of a trial. ``billing_period`` is ``None`` where the event states none that we know, ``price`` where
    it states no list price of the plan, and ``currency`` where it states none that there is.
    """

    kind: LifecycleKind
    order_id: str
    at: datetime
    period: StatedPeriod | None = None
    plan: Plan | None = None
    is_trial: bool = False
    billing_period: BillingPeriod | None = None
    price: Decimal | None = None
    currency: str | None = None


ToldBy = Literal["webhook", "reconciliation"]
