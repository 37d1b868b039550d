"""The pace of holds while a payment is overdue: so many in one minute of the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from pancake_meter.domain.balance.throttle import Throttle, minute_of, seconds_to_next_minute

MINUTE_START = datetime(1970, 1, 1, 0, 7, tzinfo=UTC)
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("minute", "placed", "is_full"),
    [(7, 2, False), (7, 3, True), (7, 4, True), (6, 3, False), (8, 3, True), (8, 2, False)],
)
def test_a_minute_is_full_after_its_holds_and_the_next_one_is_empty(minute: int, placed: int, *, is_full: bool) -> None:
    assert Throttle(3, minute, placed).is_full(MINUTE_START) is is_full


def test_a_minute_lasts_from_its_first_instant_to_its_last() -> None:
    assert [minute_of(MINUTE_START + offset) for offset in (-MS, 0 * MS, 59_999 * MS, 60_000 * MS)] == [6, 7, 7, 8]


@pytest.mark.parametrize(("offset_ms", "seconds"), [(0, 60), (1, 60), (999, 60), (1000, 59), (59_000, 1), (59_999, 1)])
def test_the_wait_for_the_next_minute_is_rounded_up_to_whole_seconds(offset_ms: int, seconds: int) -> None:
    assert seconds_to_next_minute(MINUTE_START + offset_ms * MS) == seconds
