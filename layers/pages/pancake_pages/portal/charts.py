"""Charts of the portal: usage by day, and the units that there are for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.balance import ZERO, Balance, day_of
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import timestamp
from pancake_meter.usecases.reports.customer_usage import CustomerUsage

_ONE: Final = timedelta(days=1)
_DAY_PERIOD_MAX: Final = timedelta(hours=36)


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: units ``used`` on it, and ``before`` it in the period."""

    day: date
    before: Decimal
    used: Decimal


@dataclass(frozen=True, slots=True)
class UsageChart:
    """Usage by day in a ``span``, and the ``limit`` of units; ``None`` where none can be drawn in.

    ``adds_up``: days are piled up to see when they reach the limit; else the limit holds for each day by itself.
    """

    span: Period
    bars: Sequence[Bar]
    limit: Decimal | None
    adds_up: bool

    @property
    def used(self) -> Decimal:
        """All units on the chart."""
        return sum((bar.used for bar in self.bars), ZERO)


def open_chart(balance: Balance, now: datetime) -> UsageChart:
    """Return the chart of the open period, up to today. Its limit are the units that were given and bought so far."""
    covers_all = balance.chart == balance.period
    limit = balance.used + balance.net if covers_all else None
    span = balance.chart
    bars = _bars(_dated(balance.days, balance.chart_closes_at), span, min(now, span.end - timedelta(microseconds=1)))
    return UsageChart(span, bars, limit if limit is not None and limit > ZERO else None, covers_all)


def past_chart(chart: Chart, closed: Sequence[ClosedPeriod]) -> UsageChart:
    """Return the chart of an earlier period. Its limit is what the plan gave, with what came over from before."""
    of = next((each for each in closed if each.period == chart.span and each.windows == 1), None)
    limit = of.allowance + of.rolled if of is not None and of.allowance + of.rolled > ZERO else None
    end = chart.span.end - timedelta(microseconds=1)
    return UsageChart(chart.span, _bars(_dated(chart.days, chart.closed_at), chart.span, end), limit, of is not None)


def is_by_day(period: Period) -> bool:
    """Whether a period is a day: then its days stand side by side."""
    return period.end - period.start <= _DAY_PERIOD_MAX


def days_side_by_side(usage: CustomerUsage) -> UsageChart:
    """Return the latest days of a meter whose period is a day."""
    balance = usage.balance
    days = dict(_dated(balance.days, balance.chart_closes_at))
    for chart in usage.charts:
        for day, quantity in _dated(chart.days, chart.closed_at).items():
            days[day] = days.get(day, ZERO) + quantity
    start = min((chart.span.start for chart in usage.charts), default=balance.period.start)
    span = Period(start, balance.period.end)
    limit = balance.allowance if balance.allowance > ZERO else None
    return UsageChart(span, _bars(days, span, balance.period.start), limit, adds_up=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """A period to choose; ``key`` names it in an address, that of the open one is empty."""

    key: str
    span: Period


def choices(usage: CustomerUsage) -> Sequence[Choice]:
    """Return the periods that there is a chart of, newest first."""
    return [Choice("", usage.balance.chart), *(Choice(chart_key(each), each.span) for each in usage.charts)]


def chart_key(chart: Chart) -> str:
    """Return what names a chart in an address."""
    return f"{timestamp(chart.span.start)}.{chart.segment}"


def _dated(days: Mapping[str, Decimal], closes_at: datetime) -> dict[date, Decimal]:
    return {day_of(key, closes_at): quantity for key, quantity in days.items()}


def _bars(days: Mapping[date, Decimal], span: Period, until: datetime) -> list[Bar]:
    """Return a bar for each day of a span up to an instant, and for each other day that has usage."""
    first, last = span.start.astimezone(UTC).date(), until.astimezone(UTC).date()
    spanned = [first + _ONE * index for index in range((last - first).days + 1)]
    bars: list[Bar] = []
    before = ZERO
    for day in sorted({*spanned, *days}):
        used = days.get(day, ZERO)
        bars.append(Bar(day, before, used))
        before += used
    return bars
