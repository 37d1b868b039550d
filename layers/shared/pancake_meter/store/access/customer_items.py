"""Every item of a customer: where it is, and what of it stays when the customer is erased.

What lies under the customer's own key is found by a query. The rest is found by reading the whole table once, since nothing
lists it by customer: an index of usage events by customer would cost each event another write. Only keys come back.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.ledger import GIFT_PREFIX
from pancake_meter.domain.customer import key_part
from pancake_meter.store.balance.balance_item import balance_from_item, balance_item
from pancake_meter.store.keys import (
    Key,
    customer_partition,
    report_shard,
    revenue_customer_prefix,
    revenue_fact_prefix,
)
from pancake_meter.store.table import Delete, Item, Put, Table, Write
from pancake_meter.value import replace

BLOCKED: Final = "erased"
"""Why the balances of a pseudonym are cut off."""

_RECONCILIATION: Final = "RECONCILIATION"
_PLACES_MAX: Final = 100

Alias = Callable[[str], str]
"""Returns the pseudonym of a text that callers or operators have made: it may be anything, a name or an address too."""


def items_of_customer(
    table: Table, customer_id: str, *, limit: int, start: Mapping[str, Any] | None = None
) -> tuple[list[Item], Mapping[str, Any] | None]:
    """Return a page of what is kept under the customer's own key, and the key to go on from."""
    return table.query("PK = :partition", {":partition": customer_partition(customer_id)}, limit=limit, start=start)


def keys_that_name(
    table: Table, customer_id: str, start: Mapping[str, Any] | None = None
) -> tuple[list[Key], Mapping[str, Any] | None]:
    """Return the keys of those of the table's next items that may be of the customer, and the key to go on from.

    A body or a parked call that has the id as a text is among them, whatever the id means there.
    """
    conditions = (
        "customer_id = :id",
        "PK = :customer",
        "SK = :customer",
        "begins_with(SK, :total)",
        "begins_with(SK, :fact)",
        "begins_with(PK, :usage)",
        "contains(body, :text)",
        "contains(body, :ascii)",
        "contains(content, :ascii)",
    )
    values = {
        ":id": customer_id,
        ":customer": customer_partition(customer_id),
        ":total": revenue_customer_prefix(customer_id),
        ":fact": revenue_fact_prefix(customer_id),
        ":usage": f"USAGE#{key_part(customer_id)}#",
        ":text": json.dumps(customer_id, ensure_ascii=False),
        ":ascii": json.dumps(customer_id),
    }
    keys, following = table.scan_keys(" OR ".join(conditions), values, start=start)
    return [{"PK": key["PK"], "SK": key["SK"]} for key in keys], following


def book_writes(items: Sequence[Item], pseudonym: str, alias: Alias) -> list[Write]:
    """Return the writes that leave money facts of a customer's own items under the pseudonym, and nothing else.

    Whatever is not known here to be about money goes.
    """
    return [write for item in items for write in _moved(item, _kept_book(item, pseudonym, alias))]


def report_writes(item: Item, customer_id: str, pseudonym: str) -> list[Write]:
    """Return the writes that move a customer's line of a report to the pseudonym; its figures stay."""
    partition, _, _ = item["PK"].rpartition("#")
    kept = {**item, "PK": f"{partition}#{report_shard(pseudonym)}", "SK": _report_sort(item, customer_id, pseudonym)}
    return _moved(item, {**kept, "customer_id": pseudonym} if "customer_id" in item else kept)


def payment_write(item: Item, customer_id: str, pseudonym: str, alias: Alias) -> Put:
    """Return the write that leaves the money of a payment under the pseudonym, without what operators have said of it."""
    kept = {name: value for name, value in item.items() if name != "words"}
    kept |= {"customer_id": pseudonym, "version": item["version"] + 1}
    if "resolution" in item:
        kept["resolution"] = {**item["resolution"], "id": alias(item["resolution"]["id"])}
    if "requests" in item:
        kept["requests"] = {alias(request_id): request for request_id, request in item["requests"].items()}
    values = {":id": customer_id, ":version": item["version"]}
    return Put(kept, "customer_id = :id AND version = :version", values)


def places_that_name(table: Table, customer_id: str) -> Iterator[Key]:
    """Yield the keys of the places of reconciliation that are at the customer. Without its place, a pass begins anew."""
    items, _ = table.query("PK = :partition", {":partition": _RECONCILIATION}, limit=_PLACES_MAX)
    for item in items:
        if key_part(customer_id) in _parts(item.get("place")):
            yield {"PK": item["PK"], "SK": item["SK"]}


def _parts(place: object) -> list[str]:
    """Return the parts of the keys in a place."""
    values = place.values() if isinstance(place, Mapping) else ()
    return [part for value in values if isinstance(value, str) for part in value.split("#")]


def _kept_book(item: Item, pseudonym: str, alias: Alias) -> Item | None:
    partition = customer_partition(pseudonym)
    # Why the operator has cut access off is text about a person.
    item = {name: value for name, value in item.items() if name != "blocked"} if item["SK"] == "SUBSCRIPTION" else item
    kind, _, rest = item["SK"].partition("#")
    match kind:
        case "BALANCE":
            return balance_item(_anonymous(balance_from_item(item), pseudonym, alias))
        case "SUBSCRIPTION" if "listed_at" in item:
            at, _, _ = item["listed_at"].partition("#")
            return {**item, "PK": partition, "listed_at": f"{at}#{pseudonym}"}
        case "SUBSCRIPTION" | "CLOSED" | "OVERAGE" | "REMAINDER":
            return {**item, "PK": partition}
        # What live totals have of the customer. It sorts before the balances, so it is moved before or with them: a change
        # of a balance under the pseudonym finds what its former name has added, and adds nothing twice.
        case "ACTIVE" | "ADDED":
            return {**item, "PK": partition}
        case "FORGIVEN":
            meter, _, forgiveness_id = rest.partition("#")
            return {**item, "PK": partition, "SK": f"{kind}#{meter}#{alias(forgiveness_id)}"}
        case _:
            return None


def _anonymous(balance: Balance, pseudonym: str, alias: Alias) -> Balance:
    """Return a balance without what callers have named: holds are over, and ids of gifts are replaced."""
    grants = tuple(
        replace(grant, id=f"{GIFT_PREFIX}{alias(grant.id.removeprefix(GIFT_PREFIX))}") if grant.is_gift else grant
        for grant in balance.grants
    )
    return replace(balance, customer_id=pseudonym, holds={}, grants=grants, blocked=BLOCKED)


def _report_sort(item: Item, customer_id: str, pseudonym: str) -> str:
    sort = str(item["SK"])
    for prefix_of in (revenue_fact_prefix, revenue_customer_prefix, customer_partition):
        if sort.startswith(prefix_of(customer_id)):
            return f"{prefix_of(pseudonym)}{sort.removeprefix(prefix_of(customer_id))}"
    return sort


def _moved(item: Item, kept: Item | None) -> list[Write]:
    """Return the writes that put ``kept`` in the place of an item, if that is as it was read."""
    put: list[Write] = [Put(kept, "attribute_not_exists(PK)")] if kept is not None else []
    return [*put, _delete(item)]


def _delete(item: Item) -> Delete:
    attributes = sorted(item.keys() - {"PK", "SK"})
    return Delete(
        {"PK": item["PK"], "SK": item["SK"]},
        " AND ".join(("attribute_exists(PK)", *(f"#a{n} = :a{n}" for n in range(len(attributes))))),
        {f":a{n}": item[name] for n, name in enumerate(attributes)},
        {f"#a{n}": name for n, name in enumerate(attributes)},
    )
