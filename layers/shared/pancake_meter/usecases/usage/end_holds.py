"""Ending the holds of a batch: each by its own transaction, those of different balances at once."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pancake_meter.domain.balance.hold import CustomerHold
from pancake_meter.domain.errors import CustomerErased
from pancake_meter.store.balance.balances import read_live_holds
from pancake_meter.usecases.balance.event_result import EventResult, known_result
from pancake_meter.usecases.balance.hold_quota import release_hold, settle_with_event
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import Known
from pancake_meter.usecases.side_by_side import side_by_side
from pancake_meter.usecases.usage.sources import Measured
from pancake_meter.value import Value


class HoldEnded(Value):
    """The result of the line that settles the hold, if the item has one, and whether units were held until then."""

    results: tuple[EventResult, ...] = ()
    was_held: bool = False


def end_holds(
    metering: Metering, measured: Sequence[Measured], known: Known, now: datetime, may_go_on: Callable[[], bool]
) -> list[HoldEnded]:
    """End the holds of a batch's items; return what became of each item's, in order: nothing for an item without one.

    An item that is counted already, or does not count, has nothing to settle. Its hold is released if it is still live:
    the balances of several such items are read at once, so that a batch that comes again writes nothing.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; repeating the whole batch is safe.
    """
    held = [(index, item, hold) for index, item in enumerate(measured) if (hold := item.hold) is not None]
    to_release = [hold for _, item, hold in held if _is_done(item, known)]
    if len(to_release) > 1:
        live = read_live_holds(metering.table, {_identity(hold) for hold in to_release})
    else:
        live = {_identity(hold) for hold in to_release}

    def end(one: tuple[int, Measured, CustomerHold]) -> HoldEnded:
        _, item, hold = one
        line = item.held_line
        if line is not None and line.identity not in known:
            try:
                settled = settle_with_event(metering, hold.customer_id, hold.handle, line.event, now, of_any_time=False)
            except CustomerErased:
                return HoldEnded()
            return HoldEnded((settled.result,), settled.was_held)
        results = (known_result(line.event, known[line.identity]),) if line is not None else ()
        # A call that was counted with other units keeps its hold until it expires: which telling is right is not known.
        releases = "conflict" not in results and _identity(hold) in live
        return HoldEnded(results, releases and release_hold(metering, hold.customer_id, hold.handle).was_held)

    ended = side_by_side(end, held, may_go_on, lane=lambda one: (one[2].customer_id, one[2].handle.meter))
    by_index = {index: result for (index, _, _), result in zip(held, ended, strict=True)}
    return [by_index.get(index, HoldEnded()) for index in range(len(measured))]


def _is_done(item: Measured, known: Known) -> bool:
    return item.held_line is None or item.held_line.identity in known


def _identity(hold: CustomerHold) -> tuple[str, str, str]:
    return hold.customer_id, hold.handle.meter, hold.handle.id
