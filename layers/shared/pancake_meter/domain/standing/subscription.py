"""The subscription: what is known of a customer's orders, whatever the order in which it became known.

Every fact is kept as a *join*: learning the same events in any order, any number of times, gives the same value. Plan and
term follow from the facts; balances follow plan and term (``webhook_apply.py``).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from pancake_meter.domain.balance.balance import Term
from pancake_meter.domain.quantity import QUANTITY_DECIMAL_PLACES, normal_quantity
from pancake_meter.domain.selling.plan import PastDueBlock, PastDueReduce, PastDueThrottle, Plan
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.domain.standing.coverage import Coverage
from pancake_meter.domain.standing.lifecycle import PAYING_KINDS, LifecycleEvent, StatedPeriod

MAX_ORDERS = 20
"""Orders remembered per customer, the newest: one item must hold them."""

MAX_REFUNDED_PAYMENTS = 20
"""Refunded payments remembered per order."""

MAX_LEFT_PERIODS = 6
"""Periods that a balance left which are remembered per meter, those that were left last."""

MAX_EARLIER_PERIODS = 12
"""Periods remembered per order, before the latest."""

RETRY_WINDOW_MAX = timedelta(days=30)
"""How long a payment may stay overdue before access ends by itself, where Waffo states no end of its retries.

Normally ``recovered`` or ``canceled`` comes first; this bounds what happens when both are lost.
"""

CHANGE_MAX = timedelta(minutes=5)
"""How far the events of one plan change lie apart: the end of one order and the beginning of another."""

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
_STEP = Decimal(1).scaleb(-QUANTITY_DECIMAL_PLACES)
_DAY = timedelta(days=1)
_ONE = Decimal(1)

PeriodKey = tuple[datetime, int]
_NO_PERIOD: PeriodKey = (datetime.min.replace(tzinfo=UTC), 0)


@dataclass(frozen=True, slots=True)
class PaidPeriod:
    """The latest period that was paid for, and the plan as it was sold at ``sold_at``."""

    period: StatedPeriod
    plan: Plan
    sold_at: datetime

    def join(self, other: "PaidPeriod") -> "PaidPeriod":
        """Return the later period; of two statements of one period, the finer bounds and the newer plan."""
        if self.period.key != other.period.key:
            return max(self, other, key=lambda paid: paid.period.key)
        # A bare day stands for its midnight, so the greater of two bounds of one day is the finer one; and an end that
        # was once stated never moves back.
        period = StatedPeriod(
            start=max(self.period.start, other.period.start, key=lambda bound: (bound.at, not bound.is_day)),
            end=max(self.period.end, other.period.end, key=lambda bound: (bound.at, not bound.is_day)),
            number=max(self.period.number, other.period.number),
        )
        newer = max(self, other, key=lambda paid: (paid.sold_at, paid.plan.key))
        return PaidPeriod(period, newer.plan, newer.sold_at)


@dataclass(frozen=True, slots=True)
class EarlierPeriod:
    """What is still of use of a paid period that is not the latest."""

    key: PeriodKey
    ends_at: datetime
    number: int
    plan_key: str
    sold_at: datetime

    @classmethod
    def of(cls, paid: PaidPeriod) -> "EarlierPeriod":
        """Return the memory of a paid period."""
        period = paid.period
        return cls(period.key, period.ends_at, period.number, paid.plan.key, paid.sold_at)

    def join(self, other: "EarlierPeriod") -> "EarlierPeriod":
        """Return what two statements of one period come to."""
        newer = max(self, other, key=lambda period: (period.sold_at, period.plan_key))
        return replace(newer, ends_at=max(self.ends_at, other.ends_at), number=max(self.number, other.number))


@dataclass(frozen=True, slots=True)
class Status:
    """How payment stands, as of the newest event of the latest period. ``until`` is the end that a past_due states."""

    kind: StatusKind
    key: PeriodKey
    at: datetime
    until: datetime | None = None

    @property
    def order(self) -> tuple[PeriodKey, datetime, int]:
        """Rank among the statuses of an order: the period decides first, so a late past_due is never news."""
        return self.key, self.at, _STATUS_RANK[self.kind]


@dataclass(frozen=True, slots=True)
class PendingChange:
    """The newest word on a plan change to come; ``is_scheduled`` is false once it took effect, failed, or fell away."""

    at: datetime
    is_scheduled: bool
    plan_key: str | None = None


@dataclass(frozen=True, slots=True)
class RefundedShare:
    """``share`` (0 to 1) of one payment was given back. The payment is of the period with ``number``, or of ``paid_at``.

    ``rank`` grows with what is known of its refunds: the share falls again where one of them failed after all.
    """

    share: Decimal
    paid_at: datetime
    number: int | None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class LeadPeriod:
    """A paid period before the latest; ``kept`` is the share (0 to 1) of its payment that was not given back."""

    start: datetime
    end: datetime
    kept: Decimal
    is_entered: bool


@dataclass(frozen=True, slots=True)
class Lead:
    """The paid periods that lead up to one on the same plan and without a gap, oldest first.

    ``is_cut``: there may have been more, no longer remembered.
    """

    periods: tuple[LeadPeriod, ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What is known of one subscription order.

    ``began`` orders the orders of a customer: the earliest period seen of it, by its key (a day, so that an order known to
    the instant and one known to the day compare), then the earliest event time. ``ended_at`` is final.
    ``is_plan_change``: a plan change made it or changed it, first at ``changed_at``; ``None`` in what an earlier version
    stored. ``replaces`` are the orders that our checkout or Waffo's GraphQL says it took the place of. ``seen_at`` is when
    GraphQL last showed it alive, asked whether it was bought twice (``bought_twice.py``).
    """

    order_id: str
    began: tuple[datetime, datetime]
    paid: PaidPeriod | None = None
    earlier: tuple[EarlierPeriod, ...] = ()
    status: Status | None = None
    ended_at: datetime | None = None
    is_plan_change: bool = False
    changed_at: datetime | None = None
    pending: PendingChange | None = None
    refunds: Mapping[str, RefundedShare] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    seen_at: datetime | None = None

    @classmethod
    def of(cls, event: LifecycleEvent) -> "OrderFacts":
        """Return what one event says."""
        kind = _STATUS_OF.get(event.kind)
        key = event.period.key if event.period else _NO_PERIOD
        until = event.period.ends_at if event.period and event.kind == "past_due" else None
        pays = event.kind in PAYING_KINDS and event.period is not None and event.plan is not None
        plan_key = event.plan.key if event.plan else None
        scheduled = event.kind == "plan_change_scheduled"
        return cls(
            order_id=event.order_id,
            began=(key[0] if event.period else event.at, event.at),
            paid=PaidPeriod(event.period, event.plan, event.at) if pays and event.period and event.plan else None,
            status=Status(kind, key, event.at, until) if kind else None,
            ended_at=event.at if event.kind == "canceled" else None,
            is_plan_change=event.kind == "plan_changed",
            changed_at=event.at if event.kind == "plan_changed" else None,
            pending=PendingChange(event.at, scheduled, plan_key if scheduled else None)
            if event.kind in _PENDING_KINDS
            else None,
        )

    def join(self, other: "OrderFacts") -> "OrderFacts":
        """Return all that both say."""
        ends = [end for end in (self.ended_at, other.ended_at) if end is not None]
        pendings = [pending for pending in (self.pending, other.pending) if pending]
        statuses = [status for status in (self.status, other.status) if status]
        seen = [at for at in (self.seen_at, other.seen_at) if at is not None]
        changes = [at for at in (self.changed_at, other.changed_at) if at is not None]
        paid = self.paid.join(other.paid) if self.paid and other.paid else self.paid or other.paid
        return OrderFacts(
            order_id=self.order_id,
            began=min(self.began, other.began),
            paid=paid,
            earlier=_join_earlier(paid, self, other),
            status=max(statuses, key=lambda status: status.order, default=None),
            ended_at=min(ends, default=None),
            is_plan_change=self.is_plan_change or other.is_plan_change,
            changed_at=min(changes, default=None),
            pending=max(pendings, key=lambda pending: (pending.at, not pending.is_scheduled), default=None),
            refunds=_join_refunds(self.refunds, other.refunds),
            replaces=self.replaces | other.replaces,
            seen_at=max(seen, default=None),
        )

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
    def coverage(self) -> Coverage | None:
        """Plan and term of the latest paid period, whether or not they still count."""
        return Coverage(self._plan(self.paid), self._term(self.paid)) if self.paid else None

    def lead(self, entered: Collection[PeriodKey]) -> "Lead":
        """Return what leads up to the latest period; balances went through the periods ``entered``."""
        if self.paid is None:
            return Lead()
        periods: list[LeadPeriod] = []
        start = self.paid.period.start.at
        for earlier in self.earlier:
            if earlier.ends_at + _DAY < start or earlier.plan_key != self.paid.plan.key:
                break
            start = earlier.key[0]
            periods.append(
                LeadPeriod(start, earlier.ends_at, self._kept_share(earlier), is_entered=earlier.key in entered)
            )
        return Lead(tuple(reversed(periods)), is_cut=len(periods) == MAX_EARLIER_PERIODS)

    def _term(self, paid: PaidPeriod) -> Term:
        ends_at = paid.period.ends_at
        return Term(self.order_id, paid.period.start.at, ends_at, max(ends_at, self._lapses_at(paid, ends_at)))

    def _lapses_at(self, paid: PaidPeriod, ends_at: datetime) -> datetime:
        """When access ends by itself if nothing more is heard."""
        if self.is_canceling:
            # A bare day means some instant of that day: until it is over, access stays.
            return ends_at + _DAY if paid.period.end.is_day else ends_at
        if self.status is None or not self.is_past_due:
            return ends_at + paid.plan.renewal_leeway
        if isinstance(paid.plan.past_due, PastDueBlock):
            return ends_at + paid.plan.past_due.grace
        until = self.status.until
        return until + paid.plan.renewal_leeway if until and until > ends_at else ends_at + RETRY_WINDOW_MAX

    def _plan(self, paid: PaidPeriod) -> Plan:
        """Plan as sold, less what is withheld while a payment is overdue, less what was given back."""
        kept = self._kept_share(paid.period)
        plan, overdue = paid.plan, paid.plan.past_due if self.is_past_due else None
        if isinstance(overdue, PastDueReduce):
            kept *= overdue.fraction
        elif isinstance(overdue, PastDueThrottle):
            plan = replace(plan, holds_per_minute=overdue.rate_per_minute)
        if kept == _ONE:
            return plan
        allowances = {
            meter: replace(
                allowance, quantity=normal_quantity((allowance.quantity * kept).quantize(_STEP, rounding=ROUND_DOWN))
            )
            for meter, allowance in plan.allowances.items()
        }
        return replace(plan, allowances=allowances)

    def misses_period_of(self, payment_id: str) -> bool:
        """Whether a refunded payment is of no period of this order, so that its refund takes nothing.

        Nobody knows of an order that has no paid period yet, or whose oldest periods are no longer kept.
        """
        refund = self.refunds.get(payment_id)
        if refund is None or self.paid is None or len(self.earlier) >= MAX_EARLIER_PERIODS:
            return False
        periods: tuple[StatedPeriod | EarlierPeriod, ...] = (self.paid.period, *self.earlier)
        return not any(_is_of_period(refund, period) for period in periods)

    def _kept_share(self, period: StatedPeriod | EarlierPeriod) -> Decimal:
        """The share of a period's payment that was not given back."""
        given_back = (refund.share for refund in self.refunds.values() if _is_of_period(refund, period))
        return max(Decimal(0), _ONE - sum(given_back, Decimal(0)))


@dataclass(frozen=True, slots=True)
class Carried:
    """Units of an allowance that were gone before the balance's open period began, though inside a paid period.

    ``inherited`` units went under another order, in a period that lasts until ``ends_at``; ``own`` went under this one,
    before its allowance changed. ``window_start`` is the open period's start, ``None`` while no order covers.
    """

    inherited: Decimal
    ends_at: datetime
    own: Decimal = Decimal(0)
    window_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeftPeriod:
    """A paid period of an order that a balance left: what of it rolls over follows from its plan, once all is known of it.

    ``gone`` units were used of what it gave; ``rolled`` had come over into it, or into its last quota window.
    """

    order_id: str
    period_start: datetime
    gone: Decimal
    rolled: Decimal


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's orders, newest first; per meter what is carried over from a period left early, and the periods left.

    ``entered`` has per order the keys of the periods that balances went through, newest first. ``version`` counts the writes
    of the item; 0 means that it is not written yet.
    """

    customer_id: str
    orders: tuple[OrderFacts, ...] = ()
    carried: Mapping[str, Carried] = field(default_factory=dict)
    entered: Mapping[str, tuple[PeriodKey, ...]] = field(default_factory=dict)
    left: Mapping[str, tuple[LeftPeriod, ...]] = field(default_factory=dict)
    version: int = 0

    def learn(self, facts: OrderFacts) -> "Subscription":
        """Return the subscription with the facts joined in; the same value when they are no news."""
        known = {order.order_id: order for order in self.orders}
        before = known.get(facts.order_id)
        known[facts.order_id] = before.join(facts) if before else facts
        newest_first = sorted(known.values(), key=lambda order: (order.began, order.order_id), reverse=True)
        return replace(self, orders=tuple(newest_first[:MAX_ORDERS]))

    def enter(self, order_id: str, key: PeriodKey) -> "Subscription":
        """Return the subscription with a period that balances now go through."""
        keys = sorted({*self.entered.get(order_id, ()), key}, reverse=True)[:MAX_EARLIER_PERIODS]
        kept = {order.order_id for order in self.orders}
        entered = {entered_id: known for entered_id, known in self.entered.items() if entered_id in kept}
        return replace(self, entered={**entered, order_id: tuple(keys)})

    def order(self, order_id: str) -> OrderFacts | None:
        """Return what is known of an order."""
        return next((order for order in self.orders if order.order_id == order_id), None)

    def prices_sold(self, plan_key: str | None, meter: str) -> Mapping[str, Price] | None:
        """Return the prices of a meter in a plan as it was last sold to the customer; ``None`` where it never was."""
        sold = (order.paid.plan for order in self.orders if order.paid and order.paid.plan.key == plan_key)
        plan = next(sold, None)
        allowance = plan.allowances.get(meter) if plan else None
        return allowance.prices if allowance else None

    @property
    def superseded(self) -> frozenset[str]:
        """Ids of the orders in whose place a plan change has put another, for good.

        Which order a change replaced is known from our checkout or from Waffo. Until it is, a change is supposed to have
        replaced the one order that stood before it; where several did, nobody can tell which, and none is taken as replaced.
        """
        superseded = {order_id for order in self.orders if order.paid for order_id in order.replaces}
        for change in reversed(self.orders):
            if change.came_by_change and not change.replaces:
                stood = [
                    order.order_id
                    for order in self.orders
                    if order.began < change.began
                    and order.order_id not in superseded
                    and order.stood_at(change.began[1])
                ]
                superseded.update(stood if len(stood) == 1 else ())
        return frozenset(superseded)

    @property
    def live_orders(self) -> tuple[OrderFacts, ...]:
        """Paid orders that neither ended nor were superseded, newest first. More than one: bought twice."""
        superseded = self.superseded
        return tuple(
            order for order in self.orders if order.paid and order.ended_at is None and order.order_id not in superseded
        )

    @property
    def governing(self) -> OrderFacts | None:
        """The order that decides plan and term: the newest live one. Orders never add up."""
        return next(iter(self.live_orders), None)

    def inherits(self, order: OrderFacts) -> bool:
        """Whether what was used under an earlier order counts under this one: a plan change, or bought twice."""
        return order.is_plan_change or any(earlier.began < order.began for earlier in self.live_orders)

    def coverage(self, now: datetime) -> Coverage | None:
        """Return the plan and term that count at ``now``, or ``None`` when no order covers the customer."""
        coverage = self.governing.coverage if self.governing else None
        if coverage is None or (coverage.term.lapses_at is not None and coverage.term.lapses_at <= now):
            return None
        return coverage

    @property
    def uncovered_since(self) -> datetime | None:
        """When the last coverage ended, or will; ``None`` where there never was one."""
        if self.governing is not None:
            return _covered_until(self.governing)
        superseded = self.superseded
        ends = (_covered_until(order) for order in self.orders if order.paid and order.order_id not in superseded)
        return max(ends, default=None)


def _covered_until(order: OrderFacts) -> datetime:
    ends = [order.ended_at, order.coverage.term.lapses_at if order.coverage else None]
    return min(end for end in ends if end is not None)


def _join_earlier(paid: PaidPeriod | None, left: OrderFacts, right: OrderFacts) -> tuple[EarlierPeriod, ...]:
    """All periods but the latest, newest first."""
    latest = [EarlierPeriod.of(facts.paid) for facts in (left, right) if facts.paid]
    periods: dict[PeriodKey, EarlierPeriod] = {}
    for period in (*left.earlier, *right.earlier, *latest):
        known = periods.get(period.key)
        periods[period.key] = known.join(period) if known else period
    earlier = (periods[key] for key in sorted(periods, reverse=True) if paid and key != paid.period.key)
    return tuple(earlier)[:MAX_EARLIER_PERIODS]


def _join_refunds(left: Mapping[str, RefundedShare], right: Mapping[str, RefundedShare]) -> dict[str, RefundedShare]:
    """Per payment the statement that knows more, and of two of one rank the greater share. The newest payments are kept."""
    joined = dict(left)
    for payment_id, refund in right.items():
        joined[payment_id] = max(joined.get(payment_id, refund), refund, key=lambda known: (known.rank, known.share))
    newest = sorted(joined.items(), key=lambda entry: (entry[1].paid_at, entry[0]), reverse=True)
    return dict(newest[:MAX_REFUNDED_PAYMENTS])


def _is_of_period(refund: RefundedShare, period: StatedPeriod | EarlierPeriod) -> bool:
    if refund.number and period.number:
        return refund.number == period.number
    return period.key[0] <= refund.paid_at < period.ends_at
