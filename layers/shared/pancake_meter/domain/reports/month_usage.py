"""Usage by calendar month: what closed periods came to, each day in the month that it lies in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from pancake_meter.domain.balance.balance import ZERO, day_of
from pancake_meter.domain.balance.ledger import PeriodSummary
from pancake_meter.domain.instant import month_of

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """Units of one meter in one calendar month (UTC).

    ``overage`` is of the periods that ended in the month: their overage is known as a whole, and not by day.
    """

    used: Decimal = ZERO
    overage: Decimal = ZERO

    def plus(self, more: "MonthUsage") -> "MonthUsage":
        """Return the sum."""
        return MonthUsage(self.used + more.used, self.overage + more.overage)

    def minus(self, less: "MonthUsage") -> "MonthUsage":
        """Return the difference."""
        return MonthUsage(self.used - less.used, self.overage - less.overage)


NO_USAGE = MonthUsage()


def usage_by_month(summaries: Iterable[PeriodSummary]) -> dict[str, MonthUsage]:
    """Return what summaries came to by month (``2026-03``). The months' sum is the summaries' sum, unit by unit."""
    months: dict[str, MonthUsage] = {}
    for summary in summaries:
        for day, quantity in summary.days.items():
            _add(months, f"{day_of(day, summary.closed_at):%Y-%m}", MonthUsage(used=quantity))
        if summary.overage != ZERO:
            _add(months, month_of(summary.closed_at - _MILLISECOND), MonthUsage(overage=summary.overage))
    return months


def month_differences(before: Iterable[PeriodSummary], after: Iterable[PeriodSummary]) -> Mapping[str, MonthUsage]:
    """Return what is to be added to each month when summaries take the place of others; months without change are absent."""
    old, new = usage_by_month(before), usage_by_month(after)
    differences = {month: new.get(month, NO_USAGE).minus(old.get(month, NO_USAGE)) for month in {*old, *new}}
    return {month: differences[month] for month in sorted(differences) if differences[month] != NO_USAGE}


def _add(months: dict[str, MonthUsage], month: str, more: MonthUsage) -> None:
    months[month] = months.get(month, NO_USAGE).plus(more)
