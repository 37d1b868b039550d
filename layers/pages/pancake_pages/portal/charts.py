"""Charts of the portal: usage by day, and the units that there are for it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.balance import ZERO, Balance, dated_days, day_key
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import timestamp
from pancake_meter.usecases.reports.customer_usage import CustomerUsage
from pancake_meter.value import Value

_ONE: Final = timedelta(days=1)
_LEAST: Final = timedelta.resolution
_DAY_PERIOD_MAX: Final = timedelta(hours=36)


class Bar(Value):
    """One day: units ``used`` on it, and ``before`` it in the period."""

    day: date
    before: Decimal
    used: Decimal


class UsageChart(Value):
    """Usage by day in a ``span``, and the ``limit`` of units; ``None`` where none can be drawn in.

    ``adds_up``: days are piled up to see when they reach the limit; else the limit holds for each day by itself. The first
    day then begins at what was used of the limit before all days.
    """

    span: Period
    bars: Sequence[Bar]
    limit: Decimal | None
    adds_up: bool

    @property
    def used(self) -> Decimal:
        """All units on the chart."""
        return sum((bar.used for bar in self.bars), self.bars[0].before if self.bars else ZERO)


def given(balance: Balance) -> Decimal:
    """Return the units that there are for the open period: what was used of them, and what is left. Overage is beyond."""
    return max(ZERO, balance.used_of_plan + balance.net)


def open_chart(balance: Balance, now: datetime) -> UsageChart:
    """Return the chart of the open period, up to today, of what counts in it. Its limit are the units that there are."""
    covers_all = balance.chart == balance.period
    limit = given(balance) if covers_all else ZERO
    span = balance.chart
    _, days = _days_apart(balance)
    more = max(ZERO, -balance.used_before) if covers_all else ZERO
    bars = _bars(days, span, min(now, span.end - _LEAST), more)
    return UsageChart(span, bars, limit if limit > ZERO else None, covers_all)


def past_chart(chart: Chart, closed: Sequence[ClosedPeriod]) -> UsageChart:
    """Return the chart of an earlier period. Its limit is what the plan gave, with what came over from before."""
    of = next((each for each in closed if each.period == chart.span and each.windows == 1), None)
    limit = of.allowance + of.rolled if of is not None and of.allowance + of.rolled > ZERO else None
    end = chart.span.end if of is None else max(chart.span.start + _LEAST, min(chart.span.end, of.until))
    bars = _bars(dated_days(chart.days, chart.closed_at), chart.span, end - _LEAST)
    return UsageChart(chart.span, bars, limit, of is not None)


def earlier_charts(usage: CustomerUsage) -> Sequence[Chart]:
    """Return the charts of earlier periods, newest first.

    Where another plan has taken over inside a period, the balance still keeps the days before. They belong to that plan.
    """
    balance = usage.balance
    before, _ = _days_apart(balance)
    if not before or is_by_day(balance.period):
        return usage.charts
    record = next((each for each in usage.closed if each.until <= balance.period.end and each.windows == 1), None)
    is_of_record = record is not None and record.until.date() >= max(before)
    first, end = (datetime.combine(day, time(), UTC) for day in (min(before), max(before) + _ONE))
    span = record.period if record is not None and is_of_record else Period(first, end)
    days = {day_key(datetime.combine(day, time(), UTC)): quantity for day, quantity in before.items()}
    chart = Chart(span, balance.chart_closes_at, record.segment if record is not None else 0, days=days)
    return [chart, *usage.charts]


def is_by_day(period: Period) -> bool:
    """Whether a period is a day: then its days stand side by side."""
    return period.end - period.start <= _DAY_PERIOD_MAX


def days_side_by_side(usage: CustomerUsage) -> UsageChart:
    """Return the latest days of a meter whose period is a day."""
    balance = usage.balance
    days = dict(dated_days(balance.days, balance.chart_closes_at))
    for chart in usage.charts:
        for day, quantity in dated_days(chart.days, chart.closed_at).items():
            days[day] = days.get(day, ZERO) + quantity
    start = min((chart.span.start for chart in usage.charts), default=balance.period.start)
    span = Period(start, balance.period.end)
    # Days of another plan had another limit.
    is_of_one_plan = all(chart.plan in (None, balance.policy.plan) for chart in usage.charts)
    limit = balance.allowance if balance.allowance > ZERO and is_of_one_plan else None
    return UsageChart(span, _bars(days, span, balance.period.start), limit, adds_up=False)


class Choice(Value):
    """A period to choose; ``key`` names it in an address, that of the open one is empty."""

    key: str
    span: Period


def choices(usage: CustomerUsage) -> Sequence[Choice]:
    """Return the periods that there is a chart of, newest first."""
    return [Choice("", usage.balance.chart), *(Choice(chart_key(each), each.span) for each in earlier_charts(usage))]


def chart_key(chart: Chart) -> str:
    """Return what names a chart in an address."""
    return f"{timestamp(chart.span.start)}.{chart.segment}"


def _days_apart(balance: Balance) -> tuple[dict[date, Decimal], dict[date, Decimal]]:
    """Return the days of the open chart: what was used before the present plan began to count, which is first, and since."""
    days = dated_days(balance.days, balance.chart_closes_at)
    put_away = balance.used - sum(days.values(), ZERO)
    left = balance.used_before - max(ZERO, put_away)
    before: dict[date, Decimal] = {}
    since: dict[date, Decimal] = {}
    for day in sorted(days):
        taken = max(ZERO, min(days[day], left))
        left -= taken
        if taken:
            before[day] = taken
        if days[day] - taken:
            since[day] = days[day] - taken
    return before, since


def _bars(days: Mapping[date, Decimal], span: Period, until: datetime, before: Decimal = ZERO) -> list[Bar]:
    """Return a bar for each day of a span up to an instant, and for each other day that has usage."""
    first, last = span.start.astimezone(UTC).date(), until.astimezone(UTC).date()
    spanned = [first + _ONE * index for index in range((last - first).days + 1)]
    bars: list[Bar] = []
    for day in sorted({*spanned, *days}):
        used = days.get(day, ZERO)
        bars.append(Bar(day, before, used))
        before += used
    return bars
