"""Telling an OpenMeter what was counted: after the fact, with our ids, never a source of truth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pancake_meter.domain.usage.usage_event import CountedUsage
from pancake_meter.openmeter.client import EventsRefused, OpenMeterClient, OpenMeterUnavailable
from pancake_meter.openmeter.forwarding import outgoing_event
from pancake_meter.store.usage.usage_queue import UsageQueue
from pancake_meter.value import Value

PATIENCE: Final = timedelta(hours=20)
"""How long usage is tried again. The stream forgets it after 24 hours: before that, it is set aside."""

Event = Mapping[str, Any]


class Forwarded(Value):
    """How many events OpenMeter has now, and how many were set aside for a person to look at."""

    forwarded: int
    set_aside: int


def forward_usage(
    openmeter: OpenMeterClient, aside: UsageQueue, usage: Sequence[CountedUsage], now: datetime
) -> Forwarded:
    """Send usage; when this returns, each event is with OpenMeter, or set aside with the reason.

    Raises:
        OpenMeterUnavailable, StoreUnavailable: passing trouble. Repeating all of it is safe: OpenMeter knows the ids.
    """
    events = [outgoing_event(each) for each in usage]
    try:
        refused = list(_refused(openmeter, events))
    except OpenMeterUnavailable as error:
        if now - min(each.counted_at for each in usage) < PATIENCE:
            raise
        refused = [(event, str(error)) for event in events]
    aside.send([json.dumps({"event": event, "reason": reason}, ensure_ascii=False) for event, reason in refused])
    return Forwarded(len(events) - len(refused), len(refused))


def _refused(openmeter: OpenMeterClient, events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """Send events; yield those that are refused by themselves, found by halving what is refused together."""
    if not events:
        return
    try:
        openmeter.ingest(events)
    except EventsRefused as refusal:
        if len(events) == 1:
            yield events[0], str(refusal)
            return
        middle = len(events) // 2
        yield from _refused(openmeter, events[:middle])
        yield from _refused(openmeter, events[middle:])
