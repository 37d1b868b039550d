"""Structure changes as writes: everything a ``Change`` says, in one transaction, guarded by ``segment``.

The balance's counters are written as differences, because hot writes go on between the read and this write and do not
touch ``segment``. Whatever they add lands in the new segment: nothing is lost, and a busy balance cannot starve a change.
"""

import string
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.balance.balance import ZERO, Balance, day_key
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.ledger import Cause
from pancake_meter.domain.reports.month_usage import MonthUsage, usage_by_month
from pancake_meter.domain.usage.made_of import MadeOf
from pancake_meter.store.balance.balance_item import (
    HELD,
    MINUTE_HOLDS,
    SPARSE_ATTRIBUTES,
    TOLD,
    balance_item,
    structure_attributes,
)
from pancake_meter.store.balance.closed_period_item import chart_item, closed_period_item
from pancake_meter.store.balance.ledger_item import ledger_item
from pancake_meter.store.balance.made_of import MADE_OF, made_of_attribute
from pancake_meter.store.balance.short_form import hold_number, stored_day
from pancake_meter.store.keys import balance_key
from pancake_meter.store.reports.month_usage import month_usage_writes
from pancake_meter.store.selling.overage_lines import line_write
from pancake_meter.store.table import Put, Update, Write

_CHARACTERS: Final = string.digits + string.ascii_letters


def opening_writes(change: Change, cause: Cause, reference: str | None, now: datetime) -> list[Write]:
    """Writes that create a balance, unless it exists already."""
    put = Put(balance_item(change.after), condition="attribute_not_exists(PK)")
    return [put, *_beside(change, cause, reference, now)]


def structure_writes(change: Change, cause: Cause, reference: str | None, now: datetime) -> list[Write]:
    """Writes that carry an existing balance over to its next segment; the first of them holds the guard."""
    months = usage_by_month(change.charts, change.closed)
    return [
        _write(change.before, change.after, now),
        *_beside(change, cause, reference, now),
        *month_usage_writes(change.before.customer_id, change.before.meter, months),
    ]


def late_usage_writes(
    change: Change, reference: str, months: Mapping[str, MonthUsage], made_of: Mapping[str, MadeOf], now: datetime
) -> list[Write]:
    """Writes that count late usage, which adds ``months`` to what the closed periods came to; the first has the guard.

    ``made_of`` is what the usage was made of, for the stream.

    The balance's segment guards the closed periods and charts too: nothing amends one without opening a segment.
    """
    return [
        _write(change.before, change.after, now, made_of),
        *_beside(change, "late_usage", reference, now),
        *month_usage_writes(change.before.customer_id, change.before.meter, months),
    ]


def _beside(change: Change, cause: Cause, reference: str | None, now: datetime) -> list[Write]:
    """Writes of what a change says beside the balance: ledger, closed periods, charts, overage lines."""
    customer_id, meter = change.before.customer_id, change.before.meter
    return [
        _ledger_put(change, cause, reference, now),
        *(Put(closed_period_item(customer_id, meter, closed)) for closed in change.closed),
        *(Put(chart_item(customer_id, meter, chart)) for chart in change.charts),
        *(line_write(customer_id, meter, more) for more in change.lines.values()),
    ]


def _ledger_put(change: Change, cause: Cause, reference: str | None, now: datetime) -> Put:
    entry = change.entry(cause, reference, now)
    item = ledger_item(change.before.customer_id, change.before.meter, entry)
    return Put(item, condition="attribute_not_exists(PK)")


def rewrite(balance: Balance) -> Put:
    """Return the write that brings a balance of the version before to the form of now, and changes nothing else."""
    return _whole(balance, balance)


def _whole(before: Balance, after: Balance, made_of: Mapping[str, MadeOf] | None = None) -> Put:
    """Write a balance that the version before wrote, whole: if nothing of it has been changed since it was read.

    That version's hot writes may go on meanwhile. They open no segment, so all that they change is compared.
    """
    item = balance_item(after)
    read = {"segment": before.segment, "used": before.used, "headroom": before.headroom, **(before.earlier or {})}
    if MINUTE_HOLDS in read and after.policy.holds_per_minute is not None:
        item[MINUTE_HOLDS] = read[MINUTE_HOLDS]
    if made_of:
        item[MADE_OF] = made_of_attribute(made_of)
    same = [f"#{name} = :{name}" for name in read]
    same += [f"attribute_not_exists(#{name})" for name in (TOLD, MINUTE_HOLDS) if name not in read]
    names = {f"#{name}": name for name in (*read, TOLD, MINUTE_HOLDS)}
    return Put(item, " AND ".join(same), {f":{name}": value for name, value in read.items()}, names)


def _write(before: Balance, after: Balance, now: datetime, made_of: Mapping[str, MadeOf] | None = None) -> Write:
    if before.earlier is not None:
        return _whole(before, after, made_of)
    return _update(before, after, now, made_of)


def _update(before: Balance, after: Balance, now: datetime, made_of: Mapping[str, MadeOf] | None = None) -> Update:
    """Build the update: absolute for what only structure changes write, differences for what hot writes share.

    It stays within an expression's 4,096 bytes and 300 operators for a chart of a whole year and ``MAX_HOLDS`` holds that
    end: a hold takes two operators, a day of the chart none, but for the few days that are being counted now.
    """
    expression = _Expression()
    expression.add_difference("headroom", after.headroom - before.headroom)
    expression.add_difference("used", after.used - before.used)
    attributes = structure_attributes(after)
    for name, value in attributes.items():
        expression.set(name, value)
    for name in SPARSE_ATTRIBUTES:
        if name not in attributes:
            expression.remove(name)
    if after.policy.holds_per_minute is None:
        expression.remove(MINUTE_HOLDS)
    if made_of:
        expression.set(MADE_OF, made_of_attribute(made_of))
    else:
        expression.remove(MADE_OF)
    for name in before.holds.keys() - after.holds.keys():
        # The whole hold is compared: one that was released and placed again under its id has another expiry.
        expression.remove(HELD, name)
        expression.demand(hold_number(before.holds[name]), HELD, name)
    _take_days_away(expression, before, after, now)
    expression.demand(before.segment, "segment")
    return expression.update(balance_key(before.customer_id, before.meter))


def _take_days_away(expression: "_Expression", before: Balance, after: Balance, now: datetime) -> None:
    """Take the days that leave the chart, and days of nothing, out of the item.

    A day that may be counted right now is brought down by what its chart took. Any other is removed: hot writes count in
    ``told`` whenever they bring usage of such a day, so it suffices that ``told`` stands still.
    """
    # One day wider on both sides than what hot writes call now: their clock is another.
    busy = {day_key(now + timedelta(days=days)) for days in (-2, -1, 0, 1, 2)}
    over = {day: quantity for day, quantity in before.days.items() if quantity == ZERO or day not in after.days}
    for day, quantity in over.items():
        if day not in busy:
            expression.remove("days", stored_day(day))
        elif quantity != ZERO:
            expression.subtract("days", stored_day(day), quantity)
    if not over.keys() <= busy:
        if before.told:
            expression.demand(before.told, TOLD)
            expression.remove(TOLD)
        else:
            expression.demand_absent(TOLD)


class _Expression:
    """An update expression in the making, with its placeholders."""

    def __init__(self) -> None:
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def set(self, name: str, value: object) -> None:
        self._sets.append(f"{self._path(name)}={self._value(value)}")

    def add_difference(self, name: str, difference: Decimal) -> None:
        path = self._path(name)
        self._sets.append(f"{path}={path}+{self._value(difference)}")

    def subtract(self, map_name: str, key: str, quantity: Decimal) -> None:
        path = self._path(map_name, key)
        self._sets.append(f"{path}={path}-{self._value(quantity)}")

    def remove(self, *names: str) -> None:
        self._removes.append(self._path(*names))

    def demand(self, value: object, *names: str) -> None:
        self._conditions.append(f"{self._path(*names)}={self._value(value)}")

    def demand_absent(self, name: str) -> None:
        self._conditions.append(f"attribute_not_exists({self._path(name)})")

    def update(self, key: dict[str, str]) -> Update:
        expression = f"SET {','.join(self._sets)}"
        if self._removes:
            expression += f" REMOVE {','.join(self._removes)}"
        names = {placeholder: name for name, placeholder in self._names.items()}
        return Update(key, expression, " AND ".join(self._conditions), self._values, names)

    def _path(self, *names: str) -> str:
        return ".".join(self._names.setdefault(name, f"#{_short(len(self._names))}") for name in names)

    def _value(self, value: object) -> str:
        placeholder = f":{_short(len(self._values))}"
        self._values[placeholder] = value
        return placeholder


def _short(number: int) -> str:
    """Return a name of two characters for each of 3,844 numbers: every byte of an expression counts."""
    tens, ones = divmod(number, len(_CHARACTERS))
    return _CHARACTERS[tens] + _CHARACTERS[ones]
