"""Exporting a customer: everything that is kept of one, in pages, each of a bounded size and found by bounded work."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from pancake_meter.domain.customer import key_part
from pancake_meter.store.access.customer_items import items_of_customer, keys_that_name
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Table
from pancake_meter.store.usage.parked_usage import parked_from_item
from pancake_meter.store.webhooks.deliveries import delivery_key
from pancake_meter.usecases.usage.identities import is_about
from pancake_meter.value import Value
from pancake_meter.waffo.redaction import named_customers

PAGE_ITEMS: Final = 500
PAGE_BYTES_MAX: Final = 3_000_000
"""Of what a page holds as Lambda sends it, before the item that goes beyond it. An answer has at most 6 MB, and one more
item has 400 KB in the table, of which each byte may become seven."""

_KINDS: Final = {
    "ACTIVE": "active_days",
    "ADDED": "live_totals_share",
    "CHECKOUT_SLOT": "checkout_slot",
    "CLOSED": "closed_period",
    "FORGIVEN": "forgiveness",
    "GIVEN": "gift",
    "LEDGER": "ledger_entry",
    "MADE_OF": "day_made_of",
    "OVERAGE": "overage_line",
    "PERIOD": "closed_period",
    "DIRECTORY": "directory_entry",
    "ALERT": "alert",
    "REFUSED": "refusal",
    "FACT": "revenue_fact",
}
_ORDER: Final = "ORDER"
_INTERNAL: Final = frozenset({"PK", "SK", "listing", "listed_at", "due_shard", "expires_at"})


class Place(Value):
    """Where a page goes on: in the customer's ``own`` items, in the whole ``table``, or in deliveries of one ``order``.

    It goes on after ``key``.
    """

    part: str = "own"
    key: Mapping[str, Any] | None = None


class Exported(Value):
    """One item: its kind, its place in the table, and what it holds."""

    kind: str
    key: Key
    data: Mapping[str, Any]


class ExportPage(Value):
    """A page, which may be empty, and where the next one goes on; ``None`` at the end."""

    items: Sequence[Exported]
    following: Place | None


def export_customer(table: Table, customer_id: str, place: Place, may_go_on: Callable[[], bool]) -> ExportPage:
    """Return the next page of what is kept of a customer.

    First comes what lies under the customer's own key. Then the whole table is read for what else names the customer, as far
    as ``may_go_on`` allows. What is written meanwhile may be in a page or not.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; the same page may be asked for again.
    """
    found: list[Exported] = []
    size = 0
    for item, after in _walk(table, customer_id, place, may_go_on):
        place = after
        if item is not None:
            found.append(_exported(item))
            size += _sent_bytes(found[-1])
        if len(found) >= PAGE_ITEMS or size >= PAGE_BYTES_MAX:
            return ExportPage(found, place)
    return ExportPage(found, None if place.part == "end" else place)


def _walk(
    table: Table, customer_id: str, place: Place, may_go_on: Callable[[], bool]
) -> Iterator[tuple[Item | None, Place]]:
    """Yield items, each with the place after it; the last place is ``end`` unless the time ran out."""
    while place.part == "own":
        items, following = items_of_customer(table, customer_id, limit=PAGE_ITEMS, start=place.key)
        for item in items:
            yield item, Place("own", _key(item))
        place = Place("own", following) if following is not None else Place("table")
        yield None, place
    if place.part == "order" and place.key is not None:
        yield from _deliveries_of_order(table, customer_id, place.key["PK"], place.key["SK"])
        place = Place("table", {"PK": place.key["PK"], "SK": _ORDER})
    while place.part == "table" and may_go_on():
        keys, following = keys_that_name(table, customer_id, place.key)
        elsewhere = [key for key in keys if key["PK"] != customer_partition(customer_id)]
        for item in _read(table, elsewhere):
            if _is_of(item, customer_id):
                yield item, Place("table", _key(item))
                if item["SK"] == _ORDER:
                    yield from _deliveries_of_order(table, customer_id, item["PK"])
        place = Place("table", following) if following is not None else Place("end")
        yield None, place


def _read(table: Table, keys: Sequence[Key]) -> Iterator[Item]:
    """Yield the items of some keys, in their order: those that are small by the hundred, any other by itself."""
    for is_event, run in groupby(keys, key=lambda key: key["PK"].startswith("USAGE#")):
        some = list(run)
        size = READ_ITEMS_MAX if is_event else 1
        for first in range(0, len(some), size):
            chunk = some[first : first + size]
            found = {(item["PK"], item["SK"]): item for item in table.get_all(chunk)}
            yield from (found[key["PK"], key["SK"]] for key in chunk if (key["PK"], key["SK"]) in found)


def _deliveries_of_order(
    table: Table, customer_id: str, partition: str, after: str | None = None
) -> Iterator[tuple[Item, Place]]:
    """Yield the deliveries of an order that name nobody, each with the place after it: they are the order's customer's."""
    start: Mapping[str, Any] | None = {"PK": partition, "SK": after} if after is not None else None
    condition, values = "PK = :partition AND begins_with(SK, :mark)", {":partition": partition, ":mark": "DELIVERY#"}
    while True:
        listed, start = table.query(condition, values, limit=READ_ITEMS_MAX, start=start)
        for each in listed:
            item = table.get(delivery_key(each["SK"].rpartition("#")[2]))
            if item is not None and item.get("customer_id") is None and not _is_of(item, customer_id):
                yield item, Place("order", _key(each))
        if start is None:
            return


def _sent_bytes(exported: Exported) -> int:
    """Return how large an item is in the answer of a function: JSON as a text in JSON."""
    return len(json.dumps(json.dumps([exported.kind, exported.key, exported.data], default=str)))


def _is_of(item: Item, customer_id: str) -> bool:
    """Return whether an item is the customer's: a body may have the id as a text that means another thing."""
    if "body" in item and item.get("customer_id") != customer_id:
        return customer_id in named_customers(item["body"].encode())
    if "content" in item:
        return is_about(parked_from_item(item), customer_id)
    return (
        item["PK"].startswith(("REPORT#", f"USAGE#{key_part(customer_id)}#")) or item.get("customer_id") == customer_id
    )


def _exported(item: Item) -> Exported:
    data = {name: value for name, value in item.items() if name not in _INTERNAL}
    return Exported(_kind(item), _key(item), data)


def _kind(item: Item) -> str:
    """Return the kind of an item, by the first word of its keys."""
    partition, sort = item["PK"].partition("#")[0], item["SK"].partition("#")[0]
    match partition, sort:
        case "USAGE", _:
            return "usage_event"
        case "PARKED", _:
            return "parked_usage"
        case "REPORT", "CUSTOMER":
            return "revenue_total" if item["PK"].startswith("REPORT#REVENUE#") else "month_usage"
        case "ALERT", _:
            return "alert_mark"
        case "ORDER", "DELIVERY":
            return "delivery_of_order"
        case _:
            return _KINDS.get(sort, str(sort).lower())


def _key(item: Item) -> Key:
    return {"PK": item["PK"], "SK": item["SK"]}
