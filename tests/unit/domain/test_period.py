"""Anchored periods: computed from the anchor, in UTC instants."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from pancake_meter.domain.balance.balance import Term, chart_at, chart_span, window_in
from pancake_meter.domain.balance.period import AnchoredCadence, Period, add_months, window, window_index


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("anchor", "starts"),
    [
        ("2026-01-31T12:00Z", ["2026-02-28T12:00Z", "2026-03-31T12:00Z", "2026-04-30T12:00Z", "2026-05-31T12:00Z"]),
        ("2024-01-31T12:00Z", ["2024-02-29T12:00Z", "2024-03-31T12:00Z"]),
        ("2024-01-30T12:00Z", ["2024-02-29T12:00Z", "2024-03-30T12:00Z"]),
        ("2025-01-29T12:00Z", ["2025-02-28T12:00Z", "2025-03-29T12:00Z"]),
        ("2024-02-29T23:59:59Z", ["2024-03-29T23:59:59Z"]),
        ("2025-12-31T00:00Z", ["2026-01-31T00:00Z", "2026-02-28T00:00Z"]),
    ],
)
def test_scenario_62_the_anchor_day_comes_back_after_a_short_month(anchor: str, starts: list[str]) -> None:
    windows = [window("month", at(anchor), index) for index in range(1, len(starts) + 1)]
    assert [period.start for period in windows] == [at(start) for start in starts]


@pytest.mark.parametrize("cadence", ["month", "week", "day"])
@pytest.mark.parametrize("anchor", ["2024-01-31T23:59:59.999Z", "2024-02-29T00:00Z", "2025-03-30T01:30Z"])
def test_scenario_63_windows_meet_without_gap_or_overlap(cadence: AnchoredCadence, anchor: str) -> None:
    windows = [window(cadence, at(anchor), index) for index in range(-3, 60)]
    assert all(before.end == after.start for before, after in pairwise(windows))
    for index, period in enumerate(windows, start=-3):
        assert window_index(cadence, at(anchor), period.start) == index
        assert window_index(cadence, at(anchor), period.end - timedelta.resolution) == index


def test_scenario_63_daylight_saving_moves_nothing() -> None:
    # An anchor given in Berlin's winter time is an instant: summer time does not shift the windows
    anchor = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))).astimezone(UTC)
    assert window("day", anchor, 29).start - anchor == timedelta(days=29)
    assert window("month", anchor, 1).start == at("2026-03-28T23:30Z")


@pytest.mark.parametrize(
    "bounds", [("2026-01-01T00:00Z", "2026-01-01T00:00Z"), ("2026-01-02T00:00Z", "2026-01-01T00:00Z")]
)
def test_an_empty_period_is_a_bug(bounds: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Period(at(bounds[0]), at(bounds[1]))


def test_a_local_time_is_a_bug() -> None:
    with pytest.raises(ValueError, match="UTC"):
        Period(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 - that is the fault


def term(start: str, end: str) -> Term:
    return Term("ORD_1", at(start), at(end), at(end))


def test_scenario_69_a_paid_year_has_twelve_months_and_the_last_ends_with_it() -> None:
    year = term("2024-01-31T12:00Z", "2025-01-31T12:00Z")
    months = {window_in(year, "month", year.start + timedelta(days=day))[1] for day in range(366)}
    assert len(months) == 12
    assert max(month.end for month in months) == year.end
    # Past its end the last one stays: no thirteenth allowance
    assert window_in(year, "month", at("2025-03-01T00:00Z")) == (
        11,
        Period(at("2024-12-31T12:00Z"), at("2025-01-31T12:00Z")),
    )


def test_a_rest_of_days_joins_the_last_window() -> None:
    # Waffo's month from 28 February runs to 31 March; a window from the 28th to the 28th leaves three days
    paid = term("2026-02-28T12:00Z", "2026-03-31T12:00Z")
    assert window_in(paid, "month", at("2026-03-30T00:00Z")) == (0, Period(paid.start, at("2026-03-31T12:00Z")))
    # Half a window or more is a window of its own
    paid = term("2026-03-01T00:00Z", "2026-03-12T00:00Z")
    assert window_in(paid, "week", at("2026-03-11T00:00Z")) == (
        1,
        Period(at("2026-03-08T00:00Z"), at("2026-03-12T00:00Z")),
    )


def test_scenario_70_a_thirteen_minute_period_is_a_period() -> None:
    paid = term("2026-04-10T15:14:30Z", "2026-04-10T15:27:30Z")
    for cadence in ("billing", "month"):
        assert window_in(paid, cadence, at("2026-04-10T15:20:00Z")) == (
            0,
            Period(paid.start, at("2026-04-10T15:27:30Z")),
        )


@pytest.mark.parametrize(
    ("cadence", "end", "windows"),
    [
        # A month of 31 days is 4 weeks and 3 days: less than half a week joins, half of one and more is its own
        ("week", "2026-04-01T00:00Z", 4),
        ("week", "2026-04-01T11:59:59.999999Z", 4),
        ("week", "2026-04-01T12:00Z", 5),
        ("week", "2026-04-05T00:00Z", 5),
        ("day", "2026-03-02T11:59:59.999999Z", 1),
        ("day", "2026-03-02T12:00Z", 2),
        ("month", "2026-04-15T23:59:59.999999Z", 1),
        ("month", "2026-04-16T00:00Z", 2),
        # The first window is one, however short the term
        ("week", "2026-03-01T00:00:00.000001Z", 1),
        ("month", "2026-03-02T00:00Z", 1),
    ],
)
def test_a_rest_of_less_than_half_a_window_joins_the_last_one(cadence: AnchoredCadence, end: str, windows: int) -> None:
    paid = term("2026-03-01T00:00Z", end)
    assert paid.end is not None
    last, span = window_in(paid, cadence, paid.end - timedelta.resolution)
    assert (last + 1, span.end) == (windows, paid.end)
    assert span.start == window(cadence, paid.start, last).start


def test_a_window_is_entered_at_its_very_instant_and_never_before_the_first() -> None:
    paid = term("2026-03-01T00:00Z", "2026-06-01T00:00Z")
    for at_text, index in (
        ("2026-01-01T00:00Z", 0),
        ("2026-03-31T23:59:59.999999Z", 0),
        ("2026-04-01T00:00Z", 1),
        ("2026-05-01T00:00Z", 2),
        ("2026-07-01T00:00Z", 2),
    ):
        assert window_in(paid, "month", at(at_text)) == (index, window("month", paid.start, index))
        endless = Term(None, paid.start)
        assert window_in(endless, "month", at(at_text))[0] == (4 if at_text == "2026-07-01T00:00Z" else index)
    assert window_in(Term(None, paid.start), "billing", at("2026-04-02T00:00Z"))[0] == 1


def test_a_period_has_its_start_and_not_its_end() -> None:
    span = Period(at("2026-03-01T00:00Z"), at("2026-04-01T00:00Z"))
    inside = [span.start, span.end - timedelta.resolution]
    outside = [span.start - timedelta.resolution, span.end]
    assert [span.contains(instant) for instant in inside + outside] == [True, True, False, False]


LOCAL = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the fault


@pytest.mark.parametrize("bounds", [(LOCAL, at("2026-02-01T00:00Z")), (at("2025-02-01T00:00Z"), LOCAL)])
def test_one_local_time_is_enough_of_a_bug(bounds: tuple[datetime, datetime]) -> None:
    with pytest.raises(ValueError, match="UTC"):
        Period(*bounds)


@pytest.mark.parametrize(
    ("end", "lapses_at", "error"),
    [
        ("2026-04-01T00:00Z", None, "must say when it lapses"),
        (None, "2026-04-01T00:00Z", "must say when it lapses"),
        ("2026-03-01T00:00Z", "2026-04-01T00:00Z", "starts, then ends"),
        ("2026-04-01T00:00Z", "2026-03-31T23:59Z", "starts, then ends"),
    ],
)
def test_a_term_that_contradicts_itself_is_a_bug(end: str | None, lapses_at: str | None, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Term("ORD_1", at("2026-03-01T00:00Z"), at(end) if end else None, at(lapses_at) if lapses_at else None)


def test_months_are_added_over_the_end_of_a_year() -> None:
    assert [add_months(at("2025-12-31T08:00Z"), months) for months in (-12, 0, 2, 12)] == [
        at("2024-12-31T08:00Z"),
        at("2025-12-31T08:00Z"),
        at("2026-02-28T08:00Z"),
        at("2026-12-31T08:00Z"),
    ]


@pytest.mark.parametrize(
    ("length", "spans"),
    [
        (timedelta(days=31), [(0, 31)]),
        (timedelta(days=46), [(0, 46)]),
        (timedelta(days=47) - timedelta.resolution, None),
        (timedelta(days=47), [(0, 31), (31, 47)]),
        (timedelta(days=90), [(0, 31), (31, 61), (61, 90)]),
    ],
)
def test_a_long_period_has_about_a_chart_a_month_and_none_of_a_few_days(
    length: timedelta, spans: list[tuple[float, float]] | None
) -> None:
    began = at("2026-03-01T00:00Z")
    period = Period(began, began + length)
    expected = spans or [(0, length / timedelta(days=1))]
    assert [chart_span(period, index) for index in range(len(expected))] == [
        Period(began + timedelta(days=start), began + timedelta(days=end)) for start, end in expected
    ]
    for start, end in expected:
        chart = Period(began + timedelta(days=start), began + timedelta(days=end))
        assert chart_at(period, chart.start) == chart_at(period, chart.end - timedelta.resolution) == chart
    assert chart_at(period, period.end + timedelta(days=99)) == chart_at(period, period.end - timedelta.resolution)
    assert chart_at(period, began - timedelta(days=99)) == chart_at(period, began)
