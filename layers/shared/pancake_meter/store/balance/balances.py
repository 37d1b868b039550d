"""Balances: reading, structure changes, and the index of balances that are due to change."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.hold import hold_name
from pancake_meter.domain.balance.ledger import Cause, LedgerEntry
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.balance.balance_item import balance_from_item
from pancake_meter.store.balance.closed_period_item import (
    chart_from_item,
    closed_period_from_item,
    closed_period_of_summary,
)
from pancake_meter.store.balance.ledger_item import ledger_from_item
from pancake_meter.store.balance.structure import opening_writes, rewrite, structure_writes
from pancake_meter.store.due import due_items
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import (
    balance_key,
    chart_prefix,
    closed_period_prefix,
    customer_of,
    customer_partition,
    due_shards,
    ledger_prefix,
    summary_prefix,
)
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Table, Write
from pancake_meter.value import replace

_BALANCES_PAGE = 100
"""More than a catalog has meters: a page that is just full is followed by an empty one."""
_DUE_PAGE = 100


def read_balance(table: Table, customer_id: str, meter: str) -> Balance | None:
    """Return a balance as written, or ``None``: one read."""
    item = table.get(balance_key(customer_id, meter))
    return balance_from_item(item) if item is not None else None


def read_balances(table: Table, customer_id: str) -> list[Balance]:
    """Return all balances of a customer: one query, since no catalog has a hundred meters."""
    balances: list[Balance] = []
    start: Mapping[str, Any] | None = None
    while True:
        items, start = table.query(
            "PK = :partition AND begins_with(SK, :prefix)",
            {":partition": customer_partition(customer_id), ":prefix": "BALANCE#"},
            limit=_BALANCES_PAGE,
            start=start,
        )
        balances += map(balance_from_item, items)
        if start is None:
            return balances


def read_live_holds(table: Table, holds: Collection[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Return those of the holds (customer id, meter, hold id) that their balances have: one request for 100 balances."""
    balances = list(dict.fromkeys((customer_id, meter) for customer_id, meter, _ in holds))
    found: set[tuple[str, str, str]] = set()
    for first in range(0, len(balances), READ_ITEMS_MAX):
        for item in table.get_all([balance_key(*balance) for balance in balances[first : first + READ_ITEMS_MAX]]):
            balance = balance_from_item(item)
            found |= {(balance.customer_id, balance.meter, name) for name in balance.holds}
    return {hold for hold in holds if (*hold[:2], hold_name(hold[2])) in found}


def write_change(
    table: Table, change: Change, cause: Cause, reference: str | None, now: datetime, *, demands: Sequence[Write] = ()
) -> Balance | None:
    """Carry a balance to its next segment, or create it; return it, or ``None`` when somebody else was faster.

    ``demands`` are further writes of the same transaction.
    """
    writes = opening_writes if change.before.segment == 0 else structure_writes
    try:
        table.transact([*writes(change, cause, reference, now), *demands])
    except WriteRefused:
        return None
    return replace(change.after, earlier=None)


def write_anew(table: Table, balance: Balance) -> None:
    """Bring a balance of the version before to the form of now: one write, or none where somebody else was faster."""
    with suppress(WriteRefused):
        table.transact([rewrite(balance)])


def due_balances(table: Table, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield (customer id, meter) of every balance whose structure has a change to make by ``now``, page by page.

    A balance leaves the index when it is advanced; one that could not be advanced stays and is yielded by the next sweep.
    """
    return map(_balance_name, due_items(table, due_shards(), now, page=_DUE_PAGE))


def earliest_due(table: Table, now: datetime) -> datetime | None:
    """Return when the most overdue balance was due, or ``None`` when none is: one query of one key for each shard."""
    due: list[datetime] = []
    for shard in due_shards():
        items, _ = table.query(
            "due_shard = :shard AND valid_until <= :now", {":shard": shard, ":now": to_ms(now)}, limit=1, index="due"
        )
        due += [from_ms(item["valid_until"]) for item in items]
    return min(due, default=None)


def read_ledger(
    table: Table, customer_id: str, meter: str, *, limit: int, before_segment: int | None = None
) -> list[LedgerEntry]:
    """Return up to ``limit`` ledger entries of a balance, newest first, older than ``before_segment``."""
    prefix = ledger_prefix(meter)
    upper = f"{prefix}{before_segment - 1:010d}" if before_segment is not None else f"{prefix}~"
    items, _ = table.query(
        "PK = :partition AND SK BETWEEN :lower AND :upper",
        {":partition": customer_partition(customer_id), ":lower": prefix, ":upper": upper},
        limit=limit,
        forward=False,
    )
    return [ledger_from_item(item) for item in items]


def closed_periods(table: Table, customer_id: str, meter: str, *, page: int) -> Iterator[ClosedPeriod]:
    """Yield the closed periods of a balance, newest first, with one query for each ``page`` of them."""
    amended: set[tuple[datetime, int]] = set()
    for item in _newest_first(table, customer_id, closed_period_prefix(meter), page):
        closed = closed_period_from_item(item)
        amended.add((closed.period.start, closed.segment))
        yield closed
    for item in _newest_first(table, customer_id, summary_prefix(meter), page):
        told = closed_period_of_summary(item)
        if told is not None and (told.period.start, told.segment) not in amended:
            yield told


def charts_put_away(table: Table, customer_id: str, meter: str, *, page: int) -> Iterator[Chart]:
    """Yield the charts that a balance has put away, newest first, with one query for each ``page`` of them."""
    amended: set[tuple[datetime, int]] = set()
    for prefix in (chart_prefix(meter), summary_prefix(meter)):
        for item in _newest_first(table, customer_id, prefix, page):
            chart = chart_from_item(item)
            if (chart.span.start, chart.segment) not in amended:
                amended.add((chart.span.start, chart.segment))
                yield chart


def _newest_first(table: Table, customer_id: str, prefix: str, page: int) -> Iterator[Item]:
    start = None
    while True:
        items, start = table.query(
            "PK = :partition AND begins_with(SK, :prefix)",
            {":partition": customer_partition(customer_id), ":prefix": prefix},
            limit=page,
            forward=False,
            start=start,
        )
        yield from items
        if start is None:
            return


def _balance_name(item: Item) -> tuple[str, str]:
    return customer_of(item["PK"]), item["SK"].removeprefix("BALANCE#")
