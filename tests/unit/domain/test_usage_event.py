"""Usage events: which times and ids are taken, to the instant, and what makes two tellings one event."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pancake_meter.domain.errors import EventTimeOutOfRange, InvalidEventId
from pancake_meter.domain.usage.usage_event import (
    AHEAD_MAX,
    RETENTION,
    CountedAs,
    UsageEvent,
    dated_usage_event,
    usage_event,
)

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
INSTANT = timedelta.resolution
FIVE = Decimal(5)


def test_an_event_may_be_five_minutes_ahead_and_less_than_90_days_old() -> None:
    assert (timedelta(minutes=5), timedelta(days=90)) == (AHEAD_MAX, RETENTION)
    for used_at in (NOW + AHEAD_MAX, NOW - RETENTION + INSTANT):
        assert usage_event("e1", FIVE, used_at, NOW) == UsageEvent("e1", FIVE, used_at, used_at)
        assert dated_usage_event("e1", FIVE, used_at, NOW) == UsageEvent("e1", FIVE, used_at, None)
    for used_at in (NOW + AHEAD_MAX + INSTANT, NOW - RETENTION):
        for make in (usage_event, dated_usage_event):
            with pytest.raises(EventTimeOutOfRange):
                make("e1", FIVE, used_at, NOW)


def test_an_event_without_a_time_happened_now() -> None:
    assert usage_event("e1", FIVE, None, NOW) == UsageEvent("e1", FIVE, NOW, None)


@pytest.mark.parametrize("event_id", ["x", "x" * 128, "a b", "日本語"])
def test_an_event_id_has_1_to_128_printable_characters(event_id: str) -> None:
    assert usage_event(event_id, FIVE, None, NOW).id == event_id


@pytest.mark.parametrize("event_id", ["", "x" * 129, "a\nb", "a\x00"])
def test_any_other_event_id_is_refused(event_id: str) -> None:
    with pytest.raises(InvalidEventId):
        usage_event(event_id, FIVE, None, NOW)
    with pytest.raises(InvalidEventId):
        dated_usage_event(event_id, FIVE, NOW, NOW)


def test_promise_1_a_repeat_has_the_same_quantity_and_the_same_time_if_it_states_one() -> None:
    stated, untimed = usage_event("e1", FIVE, NOW, NOW), usage_event("e1", FIVE, None, NOW)
    counted, counted_untimed = (CountedAs(event.fingerprint, event.quantity) for event in (stated, untimed))
    assert stated.is_repeat_of(counted)
    assert not stated.is_repeat_of(counted_untimed)
    assert not usage_event("e1", FIVE, NOW - INSTANT * 1000, NOW).is_repeat_of(counted)
    assert not usage_event("e1", Decimal(6), NOW, NOW).is_repeat_of(counted)
    # Without a time it repeats the same quantity, whatever time was counted
    assert untimed.is_repeat_of(counted)
    assert untimed.is_repeat_of(counted_untimed)
    assert not usage_event("e1", Decimal(6), None, NOW).is_repeat_of(counted)


def test_the_fingerprint_is_of_the_content_alone_and_stays_what_it_is_stored_as() -> None:
    event = usage_event("e1", Decimal("5.0"), NOW, NOW)
    assert event.fingerprint == usage_event("another", FIVE, NOW, NOW + AHEAD_MAX).fingerprint
    assert event.fingerprint == "a81c6fbb12b93576b4e6ae58f586e34794ee7f22279482afb06ccefe3dff7f4f"
    assert (
        usage_event("e1", FIVE, None, NOW).fingerprint
        == "8192439466fef48bff93090c08ec982deceb201a68277d98cc7ff7031e81b783"
    )
