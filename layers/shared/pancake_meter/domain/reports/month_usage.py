"""Usage by calendar month: what closed periods came to, each day in the month that it lies in."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.balance.balance import ZERO, day_of
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.instant import month_of
from pancake_meter.domain.selling.overage import Lines
from pancake_meter.value import Value

_MILLISECOND = timedelta(milliseconds=1)


class MonthUsage(Value):
    """Units of one meter in one calendar month (UTC).

    ``overage`` is of the periods that ended in the month: their overage is known as a whole, and not by day.
    """

    used: Decimal = ZERO
    overage: Decimal = ZERO

    def plus(self, more: "MonthUsage") -> "MonthUsage":
        """Return the sum."""
        return MonthUsage(self.used + more.used, self.overage + more.overage)


NO_USAGE = MonthUsage()


def usage_by_month(charts: Iterable[Chart], closed: Iterable[ClosedPeriod]) -> dict[str, MonthUsage]:
    """Return what charts and closed periods came to by month (``2026-03``): each unit in one month."""
    months: dict[str, MonthUsage] = {}
    for chart in charts:
        for day, quantity in chart.days.items():
            _add(months, f"{day_of(day, chart.closed_at):%Y-%m}", MonthUsage(used=quantity))
    for period in closed:
        _add(months, _month_of_end(period.closed_at), MonthUsage(overage=period.overage))
    return _without_nothing(months)


def late_usage_by_month(used: Iterable[tuple[datetime, Decimal]], lines: Lines) -> dict[str, MonthUsage]:
    """Return what late usage adds: ``used`` units by instant, and those that became due in ``lines``."""
    months: dict[str, MonthUsage] = {}
    for instant, quantity in used:
        _add(months, month_of(instant), MonthUsage(used=quantity))
    for line in lines.values():
        _add(months, _month_of_end(line.ends_at), MonthUsage(overage=line.closed))
    return _without_nothing(months)


def _month_of_end(end: datetime) -> str:
    return month_of(end - _MILLISECOND)


def _without_nothing(months: Mapping[str, MonthUsage]) -> dict[str, MonthUsage]:
    return {month: months[month] for month in sorted(months) if months[month] != NO_USAGE}


def _add(months: dict[str, MonthUsage], month: str, more: MonthUsage) -> None:
    months[month] = months.get(month, NO_USAGE).plus(more)
