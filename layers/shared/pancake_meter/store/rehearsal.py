"""A table on which everything is tried and nothing is written.

What would be put is seen by later reads of the item, so one rehearsed step may rest on another. Queries and updates in place
show what is stored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pancake_meter.store.table import Item, Put, Table, Update, Write


class RehearsedTable(Table):
    """A table that is read, and written in memory alone. It takes conditions for met: it has no rivals."""

    def __init__(self, table: Table) -> None:
        """Rehearse on ``table``, of which nothing changes."""
        self._table = table
        self._put: dict[tuple[str, str], Item] = {}

    def reading_once(self, keys: Sequence[Mapping[str, str]]) -> Table:  # noqa: ARG002 - nothing here is worth reading ahead
        """Return the table itself: what is rehearsed is read as it was put."""
        return self

    def get(self, key: Mapping[str, str]) -> Item | None:
        """Return the item as it was put last, here or in the table."""
        place = _place(key)
        return self._put[place] if place in self._put else self._table.get(key)

    def get_all(self, keys: Sequence[Mapping[str, str]], *, consistent: bool = True) -> list[Item]:
        """Return those of at most 100 items that exist, in no order."""
        stored = [key for key in keys if _place(key) not in self._put]
        found = self._table.get_all(stored, consistent=consistent) if stored else []
        return [*(self._put[_place(key)] for key in keys if _place(key) in self._put), *found]

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        limit: int,
        index: str | None = None,
        forward: bool = True,
        start: Mapping[str, Any] | None = None,
        attributes: Sequence[str] = (),
    ) -> tuple[list[Item], Mapping[str, Any] | None]:
        """Return a page of what is stored, each item as it was put last."""
        items, following = self._table.query(
            condition, values, limit=limit, index=index, forward=forward, start=start, attributes=attributes
        )
        return [self._put.get(_place(item), item) for item in items], following

    def write(self, write: Put | Update) -> Item:
        """Put an item in memory; of an update return the item as it is."""
        if isinstance(write, Put):
            self._put[_place(write.item)] = write.item
            return write.item
        return self.get(write.key) or dict(write.key)

    def transact(self, writes: Sequence[Write]) -> None:
        """Put the items of a transaction in memory."""
        for write in writes:
            if isinstance(write, Put):
                self.write(write)


def _place(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["PK"], key["SK"]
