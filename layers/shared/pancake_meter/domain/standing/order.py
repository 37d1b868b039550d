"""One subscription order: what is known of it, whatever the order in which it became known.

``OrderFacts`` is a *join*: learning the same facts in any order, any number of times, gives the same value.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal, TypeVar

from pancake_meter.domain.balance.balance import Term
from pancake_meter.domain.quantity import part_of
from pancake_meter.domain.selling.plan import PastDueBlock, PastDueReduce, PastDueThrottle, Plan
from pancake_meter.domain.standing.lifecycle import (
    PAYING_KINDS,
    BillingPeriod,
    Bound,
    LifecycleEvent,
    PeriodKey,
    StatedPeriod,
)
from pancake_meter.domain.standing.paid_period import (
    CHANGE_MAX,
    Charged,
    Charges,
    Funded,
    PaidPeriod,
    Sale,
    charges_by_period,
)
from pancake_meter.value import Value, field, replace

MAX_PERIODS: Final = 13
"""Periods remembered per order, the latest, with all that was said of them and paid for them."""

_PAID_AHEAD_MAX: Final = timedelta(days=1)
"""How long before its period a renewal may be charged."""

RETRY_WINDOW_MAX: Final = timedelta(days=30)
"""How long a payment may stay overdue before access ends by itself, where Waffo states no end of its retries.

Normally ``recovered`` or ``canceled`` comes first; this bounds what happens when both are lost.
"""

StatusKind = Literal["active", "canceling", "past_due"]

_STATUS_OF: Mapping[str, StatusKind] = {
    "activated": "active",
    "renewed": "active",
    "recovered": "active",
    "plan_changed": "active",
    "uncanceled": "active",
    "canceling": "canceling",
    "past_due": "past_due",
}
_STATUS_RANK: Mapping[StatusKind, int] = {"active": 0, "canceling": 1, "past_due": 2}
_PENDING_KINDS = frozenset({"plan_change_scheduled", "plan_change_failed", "plan_changed", "canceled"})
_DAY = timedelta(days=1)
_NO_PERIOD: PeriodKey = (datetime.min.replace(tzinfo=UTC), 0)


class Status(Value):
    """How payment stands, as of the newest event of the latest period. ``until`` is the end that a past_due states."""

    kind: StatusKind
    key: PeriodKey
    at: datetime
    until: datetime | None = None

    @property
    def order(self) -> tuple[PeriodKey, datetime, int]:
        """Rank among the statuses of an order: the period decides first, so a late past_due is never news."""
        return self.key, self.at, _STATUS_RANK[self.kind]


class PendingChange(Value):
    """The newest word on a plan change to come; ``is_scheduled`` is false once it took effect, failed, or fell away."""

    at: datetime
    is_scheduled: bool
    plan_key: str | None = None


class OrderFacts(Value, dict=True):
    """What is known of one subscription order.

    ``began`` orders the orders of a customer: the earliest period seen of it, by its key (a day, so that an order known to
    the instant and one known to the day compare), then the earliest event time. ``periods`` are those paid for, the latest
    first. ``ended_at`` is final. ``is_plan_change``: a plan change made it or changed it, first at ``changed_at``; ``None``
    in what an earlier version stored. ``replaces`` are the orders that our checkout or Waffo's GraphQL says it took the
    place of. ``seen_at`` is when GraphQL last showed it alive, asked whether it was bought twice (``bought_twice.py``).
    ``currency`` is that of its money, which no change of its plan changes; ``None`` in what an earlier version stored.
    """

    order_id: str
    began: tuple[datetime, datetime]
    periods: tuple[PaidPeriod, ...] = ()
    status: Status | None = None
    ended_at: datetime | None = None
    is_plan_change: bool = False
    changed_at: datetime | None = None
    pending: PendingChange | None = None
    charges: Charges = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    seen_at: datetime | None = None
    billing_period: BillingPeriod | None = None
    currency: str | None = None

    @classmethod
    def of(cls, event: LifecycleEvent) -> "OrderFacts":
        """Return what one event says."""
        kind = _STATUS_OF.get(event.kind)
        key = event.period.key if event.period else _NO_PERIOD
        until = event.period.ends_at if event.period and event.kind == "past_due" else None
        is_change = event.kind == "plan_changed"
        scheduled = event.kind == "plan_change_scheduled"
        plan_key = event.plan.key if event.plan and scheduled else None
        return cls(
            order_id=event.order_id,
            began=(key[0] if event.period else event.at, event.at),
            periods=_paid_by(event),
            status=Status(kind, key, event.at, until) if kind else None,
            ended_at=event.at if event.kind == "canceled" else None,
            is_plan_change=is_change,
            changed_at=event.at if is_change else None,
            pending=PendingChange(event.at, scheduled, plan_key) if event.kind in _PENDING_KINDS else None,
            billing_period=event.billing_period,
            currency=event.currency,
        )

    @classmethod
    def of_charge(cls, order_id: str, payment_id: str, charge: Charged) -> "OrderFacts":
        """Return what one payment says: the money, and nothing of a period."""
        return cls(order_id, (charge.paid_at, charge.paid_at), charges={payment_id: charge})

    def join(self, other: "OrderFacts") -> "OrderFacts":
        """Return all that both say."""
        both = (self, other)
        pendings = [facts.pending for facts in both if facts.pending]
        statuses = [facts.status for facts in both if facts.status]
        periods = _join_periods(self.periods, other.periods)
        return OrderFacts(
            order_id=self.order_id,
            began=_earliest(facts.began for facts in both if not facts.is_only_money) or min(self.began, other.began),
            periods=periods,
            status=max(statuses, key=lambda status: status.order, default=None),
            ended_at=_earliest(facts.ended_at for facts in both),
            is_plan_change=self.is_plan_change or other.is_plan_change,
            changed_at=_earliest(facts.changed_at for facts in both),
            pending=max(pendings, key=lambda pending: (pending.at, not pending.is_scheduled), default=None),
            charges=_of_remembered(_join_charges(self.charges, other.charges), periods),
            replaces=self.replaces | other.replaces,
            seen_at=max((facts.seen_at for facts in both if facts.seen_at), default=None),
            billing_period=max((facts.billing_period for facts in both if facts.billing_period), default=None),
            currency=max((facts.currency for facts in both if facts.currency), default=None),
        )

    @property
    def is_only_money(self) -> bool:
        """Whether nothing but payments is known: when it began is not known either."""
        return not (self.periods or self.status or self.ended_at or self.pending)

    @property
    def paid(self) -> PaidPeriod | None:
        """The latest period that is paid for, or on trial."""
        return next(iter(self.all_periods), None)

    @cached_property
    def all_periods(self) -> tuple[PaidPeriod, ...]:
        """The periods that are remembered, the latest first."""
        after_trial = self._after_trial
        return (after_trial, *self.periods) if after_trial else self.periods

    @property
    def _after_trial(self) -> PaidPeriod | None:
        """The paid period that a trial became by a charge alone. Once an event states it, the event holds."""
        trial = next(iter(self.periods), None)
        if trial is None or not trial.is_trial or self.billing_period is None:
            return None
        # What the trial itself costs is paid as it begins.
        due_at = max(trial.period.ends_at - _DAY, trial.statements[0].sold_at + CHANGE_MAX)
        charges = (charge for charge in self.charges.values() if charge.charged > 0 and charge.paid_at >= due_at)
        first = min(charges, key=lambda charge: charge.paid_at, default=None)
        if first is None:
            return None
        start = Bound(trial.period.ends_at, trial.period.end.is_day)
        sale = replace(trial.statements[-1], sold_at=first.paid_at, is_trial=False)
        return PaidPeriod.of(StatedPeriod(start, start.after(self.billing_period), first.number or 0), sale)

    @property
    def is_outline(self) -> bool:
        """Whether no more than the outline is known of an order that ended."""
        return self.ended_at is not None and self == self.outline()

    def outline(self) -> "OrderFacts":
        """Return what others need to know of an order that ended long ago: when it ran, and its plan but for what it grants.

        So it is never forgotten that it ended, whatever is told of it again, nor that it stood when another order began.
        """
        if self.paid is None:
            return replace(self, charges={})
        last = self.paid.statements[-1]
        bare = replace(self.paid, statements=(replace(last, plan=replace(last.plan, allowances={})),))
        return replace(self, periods=(bare,), charges={})

    @property
    def came_by_change(self) -> bool:
        """Whether the order itself began as a plan change; one whose plan was changed under the same id did not."""
        return self.is_plan_change and (self.changed_at is None or self.changed_at - self.began[1] < CHANGE_MAX)

    def stood_at(self, instant: datetime) -> bool:
        """Whether the order had not ended, give or take the time that a plan change takes.

        An order of which we know nothing but its end was paid for as well.
        """
        if self.ended_at is None:
            return self.paid is not None
        return self.ended_at > instant - CHANGE_MAX

    @property
    def is_past_due(self) -> bool:
        """Whether the renewal's payment is being retried."""
        return self.status is not None and self.status.kind == "past_due"

    @property
    def is_canceling(self) -> bool:
        """Whether it ends with the paid period."""
        return self.status is not None and self.status.kind == "canceling"

    @property
    def is_add_on(self) -> bool:
        """Whether it grants on top of whatever governs."""
        return self.paid is not None and self.paid.plan.add_on

    def term(self, paid: PaidPeriod) -> Term:
        """Return the span in which a paid period grants, whether or not it still counts."""
        ends_at = paid.period.ends_at
        lapses_at = max(ends_at, self._lapses_at(paid, ends_at))
        return Term(self.order_id, paid.period.start.at, ends_at, lapses_at, is_unpaid_after=self._is_cut_off(paid))

    def period_at(self, instant: datetime) -> PaidPeriod | None:
        """Return the paid period that had begun last by then; else the first; ``None`` where there is none."""
        begun = (period for period in self.all_periods if period.key[0] <= instant)
        return next(begun, self.all_periods[-1] if self.all_periods else None)

    def plan(self, paid: PaidPeriod, replaced: Collection[Funded] = ()) -> Plan:
        """Return the plan of a period as it counts: as sold, less what was given back, or is withheld while overdue.

        ``replaced`` are the periods of other orders whose place it took.
        """
        plan, overdue = paid.plan, paid.plan.past_due if self.is_past_due else None
        if isinstance(overdue, PastDueThrottle):
            plan = replace(plan, holds_per_minute=overdue.rate_per_minute)
        charges = self.charges_of(paid)
        allowances = {}
        for meter, allowance in plan.allowances.items():
            quantity = paid.allowance(meter, charges, replaced)
            if isinstance(overdue, PastDueReduce):
                quantity = part_of(quantity, Fraction(overdue.fraction))
            allowances[meter] = replace(allowance, quantity=quantity)
        return replace(plan, allowances=allowances)

    def charges_of(self, paid: PaidPeriod) -> list[Charged]:
        """Return the money of one period."""
        return [self.charges[payment_id] for payment_id in self._charges_by_period[paid.key]]

    def misses_period_of(self, payment_id: str) -> bool:
        """Whether a refunded payment is of no period of this order, so that its refund takes nothing.

        Nobody knows of an order that has no paid period yet, or whose oldest periods are no longer kept.
        """
        charge = self.charges.get(payment_id)
        if charge is None or not charge.refunded or not self.periods or len(self.periods) >= MAX_PERIODS:
            return False
        return not any(payment_id in ids for ids in self._charges_by_period.values())

    @cached_property
    def _charges_by_period(self) -> Mapping[PeriodKey, Sequence[str]]:
        return charges_by_period(self.all_periods, self.charges)

    def _is_cut_off(self, paid: PaidPeriod) -> bool:
        """Whether nothing but bought units opens once the term has lapsed, because the order is not paid."""
        return self.is_past_due and isinstance(paid.plan.past_due, PastDueBlock)

    def _lapses_at(self, paid: PaidPeriod, ends_at: datetime) -> datetime:
        """When access ends by itself if nothing more is heard."""
        if self.is_canceling:
            # A bare day means some instant of that day: until it is over, access stays.
            return ends_at + _DAY if paid.period.end.is_day else ends_at
        # What an add-on gave ends with its own period, however long the next payment is retried.
        if self.status is None or not self.is_past_due or paid.plan.add_on:
            return ends_at + paid.plan.renewal_leeway
        if isinstance(paid.plan.past_due, PastDueBlock):
            return ends_at + paid.plan.past_due.grace
        until = self.status.until
        return until + paid.plan.renewal_leeway if until and until > ends_at else ends_at + RETRY_WINDOW_MAX


_Instant = TypeVar("_Instant", datetime, tuple[datetime, datetime])


def _earliest(instants: Iterable[_Instant | None]) -> _Instant | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _paid_by(event: LifecycleEvent) -> tuple[PaidPeriod, ...]:
    if event.kind not in PAYING_KINDS or event.period is None or event.plan is None:
        return ()
    says_paid = None if event.kind == "activated" else False
    is_trial = True if event.is_trial else says_paid
    return (PaidPeriod.of(event.period, Sale(event.plan, event.at, is_trial, event.price)),)


def _join_periods(left: Iterable[PaidPeriod], right: Iterable[PaidPeriod]) -> tuple[PaidPeriod, ...]:
    periods: dict[PeriodKey, PaidPeriod] = {}
    for period in (*left, *right):
        known = periods.get(period.key)
        periods[period.key] = known.join(period) if known else period
    return tuple(periods[key] for key in sorted(periods, reverse=True)[:MAX_PERIODS])


def _join_charges(left: Charges, right: Charges) -> Charges:
    joined = dict(left)
    for payment_id, charge in right.items():
        joined[payment_id] = joined[payment_id].join(charge) if payment_id in joined else charge
    return joined


def _of_remembered(charges: Charges, periods: Sequence[PaidPeriod]) -> Charges:
    """Return the charges without those of periods that are no longer remembered: none, while all periods are.

    The oldest of ``MAX_PERIODS`` never becomes an older one, so it does not matter when a charge is forgotten: it stays a
    join.
    """
    if len(periods) < MAX_PERIODS:
        return charges
    since = periods[-1].key[0] - _PAID_AHEAD_MAX
    return {payment_id: charge for payment_id, charge in charges.items() if charge.paid_at >= since}
