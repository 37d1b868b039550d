"""What the days of a customer's charts were made of: models and sources, as far as they are known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Self

from pancake_meter.domain.balance.balance import Balance, dated_days
from pancake_meter.domain.balance.closed_period import Chart
from pancake_meter.domain.usage.made_of import NOTHING_KNOWN, MadeOf
from pancake_meter.store.balance.made_of import read_charts_made_of
from pancake_meter.store.table import Table
from pancake_meter.usecases.reports.customer_usage import CustomerUsage
from pancake_meter.value import Value


class DatedChart(Value):
    """A chart by date. Its ``start`` names it; rarely two charts have the same one."""

    start: datetime
    days: Mapping[date, Decimal]

    @classmethod
    def of_balance(cls, balance: Balance) -> Self:
        """Return the open chart."""
        return cls(balance.chart.start, dated_days(balance.days, balance.chart_closes_at))

    @classmethod
    def of(cls, chart: Chart) -> Self:
        """Return a chart that was put away."""
        return cls(chart.span.start, dated_days(chart.days, chart.closed_at))


def dated_charts(balance: Balance, charts: Sequence[Chart]) -> list[DatedChart]:
    """Return the open chart, and the others after it."""
    return [DatedChart.of_balance(balance), *map(DatedChart.of, charts)]


def usage_made_of(
    table: Table, customer_id: str, meter: str, charts: Sequence[DatedChart]
) -> Sequence[Mapping[date, MadeOf]]:
    """Return by day what each of the charts is made of: one query, as long as there are few days and names.

    No day is made of more than what was used on it. Of a day that two charts of one start have, nothing is known.
    """
    if not charts:
        return []
    starts = [chart.start for chart in charts]
    kept = read_charts_made_of(table, customer_id, meter, min(starts), max(starts))
    places = Counter((chart.start, day) for chart in charts for day, used in chart.days.items() if used)
    return [
        {
            day: kept[chart.start, day].within(used)
            for day, used in sorted(chart.days.items())
            if (chart.start, day) in kept and places[chart.start, day] == 1
        }
        for chart in charts
    ]


def chart_made_of(
    table: Table, usage: CustomerUsage, past: Chart | None, *, of_all: bool = False
) -> Mapping[date, MadeOf]:
    """Return by day what a ``past`` chart, or the open one, is made of; ``of_all`` of them together, where each is a day."""
    charts = dated_charts(usage.balance, usage.charts)
    shown = charts[usage.charts.index(past) + 1] if past is not None else charts[0]
    wanted = (
        charts if of_all else [shown, *(each for each in charts if each is not shown and each.start == shown.start)]
    )
    parts = usage_made_of(table, usage.balance.customer_id, usage.balance.meter, wanted)
    made_of: dict[date, MadeOf] = {}
    for each in parts if of_all else parts[:1]:
        for day, of_day in each.items():
            made_of[day] = made_of.get(day, NOTHING_KNOWN).plus(of_day, names_max=None)
    return made_of
