"""Closed periods: the one record of what a period came to, and the charts of usage by day beside it.

Every period leaves a record when it closes, also when nothing was used in it. The record alone decides: late usage, what
rolled over, reports. Charts are for looking at.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.balance.period import AnchoredCadence, Period, window_index, window_start
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.value import Value, field, replace

TOLD_AFTER_MAX = timedelta(days=90)
"""How long after it happened usage may still be told, if at all."""

_ZERO = Decimal(0)


class Windows(Value):
    """``count`` quota windows in a row, at least two, of those that ``cadence`` makes from ``anchor``."""

    cadence: AnchoredCadence
    anchor: datetime
    count: int


class ClosedPeriod(Value):
    """What a period came to. Only late usage changes it afterwards.

    Usage from ``since`` (``None``: the customer's first period) to before ``until`` counts to it. That is the period itself,
    except where a renewal was awaited, or the next period was entered early.

    Of the units that the plan gave, and of the ``rolled`` ones that came over, ``gone`` were used, ``passed`` rolled over
    into the next period, and ``left`` expired. ``allowance`` is what the plan grants for a period. ``overage`` units became
    due with the period, in ``line``.

    Windows in which nothing was used and that passed in one step share one record: ``idle`` says which they are, and all
    figures but ``allowance`` are those of the whole run. ``split`` takes a window out of it.
    """

    period: Period
    since: datetime | None
    until: datetime
    closed_at: datetime
    segment: int
    order_id: str | None
    line: LineKey
    allowance: Decimal
    rolled: Decimal
    gone: Decimal
    left: Decimal
    passed: Decimal
    overage: Decimal
    idle: Windows | None = None

    @property
    def plan(self) -> str | None:
        """The plan that governed."""
        return self.line.plan

    @property
    def windows(self) -> int:
        """How many periods the record stands for."""
        return self.idle.count if self.idle else 1

    @property
    def counts_from(self) -> datetime:
        """The instant under which the record is kept and sorted."""
        return self.since or self.period.start

    def counts(self, instant: datetime) -> bool:
        """Whether usage of ``instant`` belongs here."""
        return (self.since is None or self.since <= instant) and instant < self.until

    def split(self, instant: datetime) -> tuple["ClosedPeriod", ...]:
        """Return the record as up to three: the window that holds ``instant``, and what is before and after it."""
        if self.idle is None:
            return (self,)
        cut = self._offset(self.idle, instant)
        parts = ((0, cut), (cut, cut + 1), (cut + 1, self.idle.count))
        return tuple(self._part(self.idle, first, end) for first, end in parts if first < end)

    def window(self, instant: datetime) -> "ClosedPeriod":
        """Return the one window that holds ``instant``, which counts here."""
        return next(part for part in self.split(instant) if part.idle is None and part.counts(instant))

    def _offset(self, idle: Windows, instant: datetime) -> int:
        index = window_index(idle.cadence, idle.anchor, max(instant, self.period.start))
        return min(index - self._first(idle), idle.count - 1)

    def _first(self, idle: Windows) -> int:
        return window_index(idle.cadence, idle.anchor, self.period.start)

    def _part(self, idle: Windows, first: int, end: int) -> "ClosedPeriod":
        """Return the windows from ``first`` to before ``end`` of the run as a record of their own."""
        index = self._first(idle)
        start, stop = (window_start(idle.cadence, idle.anchor, index + offset) for offset in (first, end))
        rolled, passed = self._rolled_into(first), self._rolled_into(end)
        return replace(
            self,
            period=Period(start, stop),
            since=self.since if first == 0 else start,
            until=stop,
            closed_at=stop,
            line=LineKey(start, self.plan),
            rolled=rolled,
            passed=passed,
            left=rolled + (end - first) * self.allowance - passed,
            idle=replace(idle, count=end - first) if end - first > 1 else None,
        )

    def _rolled_into(self, offset: int) -> Decimal:
        """Return what came over into a window of the run; into the one after it, for its count."""
        return min(self.passed, self.rolled + offset * self.allowance)


def period_of(closed: Iterable[ClosedPeriod], instant: datetime) -> ClosedPeriod | None:
    """Return the one of ``closed``, newest first, that usage of ``instant`` belongs to; of idle windows, the one window."""
    return next((period.window(instant) for period in closed if period.counts(instant)), None)


class Chart(Value):
    """Usage by day of a closed period or, where that is long, of about a month of it. It decides nothing.

    ``overage`` is to be seen beside the usage: that of the period on its last chart, that of late usage on its day's.
    ``plan`` is the one that governed when the chart was put away; ``None`` without one, and in what earlier code wrote.
    """

    span: Period
    closed_at: datetime
    segment: int
    overage: Decimal = _ZERO
    days: Mapping[str, Decimal] = field(default_factory=dict)
    plan: str | None = None

    @property
    def used(self) -> Decimal:
        """Units on the chart."""
        return sum(self.days.values(), _ZERO)
