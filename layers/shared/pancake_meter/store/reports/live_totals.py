"""Live totals as items, and beside the customer's own items what the totals have of each source.

``PK REPORT#LIVE#<report>#<shard> SK ROW#<row>``: an attribute for each figure, in four shards by customer.
``PK CUSTOMER#<customer> SK ADDED#<source>``: the share of a source that is in the totals.
``PK CUSTOMER#<customer> SK ACTIVE#<month>``: the days on which the customer used something, by meter.
``PK REPORT#LIVE SK READER``: how far the stream has been read.

A share and the totals that it changes are one transaction, on the condition that the share is as it was read.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.errors import ReportTooLarge
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.reports.live_totals import Cell, Cells, Share, Source
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import REPORT_SHARDS, Key, active_key, added_key, live_partition, reader_key
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Put, Table, Update
from pancake_meter.value import Value, field

_PAGE: Final = 500
_PAGES_MAX: Final = 100
"""Pages that one report reads, over all shards."""

_ROW: Final = "ROW#"
_KEY: Final = frozenset({"PK", "SK"})
_ZERO: Final = Decimal(0)

Day = tuple[date, str]
"""A day, and a meter that was used on it."""

Rows = Mapping[str, Mapping[str, Decimal]]
"""The figures of a report, by row."""


class Known(Value):
    """What the totals have of some sources and customers, as it was read."""

    shares: Mapping[Source, Share] = field(default_factory=dict)
    active: Mapping[tuple[str, str], frozenset[Day]] = field(default_factory=dict)


def read_known(
    table: Table, sources: Iterable[Source], months: Iterable[tuple[str, str]], *, consistent: bool
) -> Known:
    """Return what the totals have of sources, and the days of customers' months: one request for 100 items.

    Without ``consistent`` it costs half, and may be out of date: the write that rests on it is refused then.
    """
    source_of = {_place(added_key(each.customer_id, each.name)): each for each in sources}
    month_of = {_place(active_key(*each)): each for each in months}
    places = [*source_of, *month_of]
    shares: dict[Source, Share] = {}
    active: dict[tuple[str, str], frozenset[Day]] = {}
    for first in range(0, len(places), READ_ITEMS_MAX):
        keys = [{"PK": partition, "SK": sort} for partition, sort in places[first : first + READ_ITEMS_MAX]]
        for item in table.get_all(keys, consistent=consistent):
            place = item["PK"], item["SK"]
            if place in source_of:
                shares[source_of[place]] = _share(item)
            else:
                active[month_of[place]] = _days(item)
    return Known(shares, active)


def share_write(source: Source, share: Share, before: Share | None) -> Put:
    """Return the write that keeps a source's share, refused where it is not as it was read."""
    item = {
        **added_key(source.customer_id, source.name),
        "version": list(share.version),
        "cells": _cells_item(share.cells),
    }
    if before is None:
        return Put(item, "attribute_not_exists(PK)")
    return Put(item, "version = :known", {":known": list(before.version)})


def active_write(customer_id: str, month: str, days: frozenset[Day], before: frozenset[Day] | None) -> Put:
    """Return the write that keeps a customer's days of a month, refused where they are not as they were read."""
    item = {**active_key(customer_id, month), "days": _days_item(days)}
    if before is None:
        return Put(item, "attribute_not_exists(PK)")
    return Put(item, "days = :known", {":known": _days_item(before)})


def total_writes(shard: int, cells: Cells) -> list[Update]:
    """Return the writes that add differences to the totals of a shard: one for each row."""
    rows: dict[tuple[str, str], list[tuple[str, Decimal]]] = {}
    for cell, more in sorted(cells.items()):
        rows.setdefault((cell.report, cell.row), []).append((cell.figure, more))
    return [_row_write(report, shard, row, figures) for (report, row), figures in rows.items()]


def read_report(table: Table, report: str, row_prefix: str = "") -> Rows:
    """Return the rows of a report whose names begin so, added up over its shards: a query for each shard.

    Raises:
        ReportTooLarge: there are more rows than one answer can add up.
    """
    rows: dict[str, dict[str, Decimal]] = {}
    pages = _PAGES_MAX
    for shard in range(REPORT_SHARDS):
        values = {":partition": live_partition(report, shard), ":prefix": f"{_ROW}{row_prefix}"}
        start: Mapping[str, Any] | None = None
        while True:
            if pages == 0:
                raise ReportTooLarge("more rows than one report adds up")
            pages -= 1
            items, start = table.query("PK = :partition AND begins_with(SK, :prefix)", values, limit=_PAGE, start=start)
            for item in items:
                row = rows.setdefault(item["SK"].removeprefix(_ROW), {})
                for figure, value in item.items():
                    if figure not in _KEY:
                        row[figure] = row.get(figure, _ZERO) + value
            if start is None:
                break
    shown = {name: {figure: value for figure, value in row.items() if value} for name, row in sorted(rows.items())}
    return {name: row for name, row in shown.items() if row}


class Position(Value):
    """How far the stream was read: all changes of some shard up to ``as_of``, which were read ``lag`` after the oldest."""

    as_of: datetime
    lag: timedelta


def write_position(table: Table, position: Position) -> None:
    """Keep how far the stream was read, unless another shard is further."""
    update = Update(
        reader_key(),
        "SET as_of = :as_of, lag_ms = :lag",
        "attribute_not_exists(PK) OR as_of <= :as_of",
        {":as_of": to_ms(position.as_of), ":lag": position.lag // timedelta(milliseconds=1)},
        is_made=lambda item: item["as_of"] == to_ms(position.as_of),
    )
    with suppress(WriteRefused):
        table.write(update)


def read_position(table: Table) -> Position | None:
    """Return how far the stream was read, ``None`` where nobody has read it: one read."""
    item = table.get(reader_key())
    return Position(from_ms(item["as_of"]), timedelta(milliseconds=int(item["lag_ms"]))) if item is not None else None


def _row_write(report: str, shard: int, row: str, figures: Sequence[tuple[str, Decimal]]) -> Update:
    return Update(
        {"PK": live_partition(report, shard), "SK": f"{_ROW}{row}"},
        f"ADD {', '.join(f'#f{n} :f{n}' for n in range(len(figures)))}",
        None,
        {f":f{n}": more for n, (_, more) in enumerate(figures)},
        {f"#f{n}": figure for n, (figure, _) in enumerate(figures)},
    )


def _share(item: Item) -> Share:
    cells = {
        Cell(report, row, figure): value
        for report, rows in item["cells"].items()
        for row, figures in rows.items()
        for figure, value in figures.items()
    }
    return Share(tuple(item["version"]), cells)


def _cells_item(cells: Cells) -> dict[str, dict[str, dict[str, Decimal]]]:
    item: dict[str, dict[str, dict[str, Decimal]]] = {}
    for cell, value in cells.items():
        item.setdefault(cell.report, {}).setdefault(cell.row, {})[cell.figure] = value
    return item


def _days_item(days: frozenset[Day]) -> list[str]:
    """Each day as the day of the month and the meter: ``10#tokens``."""
    return sorted(f"{day:%d}#{meter}" for day, meter in days)


def _days(item: Item) -> frozenset[Day]:
    month = item["SK"].partition("#")[2]
    parts = (text.partition("#") for text in item["days"])
    return frozenset((date.fromisoformat(f"{month}-{day}"), meter) for day, _, meter in parts)


def _place(key: Key) -> tuple[str, str]:
    return key["PK"], key["SK"]
