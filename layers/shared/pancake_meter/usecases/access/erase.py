"""Erasing a customer: the person goes, money facts stay under a pseudonym, and no later event brings anything back.

Each call does a bounded part of the work and keeps how far it is; whatever stops it, the next call goes on. Every change is
one transaction that is right by itself: an item is the customer's, or the pseudonym's, or gone.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.customer import key_part
from pancake_meter.domain.errors import CustomerNotFound, InvalidCustomerId
from pancake_meter.store.access.customer_items import (
    book_writes,
    items_of_customer,
    keys_that_name,
    payment_write,
    places_that_name,
    report_writes,
)
from pancake_meter.store.access.erasures import Erasure, Erasures
from pancake_meter.store.errors import StoreBusy, StoreError, WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.table import DELETE_ITEMS_MAX, Table, Update
from pancake_meter.store.usage.parked_usage import read_parked, rename
from pancake_meter.store.webhooks.deliveries import delivery_writes, each_of_order, read_delivery
from pancake_meter.usecases.side_by_side import side_by_side
from pancake_meter.usecases.usage.identities import owner_of, renamed
from pancake_meter.usecases.webhooks.forget import forgotten
from pancake_meter.value import Value, replace
from pancake_meter.waffo.redaction import named_customers

BOOKS_PAGE: Final = 40
"""Items of the customer's own key that one transaction moves or takes away."""

OPEN_AT_ONCE: Final = 20
"""Erasures that a run of the schedule goes on with."""

_CHUNKS_AT_ONCE: Final = 8

_ATTEMPTS_MAX: Final = 8


class _OutOfTime(Exception):
    """The time of this call is over; the next one goes on from the place that is kept."""


class Erased(Value):
    """How far an erasure is. ``live_orders`` are subscriptions that Waffo still charges: cancel them there."""

    erasure: Erasure
    live_orders: Sequence[str]


def erase_customer(erasures: Erasures, customer_id: str, now: datetime, *, may_go_on: Callable[[], bool]) -> Erased:
    """Erase a customer, or go on with it, while ``may_go_on`` says so; return how far it is.

    From the first call on, nothing new is written under the id. Webhooks of the customer are answered 503 until the erasure
    is done, and Waffo repeats them.

    Raises:
        CustomerNotFound: all was looked at, and nothing is kept of the customer. The id stays open.
        InvalidCustomerId: the id is the pseudonym of a customer who was erased.
        StoreBusy, StoreUnavailable: passing trouble; the same call is safe to repeat.
    """
    if is_pseudonym(customer_id):
        raise InvalidCustomerId("a pseudonym is nobody who could be erased")
    pseudonym = erasures.pseudonym(customer_id)
    erasure = erasures.read(pseudonym)
    if erasure is None:
        erasure = erasures.write(Erasure(pseudonym, started_at=now, customer_id=customer_id))
    if erasure.step != "done":
        erasure = replace(erasure, customer_id=customer_id)
        erasure = _Eraser(erasures, customer_id, erasure, now, may_go_on).go_on()
    subscription = read_subscription(erasures.table, pseudonym)
    live = [order.order_id for order in subscription.live_orders] if subscription else []
    return Erased(erasure, sorted(live))


def go_on_with_erasures(
    erasures: Erasures,
    now: datetime,
    *,
    may_go_on: Callable[[], bool],
    on_failure: Callable[[Erasure, StoreError], None],
) -> int:
    """Go on with the erasures that their callers left half done, while ``may_go_on`` says so; return how many are done.

    One that fails is told to ``on_failure`` and does not stop the others; the next run tries it again.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble with the list of them.
    """
    done = 0
    for erasure in erasures.open(OPEN_AT_ONCE):
        if erasure.customer_id is None or not may_go_on():
            break
        try:
            done += erase_customer(erasures, erasure.customer_id, now, may_go_on=may_go_on).erasure.step == "done"
        except CustomerNotFound:
            done += 1
        except StoreError as trouble:
            on_failure(erasure, trouble)
    return done


@dataclass(slots=True)
class _Eraser:
    erasures: Erasures
    customer_id: str
    erasure: Erasure
    now: datetime
    may_go_on: Callable[[], bool]

    @property
    def table(self) -> Table:
        """The table."""
        return self.erasures.table

    @property
    def pseudonym(self) -> str:
        """The pseudonym."""
        return self.erasure.pseudonym

    def go_on(self) -> Erasure:
        """Go on from where the last call stopped."""
        try:
            if self.erasure.step == "books":
                self._erase_books()
                self._keep(replace(self.erasure, step="table"))
            self._erase_elsewhere()
            for place in places_that_name(self.table, self.customer_id):
                self.table.delete_all([place])
            if not self.erasure.has_found and self.erasures.take_back(self.erasure):
                raise CustomerNotFound("nothing is kept of this customer")
            self._keep(replace(self.erasure, customer_id=None, step="done", place=None, erased_at=self.now))
        except _OutOfTime:
            self._keep(self.erasure)
        return self.erasure

    def _keep(self, erasure: Erasure) -> None:
        self.erasure = self.erasures.write(erasure)

    def _has_found(self) -> None:
        """Keep that something is the customer's, before the first of it is changed."""
        if not self.erasure.has_found:
            self._keep(replace(self.erasure, has_found=True))

    def _count(self, items: int) -> None:
        self.erasure = replace(self.erasure, items=self.erasure.items + items)

    def _check_time(self) -> None:
        if not self.may_go_on():
            raise _OutOfTime

    def _erase_books(self) -> None:
        """Move or take away what lies under the customer's own key, from its beginning until nothing is left."""
        refused = 0
        while True:
            self._check_time()
            items, _ = items_of_customer(self.table, self.customer_id, limit=BOOKS_PAGE)
            if not items:
                return
            self._has_found()
            try:
                self.table.transact(book_writes(items, self.pseudonym, self.erasures.pseudonym))
            except WriteRefused:
                # A balance was used in between. Once it has been moved, nobody opens another.
                refused += 1
                if refused > _ATTEMPTS_MAX:
                    raise StoreBusy("the customer's balances kept changing") from None
                continue
            refused = 0
            self._count(len(items))

    def _erase_elsewhere(self) -> None:
        """Read the whole table once for items that name the customer, and change each."""
        while True:
            self._check_time()
            keys, following = keys_that_name(self.table, self.customer_id, self.erasure.place)
            self._erase_keys(keys)
            if following is None:
                return
            self._keep(replace(self.erasure, place=following))

    def _erase_keys(self, keys: Sequence[Key]) -> None:
        usage = f"USAGE#{key_part(self.customer_id)}#"
        events = [key for key in keys if key["PK"].startswith(usage)]
        chunks = [events[first : first + DELETE_ITEMS_MAX] for first in range(0, len(events), DELETE_ITEMS_MAX)]
        for first in range(0, len(chunks), _CHUNKS_AT_ONCE):
            self._check_time()
            some = chunks[first : first + _CHUNKS_AT_ONCE]
            self._has_found()
            side_by_side(self.table.delete_all, some)
            self._count(sum(map(len, some)))
        for key in keys:
            if not key["PK"].startswith(usage):
                self._check_time()
                self._count(self._erase_one(key))

    def _erase_one(self, key: Key) -> bool:
        """Change one item; return whether it was the customer's."""
        kind, _, name = key["PK"].partition("#")
        match kind:
            case "CUSTOMER" if key["PK"] == f"CUSTOMER#{key_part(self.customer_id)}":
                self._erase_books()
            case "DELIVERY":
                return self._forget_delivery(name)
            case "ORDER" if key["SK"] == "ORDER":
                # Last, so that an interrupted walk of its deliveries begins again.
                self._forget_deliveries_of(name)
                self._rename(key)
            case "ORDER":
                self._rename(key)
                return self._forget_delivery(key["SK"].rpartition("#")[2])
            case "CHECKOUT":
                self._rename(key, ", listing = :listing REMOVE #url", {":listing": f"CHECKOUTS#{self.pseudonym}"})
            case "ALERT":
                # The mark of an alert that has gone. No other rings: the customer is erased.
                self._has_found()
                self.table.delete_all([key])
            case "PAYMENT":
                self._rename_payment(key)
            case "PARKED":
                return self._erase_parked(key)
            case "REPORT":
                self._move_report(key)
            case _:
                return False
        return True

    def _rename(self, key: Key, more: str = "", values: dict[str, str] | None = None) -> None:
        renamed = Update(
            key,
            f"SET customer_id = :pseudonym{more}",
            "customer_id = :id",
            {":pseudonym": self.pseudonym, ":id": self.customer_id, **(values or {})},
            {"#url": "url"} if "#url" in more else {},
            is_made=lambda item: item.get("customer_id") == self.pseudonym,
        )
        self._has_found()
        with suppress(WriteRefused):
            self.table.write(renamed)

    def _rename_payment(self, key: Key) -> None:
        for _ in range(_ATTEMPTS_MAX):
            item = self.table.get(key)
            if item is None or item["customer_id"] != self.customer_id:
                return
            self._has_found()
            try:
                self.table.write(payment_write(item, self.customer_id, self.pseudonym, self.erasures.pseudonym))
            except WriteRefused:
                continue
            return
        raise StoreBusy("a payment kept changing")

    def _move_report(self, key: Key) -> None:
        for _ in range(_ATTEMPTS_MAX):
            item = self.table.get(key)
            if item is None:
                return
            self._has_found()
            try:
                self.table.transact(report_writes(item, self.customer_id, self.pseudonym))
            except WriteRefused:
                continue
            return
        raise StoreBusy("a line of a report kept changing")

    def _erase_parked(self, key: Key) -> bool:
        """Take parked usage of the customer away. Of usage that is not, but names the customer, only the name goes."""
        parked = read_parked(self.table, key["PK"].partition("#")[2])
        if parked is None:
            return False
        if owner_of(parked) == self.customer_id:
            self._has_found()
            self.table.delete_all([key])
            return True
        nameless = renamed(parked, self.customer_id, self.pseudonym)
        if nameless is None:
            return False
        self._has_found()
        rename(self.table, nameless, parked)
        return True

    def _forget_deliveries_of(self, order_id: str) -> None:
        for listed in each_of_order(self.table, order_id):
            if not listed.is_redacted:
                self._check_time()
                self._forget_delivery(listed.digest, of_order=True)

    def _forget_delivery(self, digest: str, *, of_order: bool = False) -> bool:
        """Leave of a delivery what is about money, under the name of whose it is: another customer's may name this one too.

        A body may have the id as a text that means another thing.
        """
        for _ in range(_ATTEMPTS_MAX):
            kept = read_delivery(self.table, digest)
            if kept is None or kept.is_redacted:
                return False
            named = named_customers(kept.body)
            # Of a body beyond 256 KB only the beginning is kept. Nothing can be applied from it, so nothing is lost with it.
            may_be_of = not kept.is_whole and bool(kept.body)
            if not (of_order or may_be_of or self.customer_id in (kept.customer_id, *named)):
                return False
            owner = kept.customer_id or next(iter(named), self.customer_id)
            name = self.pseudonym if of_order or owner == self.customer_id else owner
            self._has_found()
            try:
                self.table.transact(delivery_writes(forgotten(kept, name, self.now), kept))
            except WriteRefused:
                continue
            return True
        raise StoreBusy("a delivery kept changing")
