"""Recording usage of periods that have closed: rare, so it may read before it writes."""

from collections.abc import Sequence
from datetime import datetime

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.ledger import PeriodSummary
from pancake_meter.domain.usage.late import count_late, is_late, summary_of
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.balances import read_balance, read_summaries
from pancake_meter.store.balance.spending import LATE_EVENTS_MAX, write_late_events
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.balance.event_result import EventResult, already_known
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering

_SUMMARIES_MAX = 100
"""Closed periods among which an event's own is looked for: all that the time for which ids are remembered can hold."""


def record_late_events(
    metering: Metering, balance: Balance, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count the late ones of ``events`` to the closed periods that they belong to; return what became of each.

    An event that is not in the answer belongs to the open period: it is not late, or nothing was used in its own period.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; some events may be counted, and the same request is safe to repeat.
    """
    late = [event for event in events if is_late(balance, event)]
    if not late:
        return {}
    summaries = read_summaries(metering.table, balance.customer_id, balance.meter, limit=_SUMMARIES_MAX)
    results: dict[str, EventResult] = {}
    by_period: dict[int, list[UsageEvent]] = {}
    for event in late:
        summary = summary_of(summaries, event.used_at)
        if summary is None:
            continue
        if now >= summary.closed_at + metering.catalog.closed_period_grace:
            results[event.id] = "period_closed"
        else:
            by_period.setdefault(summary.segment, []).append(event)
    for segment, told in by_period.items():
        for first in range(0, len(told), LATE_EVENTS_MAX):
            results |= _record_to_period(metering, balance, segment, told[first : first + LATE_EVENTS_MAX], now)
    return results


def _record_to_period(
    metering: Metering, balance: Balance, segment: int, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count events of the period that closed with ``segment``; ids already known drop out, and the rest is tried again."""
    results: dict[str, EventResult] = {}
    pending = list(events)
    for _ in range(ATTEMPTS_MAX):
        current = read_balance(metering.table, balance.customer_id, balance.meter)
        summary = _summary(metering, balance, segment)
        if current is None or metering.keep_current(current, now):
            continue
        change, told = count_late(Change.begin(current), summary, pending)
        if change.lines:
            subscription = read_subscription(metering.table, balance.customer_id)
            change = change.at_prices(metering.prices(subscription, summary.line.plan, balance.meter))
        refused = write_late_events(metering.table, change, summary, told, pending, now)
        if refused is None:
            return results | {event.id: "counted" for event in pending}
        results |= already_known(pending, refused.known)
        pending = [event for event in pending if event.id not in refused.known]
        if not pending:
            return results
    raise StoreBusy("the balance kept changing")


def _summary(metering: Metering, balance: Balance, segment: int) -> PeriodSummary:
    """Return the summary as it is now. It is there: summaries are never removed."""
    summaries = read_summaries(metering.table, balance.customer_id, balance.meter, limit=_SUMMARIES_MAX)
    return next(summary for summary in summaries if summary.segment == segment)
