"""Recording usage: every event counted exactly once, whatever the batch it comes in."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from pancake_meter.domain.errors import CustomerErased, UnknownMeter
from pancake_meter.domain.usage.usage_event import CountedAs, UsageEvent
from pancake_meter.store.balance.spending import known_usage, transactions_of, write_events
from pancake_meter.store.errors import OutOfTime, StoreBusy
from pancake_meter.store.table import READ_ITEMS_MAX
from pancake_meter.usecases.balance.event_result import EventResult, already_known, known_result
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.usecases.balance.record_late import record_late_events
from pancake_meter.usecases.side_by_side import always, side_by_side
from pancake_meter.value import Value

Identity = tuple[str, str, str]
Known = Mapping[Identity, CountedAs]
"""What events were counted as, by identity."""


class UsageLine(Value):
    """One event of a batch and the balance that it belongs to."""

    customer_id: str
    meter: str
    event: UsageEvent

    @property
    def identity(self) -> Identity:
        """What makes the event one and the same, however often it comes: (customer id, meter, event id)."""
        return self.customer_id, self.meter, self.event.id


def record_batch(
    metering: Metering,
    lines: Sequence[UsageLine],
    now: datetime,
    may_go_on: Callable[[], bool] = always,
    *,
    known: Known | None = None,
) -> list[EventResult | UnknownMeter | CustomerErased]:
    """Count a batch that may mix customers and meters; return what became of each line, in order.

    An id that comes twice ends as if the two lines had been sent one after the other.

    Each balance has its own transactions, up to 8 balances at once, and none is begun once ``may_go_on`` denies it: after
    trouble in one of them the whole batch is safe to repeat. ``known`` is what ``known_events`` found, if it was asked.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; ``OutOfTime`` is one of these.
    """
    known = known_events(metering, lines, now) if known is None else known
    by_balance: dict[tuple[str, str], list[UsageEvent]] = defaultdict(list)
    for line in lines:
        by_balance[line.customer_id, line.meter].append(line.event)

    def record(balance: tuple[str, str]) -> list[EventResult] | UnknownMeter | CustomerErased:
        try:
            return _record(metering, *balance, by_balance[balance], now, may_go_on, known)
        except (UnknownMeter, CustomerErased) as error:
            return error

    balances = list(by_balance)
    outcomes = side_by_side(record, balances, may_go_on)
    told = {
        balance: itertools.repeat(outcome) if isinstance(outcome, UnknownMeter | CustomerErased) else iter(outcome)
        for balance, outcome in zip(balances, outcomes, strict=True)
    }
    return [next(told[line.customer_id, line.meter]) for line in lines]


def record_events(
    metering: Metering, customer_id: str, meter: str, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count events of one balance; return what became of the first event of each id.

    One transaction counts up to 99 events of up to 60 days.

    ``duplicate``: the same event was counted before. ``conflict``: its id belongs to another event; nothing was counted.
    ``period_closed``: its period closed longer ago than the catalog's grace; nothing was counted.

    Raises:
        UnknownMeter: the catalog has no such meter.
        StoreBusy, StoreUnavailable: passing trouble; some events may be counted, and the same request is safe to repeat.
    """
    known = known_events(metering, [UsageLine(customer_id, meter, event) for event in events], now)
    results = _record(metering, customer_id, meter, events, now, always, known)
    return {event.id: result for event, result in reversed(list(zip(events, results, strict=True)))}


def known_events(
    metering: Metering, lines: Sequence[UsageLine], now: datetime, *, repeats_likely: bool = False
) -> Known:
    """Return what those events of a batch that are counted already were counted as, where looking pays: else of none.

    A repeat refuses its whole transaction, which is charged in full: about 200 write units for 99 events. Reading their ids
    first costs 50 read units, the price of about 10. So a batch is read first where repeats are likely, or where this
    process met one of its events of late. One event alone is never read: its own write tells.

    The reads are not strongly consistent. What they miss, the transaction's condition finds.
    """
    is_met = metering.recent.meet(line.identity for line in lines)
    if len(lines) <= 1 or not (is_met or repeats_likely):
        return {}
    identities = list(dict.fromkeys(line.identity for line in lines if line.meter in metering.catalog.meters))
    chunks = [identities[first : first + READ_ITEMS_MAX] for first in range(0, len(identities), READ_ITEMS_MAX)]

    def read(chunk: Sequence[Identity]) -> Known:
        return known_usage(metering.table, chunk, now, consistent=False)

    return {identity: found for each in side_by_side(read, chunks) for identity, found in each.items()}


def _record(
    metering: Metering,
    customer_id: str,
    meter: str,
    events: Sequence[UsageEvent],
    now: datetime,
    may_go_on: Callable[[], bool],
    known: Known,
) -> list[EventResult]:
    """Count events of one balance; return what became of each, in order.

    ``may_go_on`` was asked before the first transaction, and is before each further one. One transaction has an id once. So
    of the events that share an id one is tried at a time: the others wait for its result.
    """
    metering.check_meter(meter)
    counted = {e.id: known[customer_id, meter, e.id] for e in events if (customer_id, meter, e.id) in known}
    results: dict[UsageEvent, EventResult] = {}
    waiting = list(dict.fromkeys(events))
    is_first = True
    while waiting:
        results |= {event: known_result(event, counted[event.id]) for event in waiting if event.id in counted}
        new = _first_of_each_id(event for event in waiting if event not in results)
        for chunk in transactions_of(new):
            if not (is_first or may_go_on()):
                raise OutOfTime("the batch has more events than there is time for")
            is_first = False
            told, met = _record_batch(metering, customer_id, meter, chunk, now)
            results |= {event: told[event.id] for event in chunk}
            counted |= met
        waiting = [event for event in waiting if event not in results]
        if waiting:
            counted |= {e.id: CountedAs(e.fingerprint, e.quantity) for e in new if results[e] == "counted"}
    seen: set[UsageEvent] = set()
    return [_repeated(results[event], event, seen) for event in events]


def _first_of_each_id(events: Iterable[UsageEvent]) -> list[UsageEvent]:
    first: dict[str, UsageEvent] = {}
    for event in events:
        first.setdefault(event.id, event)
    return list(first.values())


def _repeated(result: EventResult, event: UsageEvent, seen: set[UsageEvent]) -> EventResult:
    """Return the result of an event of a batch; the second of two equal ones repeats the first."""
    is_seen = event in seen
    seen.add(event)
    return "duplicate" if result == "counted" and is_seen else result


def _record_batch(
    metering: Metering, customer_id: str, meter: str, events: Sequence[UsageEvent], now: datetime
) -> tuple[dict[str, EventResult], dict[str, CountedAs]]:
    """Count the events of one transaction, with distinct ids; return what became of each, and what known ids stand for.

    Ids already known and late events drop out, and the rest is tried again.
    """
    results: dict[str, EventResult] = {}
    known: dict[str, CountedAs] = {}
    pending, of_any_time = list(events), False
    for _ in range(ATTEMPTS_MAX):
        refused = write_events(metering.table, customer_id, meter, pending, now, of_any_time=of_any_time)
        if refused is None:
            return results | {event.id: "counted" for event in pending}, known
        known |= refused.known
        results |= already_known(pending, refused.known)
        pending = [event for event in pending if event.id not in refused.known]
        if not pending:
            return results, known
        if refused.balance_stands:
            continue
        if refused.balance is None:
            opened = metering.open(customer_id, meter, now)
            # Usage is told after it happened: what comes before the customer's first period counts to it.
            of_any_time = opened is not None and opened.closed_until is None
        elif not metering.keep_current(refused.balance, now):
            late = record_late_events(metering, refused.balance, pending, now)
            results |= late
            pending = [event for event in pending if event.id not in late]
            # What is left has no closed period to go to: it counts to the open one, whatever its time.
            of_any_time = True
            if not pending:
                return results, known
    raise StoreBusy("the balance kept changing")
