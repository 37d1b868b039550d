"""Erasures: the mark that a customer was erased, and how far the erasure is.

``PK ERASED#<pseudonym> SK ERASED``. The customer's id is in none of it. Whoever writes something new under a customer id
demands in the same transaction that the mark is not there: so nothing personal comes back, whatever runs at the same time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pancake_meter.domain.access.pseudonym import is_pseudonym, pseudonym_of
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.keys import Key
from pancake_meter.store.table import Check, Item, Put, Table

Step = Literal["books", "table", "done"]
"""``books``: what is kept under the customer's own key. ``table``: what is kept elsewhere and names the customer."""

_MARK: Final = "ERASED"


@dataclass(frozen=True, slots=True)
class Erasure:
    """How far an erasure is. ``place`` is the key of the table after which it goes on, ``items`` what it has changed."""

    pseudonym: str
    started_at: datetime
    step: Step = "books"
    place: Mapping[str, Any] | None = None
    items: int = 0
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Erasures:
    """The erasures of a table. ``secret`` is the key of pseudonyms; it is read when the first one is needed."""

    table: Table
    secret: Callable[[], str]

    def pseudonym(self, customer_id: str) -> str:
        """Return the pseudonym of a customer; a pseudonym is its own."""
        return customer_id if is_pseudonym(customer_id) else pseudonym_of(self.secret(), customer_id)

    def unless_erased(self, customer_id: str) -> Check:
        """Return the demand that a customer has not been erased."""
        return Check(_key(self.pseudonym(customer_id)), "attribute_not_exists(PK)")

    def is_erased(self, customer_id: str) -> bool:
        """Return whether a customer was erased, or is being erased: one read."""
        return self.table.get(_key(self.pseudonym(customer_id))) is not None

    def erased_as(self, customer_id: str) -> str | None:
        """Return the pseudonym of a customer who was erased, ``None`` of any other: one read.

        Raises:
            StoreBusy: the erasure is under way. The same request may be repeated when it is done.
        """
        pseudonym = self.pseudonym(customer_id)
        erasure = self.read(pseudonym)
        if erasure is not None and erasure.step != "done":
            raise StoreBusy("the customer is being erased")
        return pseudonym if erasure is not None else None

    def read(self, pseudonym: str) -> Erasure | None:
        """Return how far an erasure is, or ``None``: one read."""
        item = self.table.get(_key(pseudonym))
        return _erasure(pseudonym, item) if item is not None else None

    def write(self, erasure: Erasure) -> None:
        """Keep how far an erasure is. Two that run at once may overwrite each other's: then some is looked at twice."""
        item: dict[str, Any] = {
            **_key(erasure.pseudonym),
            "started_at": to_ms(erasure.started_at),
            "step": erasure.step,
            "place": erasure.place,
            "items": erasure.items,
            "erased_at": to_ms(erasure.erased_at) if erasure.erased_at else None,
        }
        self.table.write(Put({name: value for name, value in item.items() if value is not None}))


def _key(pseudonym: str) -> Key:
    return {"PK": f"{_MARK}#{pseudonym}", "SK": _MARK}


def _erasure(pseudonym: str, item: Item) -> Erasure:
    return Erasure(
        pseudonym,
        from_ms(item["started_at"]),
        item["step"],
        item.get("place"),
        int(item["items"]),
        from_ms(item["erased_at"]) if "erased_at" in item else None,
    )
