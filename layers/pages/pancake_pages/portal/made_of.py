"""What the usage on a chart was made of: a table for each view, whose columns add up to each day's units."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.usage.made_of import NOTHING_KNOWN, MadeOf, Parts
from pancake_meter.value import Value
from pancake_pages.portal.charts import UsageChart

NAMES_MAX: Final = 5
"""Names that have a column, and a colour, of their own."""

View = Literal["models", "sources"]
_VIEWS: Final[tuple[View, ...]] = ("models", "sources")


class Column(Value):
    """Units of one ``name``, or of other names (``others``) or none (``unknown``): by day, and in all."""

    kind: Literal["name", "others", "unknown"]
    name: str
    by_day: Sequence[Decimal]

    @property
    def units(self) -> Decimal:
        """All units of the column."""
        return sum(self.by_day, ZERO)


class Breakdown(Value):
    """Usage by model or by source. ``columns`` add up to what was ``used`` on each of the ``days``."""

    view: View
    days: Sequence[date]
    columns: Sequence[Column]
    used: Decimal


def breakdowns(chart: UsageChart, made_of: Mapping[date, MadeOf]) -> list[Breakdown]:
    """Return the views in which anything is known of a chart."""
    views = [_breakdown(chart, view, {day: getattr(each, view) for day, each in made_of.items()}) for view in _VIEWS]
    return [each for each in views if any(column.kind != "unknown" for column in each.columns)]


def _breakdown(chart: UsageChart, view: View, parts: Mapping[date, Parts]) -> Breakdown:
    total = Parts()
    for each in parts.values():
        total = total.plus(each, names_max=None)
    of_days = [(bar.used, parts.get(bar.day, getattr(NOTHING_KNOWN, view))) for bar in chart.bars]
    named = [
        Column("name", name, [each.named.get(name, ZERO) for _, each in of_days])
        for name in total.largest(NAMES_MAX).named
    ]
    apart = [sum((column.by_day[row] for column in named), ZERO) for row in range(len(of_days))]
    other = Column("others", "", [each.known - there for (_, each), there in zip(of_days, apart, strict=True)])
    unknown = Column("unknown", "", [used - each.known for used, each in of_days])
    columns = [*named, *(each for each in (other, unknown) if each.units)]
    return Breakdown(view, [bar.day for bar in chart.bars], columns, chart.used)
