"""The directory as items, under the customer's own key, and found by the ``listing`` index.

``PK CUSTOMER#<customer> SK DIRECTORY``: the customer's line, in the list ``CUSTOMERS`` by id.
``PK CUSTOMER#<customer> SK DIRECTORY#PLAN#<plan>`` and ``DIRECTORY#<status>``: places in the other lists.
One that the customer has left stays, and is not listed.
All lists are by id, but that of ``active`` customers, which is by hour.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.customer import key_part
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.standing.directory import BalanceFacts, CustomerStatus, DirectoryLine, OrdersFacts
from pancake_meter.store.keys import customer_of, directory_key
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Put, Table, Update, Write

LIST_PAGE_MAX: Final = READ_ITEMS_MAX
_LISTING: Final = "CUSTOMERS"
_FLAGS: Final = ("is_past_due", "is_trialing", "is_canceling", "is_bought_twice")


def read_lines(table: Table, customer_ids: Sequence[str], *, consistent: bool = True) -> dict[str, DirectoryLine]:
    """Return the lines of customers by id, as far as they are there: one request for 100."""
    lines: dict[str, DirectoryLine] = {}
    for first in range(0, len(customer_ids), READ_ITEMS_MAX):
        keys = [directory_key(each) for each in customer_ids[first : first + READ_ITEMS_MAX]]
        lines |= {line.customer_id: line for line in map(_line, table.get_all(keys, consistent=consistent))}
    return lines


def line_writes(line: DirectoryLine, before: DirectoryLine | None) -> list[Write]:
    """Return the writes of a line and of its places, of which ``before`` had others; the first holds the guard."""
    item = _item(line, before.revision if before is not None else 0)
    if before is None:
        put = Put(item, "attribute_not_exists(PK)")
    else:
        put = Put(item, "revision = :revision", {":revision": before.revision})
    wanted, had = _places(line), _places(before) if before is not None else {}
    taken = [Put(place) for name, place in sorted(wanted.items()) if had.get(name) != place]
    left = [
        Update(directory_key(line.customer_id, name), "REMOVE listing, listed_at", "attribute_exists(PK)")
        for name in sorted(had.keys() - wanted.keys())
    ]
    return [put, *taken, *left]


def list_customers(
    table: Table,
    *,
    plan: str | None = None,
    status: CustomerStatus | None = None,
    prefix: str = "",
    limit: int,
    after: tuple[str, str] | None = None,
) -> tuple[list[DirectoryLine], tuple[str, str] | None]:
    """Return a page of one list, and (customer id, place) of the last customer of it, ``None`` at the end.

    One query of the index, and one read of the lines where the list is another than that of all. The index lags behind by
    moments, and a customer who has just left a list may still be on it.
    """
    entry = f"PLAN#{plan}" if plan is not None else status
    listing = _LISTING if entry is None else f"{_LISTING}#{entry}"
    condition, values = "listing = :listing", {":listing": listing}
    if prefix:
        condition += " AND begins_with(listed_at, :prefix)"
        values[":prefix"] = key_part(prefix)
    start = None
    if after is not None:
        customer_id, listed_at = after
        start = {**directory_key(customer_id, entry), "listing": listing, "listed_at": listed_at}
    items, following = table.query(
        condition, values, limit=limit, index="listing", forward=status != "active", start=start
    )
    place = (customer_of(following["PK"]), str(following["listed_at"])) if following is not None else None
    if entry is None:
        return [_line(item) for item in items], place
    ids = [customer_of(item["PK"]) for item in items]
    lines = read_lines(table, ids)
    return [lines[customer_id] for customer_id in ids if customer_id in lines], place


def _item(line: DirectoryLine, revision: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        **directory_key(line.customer_id),
        "listing": _LISTING,
        "listed_at": key_part(line.customer_id),
        "revision": revision + 1,
        "meters": {meter: _facts_item(facts) for meter, facts in line.meters.items()},
        "orders": {
            "version": line.orders.version,
            "plans": sorted(line.orders.plans),
            **{name: True for name in _FLAGS if getattr(line.orders, name)},
        },
    }
    texts = {"blocked": line.orders.blocked, "default": line.orders.default}
    item["orders"] |= {name: text for name, text in texts.items() if text is not None}
    return item if line.active_at is None else {**item, "active_at": to_ms(line.active_at)}


def _line(item: Item) -> DirectoryLine:
    orders = item["orders"]
    return DirectoryLine(
        customer_of(item["PK"]),
        {meter: _facts(facts) for meter, facts in item["meters"].items()},
        OrdersFacts(
            int(orders["version"]),
            frozenset(orders["plans"]),
            **{name: bool(orders.get(name)) for name in _FLAGS},
            blocked=orders.get("blocked"),
            default=orders.get("default"),
        ),
        from_ms(item["active_at"]) if "active_at" in item else None,
        int(item["revision"]),
    )


def _facts_item(facts: BalanceFacts) -> dict[str, Any]:
    item = {
        "segment": facts.segment,
        "plan": facts.plan,
        "blocked": facts.blocked,
        "due": facts.overage_due or None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _facts(item: Mapping[str, Any]) -> BalanceFacts:
    return BalanceFacts(int(item["segment"]), item.get("plan"), item.get("blocked"), item.get("due", ZERO))


def _places(line: DirectoryLine) -> dict[str, Item]:
    """Return the customer's places in the lists but that of all, by name."""
    by_id = key_part(line.customer_id)
    listed = {f"PLAN#{plan}": by_id for plan in line.plans} | {str(status): by_id for status in line.statuses}
    if line.active_at is not None:
        listed["active"] = f"{timestamp(line.active_at)}#{by_id}"
    return {
        name: {**directory_key(line.customer_id, name), "listing": f"{_LISTING}#{name}", "listed_at": listed_at}
        for name, listed_at in listed.items()
    }
