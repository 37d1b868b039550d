"""A table of API keys in memory, for the authorizer alone: it reads, puts, and counts its writes."""

from collections.abc import Mapping, Sequence
from typing import Any

from pancake_meter.store.table import Item, Put, Table, Update, Write


class KeyTable(Table):
    """``reads`` and ``updates`` are what was asked of it."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.reads = 0
        self.updates: list[Update] = []

    def get(self, key: Mapping[str, str]) -> Item | None:
        self.reads += 1
        return self.items.get(key["PK"])

    def transact(self, writes: Sequence[Write]) -> None:
        for write in writes:
            assert isinstance(write, Put)
            self.write(write)

    def write(self, write: Put | Update) -> Item:
        if isinstance(write, Put):
            self.items[write.item["PK"]] = write.item
            return write.item
        self.updates.append(write)
        # Only the day is read back.
        changed: dict[str, Any] = {**self.items[write.key["PK"]], "last_used_on": write.values[":today"]}
        self.items[write.key["PK"]] = changed
        return changed
