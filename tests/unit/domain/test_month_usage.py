"""Usage by calendar month: every unit of a chart lands in exactly one month."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.balance.balance import day_key
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.reports.month_usage import NO_USAGE, MonthUsage, late_usage_by_month, usage_by_month
from pancake_meter.domain.selling.overage import LineKey, OverageLine


def summary(
    start: datetime, end: datetime, days: Mapping[str, int], overage: int = 0
) -> tuple[list[Chart], list[ClosedPeriod]]:
    """A period as it is kept: its chart, and its record."""
    period = Period(start, end)
    chart = Chart(period, end, 2, days={day: Decimal(quantity) for day, quantity in days.items()})
    nothing = Decimal(0)
    closed = ClosedPeriod(
        period=period,
        since=start,
        until=end,
        closed_at=end,
        segment=2,
        order_id=None,
        line=LineKey(start, "scale"),
        allowance=nothing,
        rolled=nothing,
        gone=nothing,
        left=nothing,
        passed=nothing,
        overage=Decimal(overage),
    )
    return [chart], [closed]


def utc(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_a_period_over_a_month_boundary_is_split_by_day_and_its_overage_is_of_its_end() -> None:
    anchored = summary(utc(2026, 3, 10), utc(2026, 4, 10), {"0310": 5, "0331": 7, "0401": 11, "0409": 13}, overage=6)
    assert usage_by_month(*anchored) == {
        "2026-03": MonthUsage(used=Decimal(12)),
        "2026-04": MonthUsage(Decimal(24), Decimal(6)),
    }


def test_overage_of_a_period_that_ends_with_the_month_is_of_that_month() -> None:
    calendar = summary(utc(2026, 3, 1), utc(2026, 4, 1), {"0331": 7}, overage=7)
    assert usage_by_month(*calendar) == {"2026-03": MonthUsage(Decimal(7), Decimal(7))}


@pytest.mark.parametrize(
    ("day", "month"),
    [("1231", "2025-12"), ("0101", "2026-01"), ("0109", "2026-01"), ("1015", "2025-10")],
    ids=["before the new year", "after it", "the last day", "told late, of a period long before"],
)
def test_a_day_without_a_year_is_the_last_such_day(day: str, month: str) -> None:
    assert list(usage_by_month(*summary(utc(2025, 12, 10), utc(2026, 1, 10), {day: 1}))) == [month]


def test_a_clock_that_runs_ahead_over_the_end_of_a_period_is_of_the_day_it_says() -> None:
    assert list(usage_by_month(*summary(utc(2025, 12, 1), utc(2026, 1, 1), {"0101": 1}))) == ["2026-01"]


def test_late_usage_adds_to_the_month_in_which_it_happened_and_its_overage_to_that_of_the_period_s_end() -> None:
    key = LineKey(utc(2026, 3, 10), "scale")
    lines = {key: OverageLine(key, utc(2026, 4, 10), closed=Decimal(3))}
    used = [(utc(2026, 3, 10), Decimal(4)), (utc(2026, 3, 11), Decimal(1))]
    assert late_usage_by_month(used, lines) == {
        "2026-03": MonthUsage(used=Decimal(5)),
        "2026-04": MonthUsage(overage=Decimal(3)),
    }


starts = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(starts, st.integers(1, 45), st.lists(st.tuples(st.integers(0, 130), st.integers(1, 999)), max_size=20))
def test_the_months_come_to_the_summary_each_unit_in_its_own_month(
    start: datetime, length_days: int, uses: list[tuple[int, int]]
) -> None:
    # Given: usage of the 90 days before the period, too, that was told while it was open
    end = start + timedelta(days=length_days)
    used = [(end - timedelta(days=ago, milliseconds=1), quantity) for ago, quantity in uses]
    days: dict[str, int] = {}
    months: dict[str, Decimal] = {}
    for at, quantity in used:
        days[day_key(at)] = days.get(day_key(at), 0) + quantity
        months[f"{at:%Y-%m}"] = months.get(f"{at:%Y-%m}", Decimal(0)) + quantity
    closed = summary(start, end, days, overage=3)
    # When
    found = usage_by_month(*closed)
    # Then
    assert {month: usage.used for month, usage in found.items() if usage.used} == months
    total = NO_USAGE
    for usage in found.values():
        total = total.plus(usage)
    ((chart,), (period,)) = closed
    assert total == MonthUsage(chart.used, period.overage)
