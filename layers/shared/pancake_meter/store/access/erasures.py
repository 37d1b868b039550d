"""Erasures: the mark that a customer was erased, and how far the erasure is.

``PK ERASED#<pseudonym> SK ERASED``. Whoever writes something new under a customer id demands in the same transaction that
the mark is not there: so nothing personal comes back, whatever runs at the same time. Until the erasure is done, the mark
has the customer's id and is in the list ``ERASURES`` of the ``listing`` index, from which a schedule goes on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pancake_meter.domain.access.pseudonym import is_pseudonym, pseudonym_of
from pancake_meter.domain.errors import CustomerErased
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import READ_ITEMS_MAX, Check, Delete, Item, Put, Table
from pancake_meter.value import Value, replace

Step = Literal["books", "table", "done"]
"""``books``: what is kept under the customer's own key. ``table``: what is kept elsewhere and names the customer."""

_MARK: Final = "ERASED"
_OPEN: Final = "ERASURES"


class Erasure(Value):
    """How far an erasure is. ``place`` is the key of the table after which it goes on, ``items`` what it has changed.

    ``has_found`` is set before the first item is changed, and never taken back. ``customer_id`` is known until it is done;
    not of one that an earlier version began.
    """

    pseudonym: str
    started_at: datetime
    customer_id: str | None = None
    has_found: bool = False
    step: Step = "books"
    place: Mapping[str, Any] | None = None
    items: int = 0
    erased_at: datetime | None = None


class Erasures(Value):
    """The erasures of a table. ``secret`` is the key of pseudonyms; it is read when the first one is needed."""

    table: Table
    secret: Callable[[], str]

    def pseudonym(self, customer_id: str) -> str:
        """Return the pseudonym of a customer; a pseudonym is its own."""
        return customer_id if is_pseudonym(customer_id) else pseudonym_of(self.secret(), customer_id)

    def unless_erased(self, customer_id: str) -> Check:
        """Return the demand that a customer has not been erased."""
        return Check(_key(self.pseudonym(customer_id)), "attribute_not_exists(PK)")

    def mark_key(self, customer_id: str) -> Key:
        """Return the key of the mark of a customer who was erased, for who reads more in the same request."""
        return _key(self.pseudonym(customer_id))

    def is_erased(self, customer_id: str) -> bool:
        """Return whether a customer was erased, or is being erased: one read."""
        return self.table.get(_key(self.pseudonym(customer_id))) is not None

    def check_not_erased(self, customer_id: str) -> None:
        """Raise ``CustomerErased`` for a customer who was erased, or is being erased: one read."""
        if self.is_erased(customer_id):
            raise CustomerErased("the customer was erased, and the id is not used again: one who returns gets another")

    def erased_among(self, customer_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the pseudonyms of those who were erased, or are being erased: one request for 100."""
        pseudonyms = {each: self.pseudonym(each) for each in dict.fromkeys(customer_ids)}
        keys = [_key(each) for each in pseudonyms.values()]
        chunks = [keys[first : first + READ_ITEMS_MAX] for first in range(0, len(keys), READ_ITEMS_MAX)]
        marks = {item["PK"] for chunk in chunks for item in self.table.get_all(chunk)}
        return {each: name for each, name in pseudonyms.items() if _key(name)["PK"] in marks}

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

    def open(self, limit: int) -> Sequence[Erasure]:
        """Return erasures that are not done, the longest waiting first: one query."""
        items, _ = self.table.query("listing = :open", {":open": _OPEN}, limit=limit, index="listing")
        return [_erasure(item["PK"].removeprefix(f"{_MARK}#"), item) for item in items]

    def write(self, erasure: Erasure) -> Erasure:
        """Keep how far an erasure is, and return it as it is kept.

        Two that run at once may overwrite each other's: then some is looked at twice. That one has found something stays.
        """
        found = None if erasure.has_found else "attribute_not_exists(has_found)"
        try:
            self.table.write(Put(_item(erasure), found))
        except WriteRefused:
            return self.write(replace(erasure, has_found=True))
        return erasure

    def take_back(self, erasure: Erasure) -> bool:
        """Take the mark away of an erasure that has found nothing; return whether that is so."""
        try:
            self.table.transact([Delete(_key(erasure.pseudonym), "attribute_not_exists(has_found)")])
        except WriteRefused:
            return False
        return True


def _key(pseudonym: str) -> Key:
    return {"PK": f"{_MARK}#{pseudonym}", "SK": _MARK}


def _item(erasure: Erasure) -> Item:
    item: dict[str, Any] = {
        **_key(erasure.pseudonym),
        "started_at": to_ms(erasure.started_at),
        "step": erasure.step,
        "place": erasure.place,
        "items": erasure.items,
        "has_found": erasure.has_found or None,
        "erased_at": to_ms(erasure.erased_at) if erasure.erased_at else None,
    }
    if erasure.step != "done" and erasure.customer_id is not None:
        item |= {"customer_id": erasure.customer_id, "listing": _OPEN, "listed_at": timestamp(erasure.started_at)}
    return {name: value for name, value in item.items() if value is not None}


def _erasure(pseudonym: str, item: Item) -> Erasure:
    return Erasure(
        pseudonym,
        from_ms(item["started_at"]),
        item.get("customer_id"),
        # An earlier version kept no id, and did not say whether it had found something.
        item.get("has_found", "customer_id" not in item),
        item["step"],
        item.get("place"),
        int(item["items"]),
        from_ms(item["erased_at"]) if "erased_at" in item else None,
    )
