"""Days of a chart: kept as month and day, read as dates."""

from datetime import UTC, date, datetime

import pytest

from pancake_meter.domain.balance.balance import day_key, day_of


@pytest.mark.parametrize(
    ("used_at", "chart_end", "day"),
    [
        ("2026-03-10T00:00", "2026-04-10T15:20", date(2026, 3, 10)),
        ("2026-12-31T23:59", "2027-01-10T00:00", date(2026, 12, 31)),
        ("2027-01-09T12:00", "2027-01-10T00:00", date(2027, 1, 9)),
        # A clock that is ahead, at the very end of a year's chart
        ("2027-01-01T00:03", "2027-01-01T00:00", date(2027, 1, 1)),
        # Usage told 89 days after it happened, counted in the open period
        ("2026-11-02T12:00", "2027-01-10T00:00", date(2026, 11, 2)),
        ("2028-02-29T12:00", "2028-03-10T00:00", date(2028, 2, 29)),
        ("2028-02-29T12:00", "2028-03-29T00:00", date(2028, 2, 29)),
    ],
)
def test_a_day_is_read_as_the_date_that_it_was(used_at: str, chart_end: str, day: date) -> None:
    instant, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (used_at, chart_end))
    assert day_of(day_key(instant), end) == day
