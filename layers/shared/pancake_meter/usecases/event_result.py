"""What can become of a usage event."""

from collections.abc import Iterable
from typing import Literal

from pancake_meter.domain.usage_event import UsageEvent
from pancake_meter.store.spending import EventsRefused

EventResult = Literal["counted", "duplicate", "conflict", "period_closed"]


def already_known(events: Iterable[UsageEvent], refused: EventsRefused) -> dict[str, EventResult]:
    """Return the results of the events whose ids were seen before, here or in an earlier request."""
    return {
        event.id: "duplicate" if event.is_repeat_of(refused.known[event.id]) else "conflict"
        for event in events
        if event.id in refused.known
    }
