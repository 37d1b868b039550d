"""The index of what changes by itself some day: read in the order of its time, shard by shard."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pancake_meter.domain.instant import to_ms
from pancake_meter.store.table import Item, Table


def due_items(table: Table, shards: Iterable[str], now: datetime, *, page: int) -> Iterator[Item]:
    """Yield the entries of these shards whose time has come, the longest waiting first in each: one query for each page."""
    for shard in shards:
        start = None
        while True:
            items, start = table.query(
                "due_shard = :shard AND valid_until <= :now",
                {":shard": shard, ":now": to_ms(now)},
                limit=page,
                index="due",
                start=start,
            )
            yield from items
            if start is None:
                break
