"""Recording usage of periods that have closed: rare, so it may read before it writes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod, period_of
from pancake_meter.domain.standing.late_use import file_late_use
from pancake_meter.domain.usage.late import chart_start, count_late, is_late, is_open_again
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_balance
from pancake_meter.store.balance.spending import EventsRefused, write_late_events
from pancake_meter.store.errors import StoreBusy, TooManyWrites
from pancake_meter.store.standing.subscriptions import read_subscription, subscription_write
from pancake_meter.usecases.balance.event_result import EventResult, already_known
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering

_PAGE: Final = 25
_PERIODS_MAX: Final = 1000
"""Closed periods, and charts, among which an event's own is looked for: 89 days have at most 89 anchored windows."""

_EVENTS_AT_ONCE: Final = 88
"""Late events of one transaction, beside the balance and the other items that events of one period amend."""


def record_late_events(
    metering: Metering, balance: Balance, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count the late ones of ``events`` to the closed periods that they belong to; return what became of each.

    An event that is not in the answer belongs to the open period: it is not late, or no period was there yet.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; some events may be counted, and the same request is safe to repeat.
    """
    late = [event for event in events if is_late(balance, event)]
    if not late:
        return {}
    closed = _closed_since(metering, balance, min(event.used_at for event in late))
    results: dict[str, EventResult] = {}
    in_time: list[UsageEvent] = []
    for event in late:
        period = period_of(closed, event.used_at)
        if period is None and len(closed) < _PERIODS_MAX:
            continue
        if period is None or now >= period.closed_at + metering.catalog.closed_period_grace:
            results[event.id] = "period_closed"
        else:
            in_time.append(event)
    for first in range(0, len(in_time), _EVENTS_AT_ONCE):
        results |= _record(metering, balance, in_time[first : first + _EVENTS_AT_ONCE], now)
    return results


def _record(
    metering: Metering, balance: Balance, events: Sequence[UsageEvent], now: datetime
) -> dict[str, EventResult]:
    """Count events of closed periods; ids already known drop out, and the rest is tried again.

    Where they amend more items than one transaction holds, their halves are counted one after the other.
    """
    results: dict[str, EventResult] = {}
    pending = list(events)
    for _ in range(ATTEMPTS_MAX):
        current = read_balance(metering.table, balance.customer_id, balance.meter)
        if current is None or metering.keep_current(current, now):
            continue
        try:
            refused = _write(metering, current, pending, now)
        except TooManyWrites:
            if len(pending) == 1:
                raise
            half = len(pending) // 2
            first, second = (_record(metering, balance, part, now) for part in (pending[:half], pending[half:]))
            return results | first | second
        if refused is None:
            return results | {event.id: "counted" for event in pending}
        results |= already_known(pending, refused.known)
        pending = [event for event in pending if event.id not in refused.known]
        if not pending:
            return results
    raise StoreBusy("the balance kept changing")


def _write(metering: Metering, current: Balance, events: Sequence[UsageEvent], now: datetime) -> EventsRefused | None:
    earliest = min(event.used_at for event in events)
    closed = _closed_since(metering, current, earliest)
    chart_starts = {event: chart_start(closed, event) for event in events}
    charts = _charts_since(metering, current, min(chart_starts.values()))
    change = count_late(Change.begin(current), closed, charts, events)
    known = filed = read_subscription(metering.table, current.customer_id)
    if known is not None:
        change, filed = file_late_use(change, closed, known, now)
    change = change.at_prices(lambda plan: metering.prices(known, plan, current.meter))
    beside = [subscription_write(filed)] if filed is not None and filed != known else []
    return write_late_events(metering.table, change, events, chart_starts, now, beside)


def _closed_since(metering: Metering, balance: Balance, earliest: datetime) -> list[ClosedPeriod]:
    """Return closed periods, newest first, back to the one that ``earliest`` belongs to."""
    found: list[ClosedPeriod] = []
    for period in closed_periods(metering.table, balance.customer_id, balance.meter, page=_PAGE):
        if not is_open_again(balance, period):
            found.append(period)
        if (period.since is not None and period.since <= earliest) or len(found) == _PERIODS_MAX:
            break
    return found


def _charts_since(metering: Metering, balance: Balance, earliest: datetime) -> list[Chart]:
    """Return charts, newest first, back to those that begin at ``earliest``.

    A period that was left early may begin after one that goes on beside it: of several charts that begin before an event,
    the latest need not be the event's.
    """
    found: list[Chart] = []
    for chart in charts_put_away(metering.table, balance.customer_id, balance.meter, page=_PAGE):
        if chart.span.start < earliest or len(found) == _PERIODS_MAX:
            break
        found.append(chart)
    return found
