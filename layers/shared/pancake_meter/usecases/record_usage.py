"""Recording usage: every event counted exactly once, whatever the batch it comes in."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pancake_meter.domain.errors import UnknownMeter
from pancake_meter.domain.usage_event import UsageEvent
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.spending import RECORD_EVENTS_MAX, write_events
from pancake_meter.usecases.metering import ATTEMPTS_MAX, Metering

EventResult = Literal["counted", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One event of a batch and the balance that it belongs to."""

    customer_id: str
    meter: str
    event: UsageEvent


def record_batch(metering: Metering, lines: Sequence[UsageLine], now: datetime) -> list[EventResult | UnknownMeter]:
    """Count a batch that may mix customers and meters; return what became of each line, in order.

    Each balance has its own transaction: after trouble in one of them the whole batch is safe to repeat.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    by_balance: dict[tuple[str, str], list[UsageEvent]] = defaultdict(list)
    for line in lines:
        by_balance[line.customer_id, line.meter].append(line.event)
    outcomes = {
        (customer_id, meter): _record_group(metering, customer_id, meter, events, now)
        for (customer_id, meter), events in by_balance.items()
    }
    results: list[EventResult | UnknownMeter] = []
    seen: set[tuple[str, str, str]] = set()
    for line in lines:
        outcome = outcomes[line.customer_id, line.meter]
        result = outcome if isinstance(outcome, UnknownMeter) else outcome[line.event.id]
        identity = (line.customer_id, line.meter, line.event.id)
        results.append("duplicate" if result == "counted" and identity in seen else result)
        seen.add(identity)
    return results


def _record_group(
    metering: Metering, customer_id: str, meter: str, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult] | UnknownMeter:
    try:
        return record_events(metering, customer_id, meter, events, now)
    except UnknownMeter as error:
        return error


def record_events(
    metering: Metering, customer_id: str, meter: str, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count events of one balance: one transaction for up to 99; return what became of each id.

    ``duplicate``: the same event was counted before, or stands earlier in this batch. ``conflict``: its id belongs to
    another event; nothing was counted.

    Raises:
        UnknownMeter: the catalog has no such meter.
        StoreBusy, StoreUnavailable: passing trouble; some events may be counted, and the same request is safe to repeat.
    """
    metering.check_meter(meter)
    results: dict[str, EventResult] = {}
    distinct: dict[str, UsageEvent] = {}
    for event in events:
        if distinct.setdefault(event.id, event).fingerprint != event.fingerprint:
            results[event.id] = "conflict"
    unambiguous = [event for event in distinct.values() if event.id not in results]
    for first in range(0, len(unambiguous), RECORD_EVENTS_MAX):
        batch = unambiguous[first : first + RECORD_EVENTS_MAX]
        results |= _record_batch(metering, customer_id, meter, batch, now)
    return results


def _record_batch(
    metering: Metering, customer_id: str, meter: str, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count up to 99 events; ids already known drop out, and the rest is tried again."""
    results: dict[str, EventResult] = {}
    pending = list(events)
    for _ in range(ATTEMPTS_MAX):
        refused = write_events(metering.table, customer_id, meter, pending, now)
        if refused is None:
            return results | {event.id: "counted" for event in pending}
        for event in pending:
            if event.id in refused.known:
                results[event.id] = "duplicate" if refused.known[event.id] == event.fingerprint else "conflict"
        pending = [event for event in pending if event.id not in refused.known]
        if not pending:
            return results
        if refused.balance_stands:
            continue
        if refused.balance is None:
            metering.open(customer_id, meter, now)
        else:
            metering.keep_current(refused.balance, now)
    raise StoreBusy("the balance kept changing")
