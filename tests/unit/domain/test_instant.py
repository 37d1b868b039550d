"""Instants that somebody else wrote."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from pancake_meter.domain.instant import ceil_second, floor_ms, month_of, parse_instant, timestamp


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
        ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:59.500Z"),
        ("2026-03-10t15:14:30.1239z", "2026-03-10T15:14:30.123Z"),
        ("0001-01-01T00:00:00+14:00", "1-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999Z"),
        ("2026-03-10T15:14:30." + "1" * 43 + "Z", "2026-03-10T15:14:30.111Z"),
    ],
)
def test_an_instant_is_read_to_the_millisecond_and_a_leap_second_is_the_one_before(text: str, instant: str) -> None:
    assert timestamp(parse_instant(text)).lstrip("0") == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-10T15:14:30." + "1" * 44 + "Z",
        "2026-03-10T15:14:30Z\0garbage",
        "2026-03-10T15:14:30Z\n",
        "2026-W48-4T01:00:00Z",
        "20261126T010000Z",
        "2026-11-26T01:00:00+00:00:30",
        "2026-11-26T01:00:00,5Z",
        "2026-03-10T24:00:00Z",
        "2026-03-10T15:14:61Z",
        "2026-03-10T15:60:60Z",
        "",
        "2026-03-10",
        5,
    ],
)
def test_what_is_no_instant_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a time"):
        parse_instant(text)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_scenario_63_a_machine_s_own_time_zone_changes_nothing(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for instant in (datetime(2026, 3, 31, 23, 30, tzinfo=UTC), datetime(2026, 4, 1, 0, 30, tzinfo=UTC)):
            assert timestamp(instant) == f"{instant:%Y-%m-%dT%H:%M:%S}.000Z"
            assert month_of(instant) == f"{instant:%Y-%m}"
            assert parse_instant(timestamp(instant)) == instant
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_instant_is_in_utc_and_has_whole_milliseconds() -> None:
    assert parse_instant("2026-03-10T15:14:30+01:00").tzinfo is UTC
    assert floor_ms(datetime(2026, 3, 10, 0, 0, 0, 999_999, tzinfo=UTC)).microsecond == 999_000


@pytest.mark.parametrize(("microseconds", "seconds"), [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2)])
def test_an_expiry_in_whole_seconds_is_never_earlier_than_was_asked_for(microseconds: int, seconds: int) -> None:
    at = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert ceil_second(at + timedelta(microseconds=microseconds)) == at + timedelta(seconds=seconds)
