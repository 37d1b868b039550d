"""Holds: reserve before the work, settle with the truth after it, or release."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.hold import EXPIRED_HOLDS_MAX, Hold, HoldHandle, check_hold_id, is_short_name
from pancake_meter.domain.balance.spend import Refusal, place_hold
from pancake_meter.domain.errors import EventConflict, HoldConflict, HoldNotFound, PeriodClosed
from pancake_meter.domain.instant import ceil_second
from pancake_meter.domain.quantity import SMALLEST_QUANTITY
from pancake_meter.domain.usage.usage_event import CountedAs, UsageEvent
from pancake_meter.store.balance.balances import read_balances, write_anew
from pancake_meter.store.balance.spending import write_hold, write_release, write_settlement
from pancake_meter.store.errors import StoreBusy
from pancake_meter.usecases.balance.event_result import EventResult, known_result
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.briefly import briefly
from pancake_meter.value import Value, replace

if TYPE_CHECKING:
    from pancake_meter.domain.balance.throttle import Throttle

BALANCE_SECONDS_MAX: Final = 1.0
"""How long the answer to a settlement waits for the balance that is left."""

EXPIRED_SECONDS_MAX: Final = 1.0
"""How long the answer to a hold waits for the end of expired holds beside it."""


class HoldPlaced(Value):
    """The units are reserved; ``is_replay`` says that they were before, by the same request."""

    handle: HoldHandle
    hold: Hold
    balance: Balance
    is_replay: bool = False


class HoldRefused(Value):
    """Nothing was reserved."""

    refusal: Refusal
    balance: Balance


class HoldSettled(Value):
    """The usage is counted. ``was_held`` is false when the hold had expired, been released, or never was.

    A repeated settlement has the ``was_held`` of the first.
    """

    handle: HoldHandle
    quantity: Decimal
    was_held: bool
    is_replay: bool = False


class Settled(Value):
    """The result of the event that settles a hold, and whether that ended the hold.

    ``was_held`` is false when the hold had expired, been released, or never was. ``counted_before`` is what the event was
    counted as, where its id is not new.
    """

    result: EventResult
    was_held: bool
    counted_before: CountedAs | None = None


class HoldReleased(Value):
    """The hold is over; ``was_held`` is false when there was none any more."""

    handle: HoldHandle
    was_held: bool


def hold_quota(
    metering: Metering, customer_id: str, meter: str, hold_id: str, quantity: Decimal, ttl: timedelta, now: datetime
) -> HoldPlaced | HoldRefused:
    """Reserve ``quantity`` units under ``hold_id``: one write when the balance is there and current.

    Where holds are throttled, the first write meets the throttle and the second counts in its minute.

    Raises:
        UnknownMeter: the catalog has no such meter.
        HoldConflict: the id holds another quantity.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    hold = Hold(quantity, ceil_second(now + ttl))
    throttle: Throttle | None = None
    for _ in range(ATTEMPTS_MAX):
        written = write_hold(metering.table, customer_id, meter, hold_id, hold, now, throttle)
        if isinstance(written, Balance):
            _end_expired(metering, written, now)
            return HoldPlaced(HoldHandle(meter, quantity, hold_id), hold, written)
        balance = written.balance
        if balance is None:
            opening = metering.opening(customer_id, meter, now)
            refused = place_hold(opening.change.balance, hold_id, hold)
            if isinstance(refused, Refusal):
                # Nothing is written: a balance that a refusal opened would begin the customer's month.
                metering.check_not_erased(customer_id)
                return HoldRefused(refused, opening.change.balance)
            metering.write_opening(opening, now)
            continue
        if metering.keep_current(balance, now):
            continue
        held = balance.hold(hold_id)
        if held is not None:
            return _replay(HoldHandle(meter, quantity, hold_id), held, balance)
        refused = place_hold(balance, hold_id, hold)
        if isinstance(refused, Refusal):
            return HoldRefused(refused, balance)
        throttle = written.throttle
        if throttle is not None and throttle.is_full(now):
            return HoldRefused(Refusal("past_due_throttled"), balance)
    raise StoreBusy("the balance kept changing")


def _end_expired(metering: Metering, balance: Balance, now: datetime) -> None:
    """End the expired holds of a balance that has many: a transaction once in 8 holds that nobody has ended.

    The hold beside them is placed already. So whatever fails here is no trouble of it.
    """
    if len(balance.expired_holds(now)) > EXPIRED_HOLDS_MAX:
        briefly(lambda: metering.keep_current(balance, now), EXPIRED_SECONDS_MAX)


def settle_hold(
    metering: Metering, customer_id: str, handle: HoldHandle, event: UsageEvent, now: datetime
) -> HoldSettled:
    """Count ``event`` and end the hold: one transaction. Usage is counted whatever has become of the hold.

    Raises:
        UnknownMeter: the catalog has no such meter.
        EventConflict: the event's id was used for other usage.
        PeriodClosed: nothing is held any more, and the event states a time whose period closed too long ago.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(handle.meter)
    settled = settle_with_event(metering, customer_id, handle, event, now, of_any_time=True)
    if settled.result == "conflict":
        raise EventConflict("the hold was settled with another quantity", event_id=event.id)
    if settled.result == "period_closed":
        raise PeriodClosed("the event's period closed too long ago")
    before = settled.counted_before
    # A repeat gets the first answer.
    was_held = settled.was_held if before is None else not before.hold_was_over
    return HoldSettled(handle, event.quantity, was_held, is_replay=before is not None)


def settle_with_event(
    metering: Metering, customer_id: str, handle: HoldHandle, event: UsageEvent, now: datetime, *, of_any_time: bool
) -> Settled:
    """Count ``event`` and end the hold: one transaction, where nothing is odd. It is the one way in which holds are settled.

    ``of_any_time``: an event of a closed period counts to the open one, in which the work ends, as long as its hold is live.
    Otherwise such an event counts to its own period, and the hold is released after it.

    An event that was counted before, by this settlement or by another report of the same call, releases the hold if it is
    still live. An event that cannot be counted leaves the hold to its expiry.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    table, meter, held = metering.table, handle.meter, handle.quantity
    for _ in range(ATTEMPTS_MAX):
        refused = write_settlement(table, customer_id, meter, handle.id, held, event, now, of_any_time=of_any_time)
        if refused is None:
            return Settled("counted", was_held=True)
        balance, known = refused.balance, refused.known.get(event.id)
        if known is None and balance is not None and metering.keep_current(balance, now):
            continue
        hold = balance.hold(handle.id) if balance is not None else None
        if known is None and hold is not None and (of_any_time or hold.quantity != held):
            held = hold.quantity
            continue
        if known is not None:
            result = known_result(event, known)
        else:
            told = event if hold is not None else replace(event, hold_was_over=True)
            result = record_events(metering, customer_id, meter, [told], now)[event.id]
            if result == "duplicate":
                # Another request has counted it meanwhile: its answer is the first.
                continue
        is_live = hold is not None or refused.balance_stands
        releases = is_live and result in {"counted", "duplicate"}
        was_held = releases and release_hold(metering, customer_id, handle).was_held
        return Settled(result, was_held, counted_before=known)
    raise StoreBusy("the balance kept changing")


def balance_after(metering: Metering, customer_id: str, meter: str, now: datetime) -> Balance | None:
    """Return the balance that a settlement has left: one read, since a transaction returns nothing.

    The usage is counted already. So whatever fails here is no trouble of the settlement: the answer is ``None`` then, or
    where the read takes longer than a second.
    """
    return briefly(lambda: metering.current_balance(customer_id, meter, now), BALANCE_SECONDS_MAX)


def release_hold(metering: Metering, customer_id: str, handle: HoldHandle) -> HoldReleased:
    """End the hold with nothing used: one write, or two where the handle has another quantity than the hold.

    Releasing what is not held changes nothing.

    Raises:
        UnknownMeter: the catalog has no such meter.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(handle.meter)
    held = handle.quantity
    for _ in range(ATTEMPTS_MAX):
        written = write_release(metering.table, customer_id, handle.meter, handle.id, held)
        if isinstance(written, Balance):
            return HoldReleased(handle, was_held=True)
        balance = written.balance
        hold = balance.hold(handle.id) if balance is not None else None
        if balance is None or hold is None:
            return HoldReleased(handle, was_held=False)
        held = hold.quantity
        if balance.earlier is not None:
            write_anew(metering.table, balance)
    raise StoreBusy("the balance kept changing")


def named_hold(metering: Metering, customer_id: str, name: str, meter: str | None = None) -> HoldHandle:
    """Return the hold that ``name`` means: the handle it was answered with, or the id the caller gave it.

    An id without its ``meter`` costs a read of the customer's balances, and works only while the hold is live.

    Raises:
        HoldNotFound: an id without its meter, and no balance of the customer has such a hold.
        InvalidHoldId, InvalidQuantity: it is neither a handle nor an id.
    """
    if meter is not None:
        return HoldHandle.named(name, meter)
    handle = HoldHandle.parse(name)
    if handle is not None:
        return handle
    return _live_hold(metering, customer_id, check_hold_id(name))


def hold_to_release(metering: Metering, customer_id: str, name: str, meter: str | None = None) -> HoldHandle:
    """Return the hold that ``name`` means: as ``named_hold``, or by the short name that a list shows of it.

    A short name settles nothing: usage is known by the whole id, so that it counts once.

    Raises:
        HoldNotFound, InvalidHoldId, InvalidQuantity: as ``named_hold``.
    """
    if not is_short_name(name):
        return named_hold(metering, customer_id, name, meter)
    if meter is not None:
        # What it holds is not known: the release finds out.
        return HoldHandle(meter, SMALLEST_QUANTITY, name)
    return _live_hold(metering, customer_id, name)


def _live_hold(metering: Metering, customer_id: str, hold_id: str) -> HoldHandle:
    for balance in read_balances(metering.table, customer_id):
        hold = balance.hold(hold_id)
        if hold is not None:
            return HoldHandle(balance.meter, hold.quantity, hold_id)
    raise HoldNotFound("no live hold has that id; settle by the hold_id that the hold was answered with")


def _replay(handle: HoldHandle, held: Hold, balance: Balance) -> HoldPlaced:
    if held.quantity != handle.quantity:
        raise HoldConflict("the hold id is in use for another quantity", held=held.quantity)
    return HoldPlaced(handle, held, balance, is_replay=True)
