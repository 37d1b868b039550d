"""Recording usage: every event counted exactly once, whatever the batch it comes in."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pancake_meter.domain.errors import UnknownMeter
from pancake_meter.domain.usage_event import UsageEvent
from pancake_meter.store.errors import OutOfTime, StoreBusy
from pancake_meter.store.spending import RECORD_EVENTS_MAX, write_events
from pancake_meter.usecases.event_result import EventResult, already_known
from pancake_meter.usecases.metering import ATTEMPTS_MAX, Metering
from pancake_meter.usecases.record_late import record_late_events


def always() -> bool:
    """Say that there is time: a batch that is bounded otherwise."""
    return True


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One event of a batch and the balance that it belongs to."""

    customer_id: str
    meter: str
    event: UsageEvent


def record_batch(
    metering: Metering, lines: Sequence[UsageLine], now: datetime, may_go_on: Callable[[], bool] = always
) -> list[EventResult | UnknownMeter]:
    """Count a batch that may mix customers and meters; return what became of each line, in order.

    Each balance has its own transactions, and none is begun once ``may_go_on`` denies it: after trouble in one of them the
    whole batch is safe to repeat.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; ``OutOfTime`` is one of these.
    """
    by_balance: dict[tuple[str, str], list[UsageEvent]] = defaultdict(list)
    for line in lines:
        by_balance[line.customer_id, line.meter].append(line.event)
    outcomes = {
        (customer_id, meter): _record_group(metering, customer_id, meter, events, now, may_go_on)
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
    metering: Metering,
    customer_id: str,
    meter: str,
    events: Sequence[UsageEvent],
    now: datetime,
    may_go_on: Callable[[], bool],
) -> dict[str, EventResult] | UnknownMeter:
    try:
        return record_events(metering, customer_id, meter, events, now, may_go_on)
    except UnknownMeter as error:
        return error


def record_events(
    metering: Metering,
    customer_id: str,
    meter: str,
    events: Sequence[UsageEvent],
    now: datetime,
    may_go_on: Callable[[], bool] = always,
) -> dict[str, EventResult]:
    """Count events of one balance: one transaction for up to 99; return what became of each id.

    ``duplicate``: the same event was counted before, or stands earlier in this batch. ``conflict``: its id belongs to
    another event; nothing was counted. ``period_closed``: its period closed longer ago than the catalog's grace; nothing was
    counted.

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
        if not may_go_on():
            raise OutOfTime("the batch has more events than there is time for")
        batch = unambiguous[first : first + RECORD_EVENTS_MAX]
        results |= _record_batch(metering, customer_id, meter, batch, now)
    return results


def _record_batch(
    metering: Metering, customer_id: str, meter: str, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count up to 99 events; ids already known and late events drop out, and the rest is tried again."""
    results: dict[str, EventResult] = {}
    pending, of_any_time = list(events), False
    for _ in range(ATTEMPTS_MAX):
        refused = write_events(metering.table, customer_id, meter, pending, now, of_any_time=of_any_time)
        if refused is None:
            return results | {event.id: "counted" for event in pending}
        results |= already_known(pending, refused)
        pending = [event for event in pending if event.id not in refused.known]
        if not pending:
            return results
        if refused.balance_stands:
            continue
        if refused.balance is None:
            metering.open(customer_id, meter, now)
        elif not metering.keep_current(refused.balance, now):
            late = record_late_events(metering, refused.balance, pending, now)
            results |= late
            pending = [event for event in pending if event.id not in late]
            # What is left has no closed period to go to: it counts to the open one, whatever its time.
            of_any_time = True
            if not pending:
                return results
    raise StoreBusy("the balance kept changing")
