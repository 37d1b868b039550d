"""Where reconciliation goes on: one place a pass, so that runs which end early still get through everything."""

from collections.abc import Mapping
from typing import Any

from pancake_meter.store.keys import Key, reconciliation_key
from pancake_meter.store.table import Put, Table

Place = int | Mapping[str, Any]
"""An offset in one of Waffo's lists, or the key after which a page of ours starts."""


def read_place(table: Table, name: str) -> Place | None:
    """Return where the pass of this name goes on; ``None``: at the beginning."""
    item = table.get(reconciliation_key(name))
    place = item.get("place") if item is not None else None
    return place if place is None or isinstance(place, Mapping) else int(place)


def write_place(table: Table, name: str, place: Place | None) -> None:
    """Keep where the next run goes on. Two runs at once may overwrite each other's: then some is read twice."""
    key: Key = reconciliation_key(name)
    table.write(Put({**key} if place is None else {**key, "place": place}))
