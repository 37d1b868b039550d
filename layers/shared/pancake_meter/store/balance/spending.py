"""The hot writes: one request each, arithmetic only, no read before them.

They are the functions of ``domain/balance/spend.py`` as conditional updates. A condition that fails returns the item as it
stood, and the use case decides from it what to do: open the balance, advance it, refuse, or recognise a repeat.

Cost in write units while the balance is within 1 KB: hold 1, release 1, record 4 (2 an event and 2 for the balance, so 2.02
an event in a batch of 99), settle 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.balance.balance import ZERO, Balance, day_key
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.hold import MAX_HOLDS, Hold, hold_name
from pancake_meter.domain.balance.throttle import Throttle, minute_of
from pancake_meter.domain.instant import timestamp, to_ms
from pancake_meter.domain.reports.month_usage import late_usage_by_month
from pancake_meter.domain.usage.made_of import made_of_by, made_of_days
from pancake_meter.domain.usage.usage_event import RETENTION, CountedAs, UsageEvent
from pancake_meter.store.balance.balance_item import (
    HELD,
    MINUTE_HOLDS,
    TOLD,
    balance_from_item,
    throttle_from_item,
)
from pancake_meter.store.balance.made_of import MADE_OF, late_place, made_of_attribute
from pancake_meter.store.balance.short_form import hold_number, hold_numbers, stored_day
from pancake_meter.store.balance.structure import late_usage_writes
from pancake_meter.store.errors import TooManyWrites, WriteRefused
from pancake_meter.store.keys import Key, balance_key, usage_event_key, usage_event_of
from pancake_meter.store.table import READ_ITEMS_MAX, TRANSACTION_WRITES_MAX, Item, Put, Table, Update, Write
from pancake_meter.value import Value

RECORD_EVENTS_MAX = TRANSACTION_WRITES_MAX - 1
"""Events of one balance that one transaction counts, beside the update of the balance."""

RECORD_DAYS_MAX: Final = 60
"""Days that one transaction counts events of: each takes 57 bytes and 3 operators of an expression."""


class Refused(Value):
    """The write did not happen; ``balance`` is what stood in its way, ``None`` when there is no balance.

    ``throttle`` is the pace that holds of the balance keep, ``None`` where it is free.
    """

    balance: Balance | None
    throttle: Throttle | None = None


class EventsRefused(Value):
    """The transaction did not happen.

    ``known`` gives, for ids seen before, what they were counted as. ``balance`` is what stood in the way, or
    ``None`` when there is none; ``balance_stands`` says that the balance was not the obstacle.
    """

    known: dict[str, CountedAs]
    balance: Balance | None
    balance_stands: bool


def write_hold(
    table: Table,
    customer_id: str,
    meter: str,
    hold_id: str,
    hold: Hold,
    now: datetime,
    throttle: Throttle | None = None,
) -> Balance | Refused:
    """Reserve units; return the balance with the hold in it.

    Without a ``throttle``, one that is there stands in the way; with the one that an earlier try met, the hold counts in its
    minute, as long as that has room.
    """
    count, pace, paced = _pace(throttle, now)
    name, number = hold_name(hold_id), hold_number(hold)
    update = Update(
        balance_key(customer_id, meter),
        f"SET headroom = headroom - :quantity, {HELD}.#id = :hold{count} REMOVE {MADE_OF}",
        f"valid_until > :now AND (headroom >= :quantity OR uncapped = :true) AND attribute_not_exists({HELD}.#id)"
        f" AND attribute_not_exists(blocked) AND size({HELD}) < :holds_max AND {pace}",
        {
            ":quantity": hold.quantity,
            ":hold": number,
            ":now": to_ms(now),
            ":true": True,
            ":holds_max": MAX_HOLDS,
            **paced,
        },
        {"#id": name, "#policy": "policy"},
        is_made=lambda item: item.get(HELD, {}).get(name) == number,
    )
    return _write(table, update)


def _pace(throttle: Throttle | None, now: datetime) -> tuple[str, str, dict[str, Any]]:
    """Return the clause that counts a hold in its minute, the condition that allows it, and their values."""
    if throttle is None:
        return "", "attribute_not_exists(#policy.per_minute)", {}
    this_minute = minute_of(now)
    if throttle.minute >= this_minute:
        count = f", {MINUTE_HOLDS}.n = {MINUTE_HOLDS}.n + :one"
        pace = f"{MINUTE_HOLDS}.m >= :minute AND {MINUTE_HOLDS}.n < #policy.per_minute"
        return count, pace, {":one": 1, ":minute": this_minute}
    pace = (
        f"attribute_exists(#policy.per_minute) AND (attribute_not_exists({MINUTE_HOLDS}) OR {MINUTE_HOLDS}.m < :minute)"
    )
    return f", {MINUTE_HOLDS} = :first", pace, {":first": {"m": this_minute, "n": 1}, ":minute": this_minute}


def write_release(table: Table, customer_id: str, meter: str, hold_id: str, held: Decimal) -> Balance | Refused:
    """End a hold of ``held`` units with nothing used; return the balance without it.

    Where an attempt's answer was lost and the hold is not there, that attempt has ended it.
    """
    name = hold_name(hold_id)
    least, greatest = hold_numbers(held)
    update = Update(
        balance_key(customer_id, meter),
        f"SET headroom = headroom + :held REMOVE {HELD}.#id, {MADE_OF}",
        f"{HELD}.#id BETWEEN :least AND :greatest",
        {":held": held, ":least": least, ":greatest": greatest},
        {"#id": name},
        is_made=lambda item: HELD in item and name not in item[HELD],
    )
    return _write(table, update)


_IS_OPEN: Final = (
    "#period.#start <= :earliest AND (attribute_not_exists(#period.closed_until) OR #period.closed_until <= :earliest)"
)
"""Whether what was used since ``:earliest`` is of the open period: it may have begun amid the span that it stands for."""

_PERIOD_NAMES: Final = {"#period": "period", "#start": "start"}


def transactions_of(events: Sequence[UsageEvent]) -> Iterator[list[UsageEvent]]:
    """Yield the events in portions that one transaction can count: at most 99, of at most 60 days."""
    portion: list[UsageEvent] = []
    days: set[str] = set()
    for event in events:
        day = day_key(event.used_at)
        if len(portion) == RECORD_EVENTS_MAX or (day not in days and len(days) == RECORD_DAYS_MAX):
            yield portion
            portion, days = [], set()
        portion.append(event)
        days.add(day)
    if portion:
        yield portion


def write_events(
    table: Table,
    customer_id: str,
    meter: str,
    events: Sequence[UsageEvent],
    now: datetime,
    *,
    of_any_time: bool = False,
) -> EventsRefused | None:
    """Count one of ``transactions_of`` the events of one balance, with distinct ids; ``None`` when they are counted.

    Events from before the open period stand in the way, unless they may be ``of_any_time``.
    """
    condition, bounds = f"valid_until > :now AND attribute_exists({HELD})", {":now": to_ms(now)}
    period: Mapping[str, str] = {}
    if not of_any_time:
        condition, period = f"{condition} AND {_IS_OPEN}", _PERIOD_NAMES
        bounds[":earliest"] = to_ms(min(event.used_at for event in events))
    total = sum((event.quantity for event in events), ZERO)
    by_day: dict[str, Decimal] = {}
    for event in events:
        day = day_key(event.used_at)
        by_day[day] = by_day.get(day, ZERO) + event.quantity
    sets, names, values = _count(total, by_day, now)
    told, removed, made_of = _tell_made_of(events)
    update = Update(
        balance_key(customer_id, meter),
        f"SET headroom = headroom - :quantity, {sets}{told}{' REMOVE ' + removed if removed else ''}",
        condition,
        {**bounds, **values, **made_of},
        {**period, **names},
    )
    return _transact(table, customer_id, meter, events, [update], now)


def write_late_events(
    table: Table,
    change: Change,
    events: Sequence[UsageEvent],
    chart_starts: Mapping[UsageEvent, datetime],
    now: datetime,
    beside: Sequence[Write] = (),
) -> EventsRefused | None:
    """Count events of closed periods, as ``change`` has them counted; ``None`` when they are.

    ``chart_starts`` are the starts of the charts that have them. The writes ``beside`` are done with it, or nothing is.

    Raises:
        TooManyWrites: it is more than one transaction can hold; fewer events may do.
    """
    balance = change.before
    months = late_usage_by_month(((event.used_at, event.quantity) for event in events), change.lines)
    made_of = made_of_by((late_place(chart_starts[event], event.used_at), event) for event in events)
    reference = timestamp(min(event.used_at for event in events))
    writes = [*late_usage_writes(change, reference, months, made_of, now), *beside]
    if len(events) + len(writes) > TRANSACTION_WRITES_MAX:
        raise TooManyWrites(f"{len(events)} late events amend too much for one transaction")
    return _transact(table, balance.customer_id, balance.meter, events, writes, now)


def write_settlement(
    table: Table,
    customer_id: str,
    meter: str,
    hold_id: str,
    held: Decimal,
    event: UsageEvent,
    now: datetime,
    *,
    of_any_time: bool = True,
) -> EventsRefused | None:
    """End a hold of ``held`` units with what was really used, counted as ``event``; ``None`` when that happened.

    An event from before the open period stands in the way, unless it may be ``of_any_time``.
    """
    least, greatest = hold_numbers(held)
    condition, names = (
        f"{HELD}.#id BETWEEN :least AND :greatest AND valid_until > :now",
        {"#id": hold_name(hold_id)},
    )
    values: dict[str, Any] = {":least": least, ":greatest": greatest, ":now": to_ms(now)}
    if not of_any_time:
        condition, names = f"{condition} AND {_IS_OPEN}", {**names, **_PERIOD_NAMES}
        values[":earliest"] = to_ms(event.used_at)
    sets, day_names, counts = _count(event.quantity, {day_key(event.used_at): event.quantity}, now)
    told, removed, made_of = _tell_made_of([event])
    update = Update(
        balance_key(customer_id, meter),
        f"SET headroom = headroom + :given_back, {sets}{told} REMOVE {HELD}.#id{', ' + removed if removed else ''}",
        condition,
        {":given_back": held - event.quantity, **values, **counts, **made_of},
        {**names, **day_names},
    )
    return _transact(table, customer_id, meter, [event], [update], now)


def known_usage(
    table: Table, events: Sequence[tuple[str, str, str]], now: datetime, *, consistent: bool = True
) -> dict[tuple[str, str, str], CountedAs]:
    """Return what those events (customer, meter, id) that are counted were counted as: one request for 100 of them.

    A read costs 1 unit an event. Without ``consistent`` it costs half, and may miss what was written a moment ago.
    """
    distinct = list(dict.fromkeys(events))
    known, now_seconds = {}, _seconds(now)
    for first in range(0, len(distinct), READ_ITEMS_MAX):
        keys = [usage_event_key(*event) for event in distinct[first : first + READ_ITEMS_MAX]]
        for item in table.get_all(keys, consistent=consistent):
            if item["expires_at"] > now_seconds:
                known[usage_event_of(item["PK"])] = _counted_as(item)
    return known


def _count(total: Decimal, by_day: dict[str, Decimal], now: datetime) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return the clauses that count usage, in total and by day, with their names and values.

    Days but those around ``now`` are counted as told: a structure change takes such a day away without looking at it.
    """
    days = list(enumerate(sorted(by_day)))
    clauses = ["used = used + :quantity"]
    clauses += [f"days.#day{i} = if_not_exists(days.#day{i}, :zero) + :day{i}" for i, _ in days]
    values: dict[str, Any] = {":quantity": total, ":zero": ZERO, **{f":day{i}": by_day[day] for i, day in days}}
    if not by_day.keys() <= {day_key(now + timedelta(days=days_away)) for days_away in (-1, 0, 1)}:
        clauses.append(f"{TOLD} = if_not_exists({TOLD}, :zero) + :one")
        values[":one"] = 1
    return ", ".join(clauses), {f"#day{i}": stored_day(day) for i, day in days}, values


def _tell_made_of(events: Sequence[UsageEvent]) -> tuple[str, str, dict[str, Any]]:
    """Return the clause that tells the stream what is counted here, the attribute to remove in its place, and the values."""
    made_of = made_of_days(events)
    if not made_of:
        return "", MADE_OF, {}
    return f", {MADE_OF} = :made_of", "", {":made_of": made_of_attribute(made_of)}


def _write(table: Table, update: Update) -> Balance | Refused:
    try:
        return balance_from_item(table.write(update))
    except WriteRefused as refused:
        (old,) = refused.refusals
        return Refused(balance_from_item(old), throttle_from_item(old)) if old else Refused(None)


def _transact(
    table: Table, customer_id: str, meter: str, events: Sequence[UsageEvent], writes: Sequence[Write], now: datetime
) -> EventsRefused | None:
    """Put the events and do the balance's writes, the first of which is its update."""
    expires_at, now_seconds = _seconds(now + RETENTION), _seconds(now)
    puts = [
        _event_put(usage_event_key(customer_id, meter, event.id), event, expires_at, now_seconds) for event in events
    ]
    try:
        table.transact([*puts, *writes])
    except WriteRefused as refused:
        event_refusals, write_refusals = refused.refusals[: len(puts)], refused.refusals[len(puts) :]
        known = {
            event.id: _counted_as(old) for event, old in zip(events, event_refusals, strict=True) if old is not None
        }
        balance_refusal = write_refusals[0]
        balance = balance_from_item(balance_refusal) if balance_refusal else None
        return EventsRefused(known, balance, balance_stands=not any(refusal is not None for refusal in write_refusals))
    return None


def _counted_as(item: Item) -> CountedAs:
    return CountedAs(str(item["fingerprint"]), item["quantity"], hold_was_over=item.get("hold") == "over")


def _event_put(key: Key, event: UsageEvent, expires_at: int, now_seconds: int) -> Put:
    """Write an event whose id is new, or forgotten: an item past its time to live counts as deleted, deleted or not."""
    item: dict[str, Any] = {
        **key,
        "quantity": event.quantity,
        "used_at": to_ms(event.used_at),
        # Without a stated time the quantity says all: see `UsageEvent.is_repeat_of`.
        "fingerprint": event.fingerprint if event.stated_at is not None else "",
        "expires_at": expires_at,
    }
    if event.hold_was_over:
        item["hold"] = "over"
    item |= {name: told for name, told in (("model", event.model), ("source", event.source)) if told is not None}
    return Put(item, "attribute_not_exists(PK) OR expires_at <= :now_seconds", {":now_seconds": now_seconds})


def _seconds(instant: datetime) -> int:
    """Time to live as DynamoDB wants it: seconds since the epoch."""
    return to_ms(instant) // 1000
