"""Settling measured usage: a line counts as if it had been recorded, and the hold that was placed for it is over."""

from dataclasses import dataclass
from datetime import datetime

from pancake_meter.domain.balance.hold import CustomerHold
from pancake_meter.store.balance.spending import write_settlement
from pancake_meter.store.errors import StoreBusy
from pancake_meter.usecases.balance.event_result import EventResult
from pancake_meter.usecases.balance.hold_quota import release_hold
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.usecases.balance.record_usage import UsageLine, record_events


@dataclass(frozen=True, slots=True)
class LineSettled:
    """What became of the line, and whether that ended the hold: false when it had expired, or never was."""

    result: EventResult
    was_held: bool


def settle_line(metering: Metering, line: UsageLine, hold: CustomerHold, now: datetime) -> LineSettled:
    """Count a line of the hold's customer and meter, and end the hold: one transaction, where nothing is odd.

    A line that was counted before, by another telling of the same call, or that belongs to a closed period, is left to
    recording; the hold is released after it. A line that cannot be counted leaves the hold to its expiry.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    held = hold.handle.quantity
    for _ in range(ATTEMPTS_MAX):
        refused = write_settlement(
            metering.table, line.customer_id, line.meter, hold.handle.id, held, line.event, now, of_any_time=False
        )
        if refused is None:
            return LineSettled("counted", was_held=True)
        if refused.balance is not None and metering.keep_current(refused.balance, now):
            continue
        found = refused.balance.holds.get(hold.handle.id) if refused.balance is not None else None
        if found is not None and found.quantity != held:
            held = found.quantity
            continue
        is_live = found is not None or refused.balance_stands
        return _recorded(metering, line, hold, now, is_live=is_live)
    raise StoreBusy("the balance kept changing")


def _recorded(metering: Metering, line: UsageLine, hold: CustomerHold, now: datetime, *, is_live: bool) -> LineSettled:
    result = record_events(metering, line.customer_id, line.meter, [line.event], now)[line.event.id]
    if not is_live or result not in {"counted", "duplicate"}:
        return LineSettled(result, was_held=False)
    return LineSettled(result, release_hold(metering, hold.customer_id, hold.handle).was_held)
