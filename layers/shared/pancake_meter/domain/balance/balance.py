"""The balance: all of one customer's state for one meter.

A balance changes in two ways. *Hot writes* (hold, record, settle, release: ``spend.py``) are pure arithmetic on ``used``,
``holds`` and ``headroom``; they never touch grants and hold only inside a segment. *Structure changes* (``advance.py``,
``adjust.py``) first burn what the segment consumed out of the grants, then alter the structure and open a new segment.

Invariants, asserted by the property tests:

- ``headroom = remaining + overage limit - overage - held - consumed``, where ``consumed = used - burned``, and the
  overage limit is that of the plan or of the customer (``limits.py``), whichever is lower;
- ``overage > 0`` only when every active grant is empty: overage is what lies beyond *every* grant, so a grant that comes
  after the usage pays for it first, and the order of the two never matters.
"""

from calendar import isleap
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Self

from pancake_meter.domain.balance.grant import Grant, burn_order
from pancake_meter.domain.balance.hold import Hold, hold_name
from pancake_meter.domain.balance.limits import NO_LIMITS, Limits
from pancake_meter.domain.balance.period import AnchoredCadence, Period, window, window_index, window_start
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.domain.selling.plan import (
    Cadence,
    OverageAllowed,
    OverageBlocked,
    OverageCapped,
    OveragePolicy,
    Plan,
)
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.value import Value, field, hiding, replace, same_but_for

_CHART_MIN = timedelta(days=16)
"""A rest of a period that is shorter gets no chart of its own."""

ZERO = Decimal(0)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""``valid_until`` of a balance that never changes by itself."""


@same_but_for("prices")
class Policy(Value):
    """The part of a plan that governs one meter, kept with the balance: later edits of the catalog do not reach it.

    ``prices``, by currency, are not kept with the balance: each KB of its item costs every hot write a unit. ``Policy.of``
    takes them from the plan, ``at_prices`` puts them on a balance that was read. ``make_due`` fixes them in the line.
    """

    plan: str | None
    allowance: Decimal = ZERO
    cadence: Cadence = "month"
    overage: OveragePolicy = field(default_factory=OverageBlocked)
    rollover_maximum: Decimal = ZERO
    alert_thresholds: tuple[Decimal, ...] = ()
    holds_per_minute: int | None = None
    is_unpaid: bool = False
    prices: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def unpaid(cls, plan: str) -> Self:
        """Return the policy under a plan that is not paid any more, though its order still runs: nothing is granted."""
        return cls(plan=plan, is_unpaid=True)

    @classmethod
    def of(cls, plan: Plan | None, meter: str) -> Self:
        """Return the policy of ``plan`` for ``meter``; without a plan, or where the plan is silent, nothing is allowed."""
        allowance = plan.allowances.get(meter) if plan else None
        if plan is None or allowance is None:
            return cls(plan=plan.key, holds_per_minute=plan.holds_per_minute) if plan else cls(plan=None)
        return cls(
            plan=plan.key,
            allowance=allowance.quantity,
            cadence=allowance.cadence,
            overage=allowance.overage,
            rollover_maximum=allowance.rollover_maximum,
            alert_thresholds=allowance.alert_thresholds,
            holds_per_minute=plan.holds_per_minute,
            prices=allowance.prices,
        )

    @property
    def allows_overage(self) -> bool:
        """Whether the plan allows any usage beyond the grants."""
        return isinstance(self.overage, OverageAllowed) or (
            isinstance(self.overage, OverageCapped) and self.overage.limit > ZERO
        )


class Term(Value):
    """The span in which the plan grants: what has been paid for, or without end for a plan that costs nothing.

    ``start`` anchors the periods. Past ``end`` no new period starts until a renewal brings a new term; until ``lapses_at``
    what is left stays usable, so that a renewal whose webhook is late never stops a paying customer. ``is_unpaid_after``:
    what follows a lapse is nothing, and not the default plan, because a payment is overdue.
    """

    order_id: str | None
    start: datetime
    end: datetime | None = None
    lapses_at: datetime | None = None
    is_unpaid_after: bool = False

    def __post_init__(self) -> None:
        """An end and a lapse come together, in that order."""
        if (self.end is None) != (self.lapses_at is None):
            raise ValueError("a term that ends must say when it lapses, and only then")
        if self.end is not None and self.lapses_at is not None and not self.start < self.end <= self.lapses_at:
            raise ValueError("a term starts, then ends, then lapses")


class Lapse(Value):
    """The paid term that time alone has ended, until the subscription files what was used of it.

    ``gone`` units of what it gave in its last ``window`` had been used by ``at``, ``rolled`` units had come over into that.
    """

    order_id: str
    term_start: datetime
    window: Period
    at: datetime
    gone: Decimal
    rolled: Decimal


@hiding("earlier")
@same_but_for("told", "earlier")
class Balance(Value):
    """One customer's state for one meter. All quantities are units of the meter.

    ``days`` is the open chart: usage by day since the period began or, in a long period, since its latest chart was put
    away. ``charts`` counts those that were: the item stays small however long the period. ``closed_until`` is the instant
    before which everything belongs to closed periods; ``None`` in a balance that has closed none. ``refund_debt`` are units
    that were bought, gone, and then refunded: the next units of their lot pay them, else the seller sees them.

    ``told`` counts the hot writes that brought usage of days gone by into the open chart: whoever takes the chart away rests
    on it. ``earlier`` are attributes as they were read of a balance that the version before wrote, until it is written anew.
    Both are the store's, and no part of what a balance equals.

    ``used_before`` is the part of ``used`` that the present plan does not count against its allowance: it was used before
    the plan began to govern, inside the same counted period. It is negative where more is gone of the allowance than was
    used in the counted period: what is gone was used in a period that had closed before the plan was known.

    ``overage_due`` is the sum of what is due in the overage lines (``domain/selling/overage.py``), kept beside the balance.
    So is ``reopened``, of the units whose payment was refunded: where there are none, no line is looked for.
    ``line_start`` is when the open period began as first known, where that has been corrected since. ``gone_before`` units
    of the open period's allowance were gone already when its grants were given. ``lapsed`` is the paid term before a
    balance that has fallen back by itself. ``limits`` are this customer's own, beside the policy. ``spent`` units of the
    open period's overage are in its line already, due or paid: a spend cap counts them.
    """

    customer_id: str
    meter: str
    policy: Policy
    term: Term
    period: Period
    as_of: datetime
    segment: int = 0
    used: Decimal = ZERO
    used_before: Decimal = ZERO
    burned: Decimal = ZERO
    overage: Decimal = ZERO
    overage_due: Decimal = ZERO
    reopened: Decimal = ZERO
    refund_debt: Decimal = ZERO
    grants: tuple[Grant, ...] = ()
    holds: Mapping[str, Hold] = field(default_factory=dict)
    days: Mapping[str, Decimal] = field(default_factory=dict)
    charts: int = 0
    told: int = 0
    earlier: Mapping[str, object] | None = None
    closed_until: datetime | None = None
    line_start: datetime | None = None
    gone_before: Decimal = ZERO
    lapsed: Lapse | None = None
    blocked: str | None = None
    limits: Limits = NO_LIMITS
    spent: Decimal = ZERO

    def hold(self, hold_id: str) -> Hold | None:
        """Return the hold of that id, if it is there. ``holds`` has it under its name (``hold.py``)."""
        return self.holds.get(hold_name(hold_id))

    def expired_holds(self, now: datetime) -> dict[str, Hold]:
        """Return by name the holds whose time is up, which still reserve their units."""
        return {name: hold for name, hold in self.holds.items() if hold.expires_at <= now}

    def under(self, policy: Policy) -> Self:
        """Return the balance under another policy. A spend cap in money is worth other units at other prices."""
        return replace(self, policy=policy, limits=self.limits.priced(policy.prices))

    @property
    def allowance(self) -> Decimal:
        """Units that a period grants this customer: the plan's, or fewer where a limit says so."""
        return self.limits.allowance(self.policy.allowance)

    @property
    def overage_policy(self) -> OveragePolicy:
        """What is allowed beyond the grants: by the plan, or less where a limit says so."""
        return self.limits.overage(self.policy.overage, self.spent)

    @property
    def overage_limit(self) -> Decimal:
        """Units beyond every grant that the open period may hold at once; zero without a cap, see ``is_uncapped``."""
        policy = self.overage_policy
        return policy.limit if isinstance(policy, OverageCapped) else ZERO

    @property
    def is_uncapped(self) -> bool:
        """Whether usage beyond the grants is never refused."""
        return isinstance(self.overage_policy, OverageAllowed)

    def at_prices(self, prices: Mapping[str, Price]) -> Self:
        """Return the balance with the prices of its plan, as the plan was sold to the customer."""
        return replace(self, policy=replace(self.policy, prices=prices))

    @property
    def active_grants(self) -> tuple[Grant, ...]:
        """Grants that may be used now, in burn order; those of the open period always may."""
        return tuple(sorted(self._started_grants, key=lambda grant: burn_order(grant, self.period.end)))

    @property
    def _started_grants(self) -> list[Grant]:
        return [grant for grant in self.grants if grant.is_periodic or grant.starts_at <= self.as_of]

    @property
    def held(self) -> Decimal:
        """Units reserved by holds."""
        return sum((hold.quantity for hold in self.holds.values()), ZERO)

    @property
    def used_of_plan(self) -> Decimal:
        """Units used in the open period as the plan that governs now counts them."""
        return self.used - self.used_before

    @property
    def net(self) -> Decimal:
        """Units left in the grants, less all that was used beyond them: negative while there is overage."""
        remaining = sum((grant.remaining for grant in self._started_grants), ZERO)
        return remaining - self.overage - (self.used - self.burned)

    @property
    def headroom(self) -> Decimal:
        """Units that may still be promised before a refusal; without a cap, simply the units available."""
        return self.net + self.overage_limit - self.held

    @property
    def available(self) -> Decimal:
        """Units left in the grants that no hold has reserved, never below zero."""
        return max(ZERO, self.net - self.held)

    @property
    def current_overage(self) -> Decimal:
        """Units used beyond every grant in the open period."""
        return max(ZERO, -self.net)

    @property
    def line(self) -> LineKey:
        """The overage line of the open period."""
        return LineKey(self.line_start or self.period.start, self.policy.plan)

    @property
    def period_ends_at(self) -> datetime:
        """When the open period gives way by itself: at its end, or, where only a renewal may follow, at the lapse."""
        if self.term.end is None or self.period.end < self.term.end:
            return self.period.end
        return self.term.lapses_at or self.period.end

    @property
    def chart(self) -> Period:
        """The span of the open chart."""
        return chart_span(self.period, self.charts)

    @property
    def next_chart_at(self) -> datetime | None:
        """When the open chart gives way to another; ``None`` where it lasts as long as the period."""
        return self.chart.end if self.chart.end < self.period.end else None

    @property
    def chart_closes_at(self) -> datetime:
        """When the open chart will be put away at the latest: past the period's end while a renewal is awaited."""
        return self.next_chart_at or self.period_ends_at

    @property
    def valid_until(self) -> datetime:
        """The next instant at which the structure changes by itself."""
        starts = (grant.starts_at for grant in self.grants if not grant.is_periodic and grant.starts_at > self.as_of)
        ends = (grant.expires_at for grant in self.grants if grant.expires_at is not None)
        return min(self.period_ends_at, self.next_chart_at or NEVER, NEVER, *starts, *ends)


def used_of_allowance(balance: Balance) -> Decimal:
    """Units used of what the open period's plan gave, since its grants were given."""
    periodic = [grant for grant in burn(balance).grants if grant.is_periodic]
    given = sum((grant.quantity for grant in periodic), ZERO)
    left = sum((grant.remaining for grant in periodic), ZERO)
    return max(ZERO, given - left - min(balance.gone_before, given))


def left_over(balance: Balance) -> Decimal:
    """Units that the open period's plan has left."""
    return sum((grant.remaining for grant in burn(balance).grants if grant.is_periodic), ZERO)


def rolled_over(balance: Balance) -> Decimal:
    """Units that came over into the open period, used or not."""
    return sum((grant.quantity for grant in balance.grants if grant.kind == "rollover"), ZERO)


def day_key(instant: datetime) -> str:
    """Key of ``instant``'s day in the usage chart: ``MMDD``, UTC. No chart is longer than a year, so it is unambiguous."""
    return f"{instant.month:02}{instant.day:02}"


def dated_days(days: Mapping[str, Decimal], chart_end: datetime) -> dict[date, Decimal]:
    """Return the days of a chart that ends at ``chart_end`` by their date."""
    return {day_of(key, chart_end): quantity for key, quantity in days.items()}


def day_of(key: str, chart_end: datetime) -> date:
    """Return the day that ``day_key`` made ``key`` of, in a chart that ends at ``chart_end``.

    It is the last such day up to the end, which clocks may overrun by a little. A chart holds less than half a year, and
    late usage at most 90 days before it, so the day is never of an earlier year than this.
    """
    end = chart_end + timedelta(days=1)
    year = end.year if key <= day_key(end) else end.year - 1
    while key == "0229" and not isleap(year):
        year -= 1
    return date(year, int(key[:2]), int(key[2:]))


def chart_span(period: Period, index: int) -> Period:
    """Return the span of a chart of a period: about a month of it, or what is left of it."""
    start, end = (window_start("month", period.start, index + more) for more in (0, 1))
    return Period(start, period.end if period.end - end < _CHART_MIN else end)


def chart_at(period: Period, instant: datetime) -> Period:
    """Return the span of the period's chart that holds ``instant``, or else the one that is nearest to it."""
    span, index = chart_span(period, 0), 0
    while span.end <= instant and span.end < period.end:
        index += 1
        span = chart_span(period, index)
    return span


def window_in(term: Term, cadence: Cadence, instant: datetime) -> tuple[int, Period]:
    """Index and span of the term's quota window that holds ``instant``, clamped to the term.

    A rest shorter than half a window joins the last window: a paid month of 31 days never ends in a stray extra allowance.
    """
    if cadence == "billing" and term.end is not None:
        return 0, Period(term.start, term.end)
    anchored: AnchoredCadence = "month" if cadence == "billing" else cadence
    index = max(0, window_index(anchored, term.start, instant))
    if term.end is None:
        return index, window(anchored, term.start, index)
    last = window_index(anchored, term.start, term.end - timedelta.resolution)
    full = window(anchored, term.start, last)
    if last > 0 and term.end - full.start < (full.end - full.start) / 2:
        last -= 1
    if index < last:
        return index, window(anchored, term.start, index)
    return last, Period(window_start(anchored, term.start, last), term.end)


def burn(balance: Balance) -> Balance:
    """Take what the segment consumed, and any overage, out of the active grants in burn order; the rest is overage."""
    owed = balance.overage + balance.used - balance.burned
    left: dict[str, Decimal] = {}
    for grant in balance.active_grants:
        taken = min(owed, grant.remaining)
        left[grant.id] = grant.remaining - taken
        owed -= taken
    grants = tuple(replace(grant, remaining=left.get(grant.id, grant.remaining)) for grant in balance.grants)
    return replace(balance, grants=grants, overage=owed, burned=balance.used)
