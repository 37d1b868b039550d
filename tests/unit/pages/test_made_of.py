"""Issue 16, point 2: what days were made of, as columns that add up to each day's units."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.usage.made_of import MadeOf, Parts
from pancake_pages.portal.charts import Bar, UsageChart
from pancake_pages.portal.made_of import NAMES_MAX, breakdowns

START = datetime(2026, 3, 1, tzinfo=UTC)
UNITS = st.integers(1, 1000).map(Decimal)
PARTS = st.builds(
    Parts, st.dictionaries(st.integers(0, 30).map(str), UNITS, max_size=20), st.integers(0, 9).map(Decimal)
)
DAYS = st.lists(st.tuples(PARTS, PARTS, st.integers(0, 1000).map(Decimal)), max_size=31)


@given(DAYS)
def test_the_columns_of_each_day_add_up_to_its_units(days: list[tuple[Parts, Parts, Decimal]]) -> None:
    # Given days on which more was used than is known of
    used = [max(models.known, sources.known) + unknown for models, sources, unknown in days]
    dates = [date(2026, 3, number + 1) for number in range(len(days))]
    bars = [Bar(day, Decimal(0), units) for day, units in zip(dates, used, strict=True)]
    chart = UsageChart(Period(START, START + timedelta(days=31)), bars, None, adds_up=True)
    made_of = {day: MadeOf(models, sources) for day, (models, sources, _) in zip(dates, days, strict=True)}
    # When
    shown = breakdowns(chart, made_of)
    # Then
    known = {"models": any(each[0].known for each in days), "sources": any(each[1].known for each in days)}
    assert [each.view for each in shown] == [view for view, is_known in known.items() if is_known]
    for each in shown:
        by_day = zip(*(column.by_day for column in each.columns), strict=True)
        assert [sum(row) for row in by_day] == used
        assert all(quantity >= 0 for column in each.columns for quantity in column.by_day)
        assert sum(column.units for column in each.columns) == each.used == chart.used
        assert len([column for column in each.columns if column.kind == "name"]) <= NAMES_MAX
        assert all(column.units for column in each.columns)


def test_a_chart_of_which_nothing_is_known_has_no_table() -> None:
    bars = [Bar(date(2026, 3, 1), Decimal(0), Decimal(5))]
    chart = UsageChart(Period(START, START + timedelta(days=31)), bars, None, adds_up=True)
    assert breakdowns(chart, {}) == []
