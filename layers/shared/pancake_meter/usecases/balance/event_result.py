"""What can become of a usage event."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pancake_meter.domain.usage.usage_event import CountedAs, UsageEvent

EventResult = Literal["counted", "duplicate", "conflict", "period_closed"]


def already_known(events: Iterable[UsageEvent], known: Mapping[str, CountedAs]) -> dict[str, EventResult]:
    """Return the results of the events whose ids were seen before: ``known`` has what they were counted as."""
    return {event.id: known_result(event, known[event.id]) for event in events if event.id in known}


def known_result(event: UsageEvent, counted: CountedAs) -> EventResult:
    """Return the result of an event whose id was seen before."""
    return "duplicate" if event.is_repeat_of(counted) else "conflict"
