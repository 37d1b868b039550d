"""Units that the operator gave, as items: the mark that keeps one gift from being given or voided twice.

``PK CUSTOMER#<customer> SK GIVEN#<id>``. The id is the operator's, and one for all meters of the customer.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pancake_meter.domain.balance.gift import Gift, GivenUnits, Voided
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Put, Table
from pancake_meter.value import replace


def read_given(table: Table, customer_id: str, gift_id: str) -> GivenUnits | None:
    """Return what was given under an id, or ``None``: one read."""
    item = table.get(_key(customer_id, gift_id))
    return _given(item) if item is not None else None


def read_all_given(table: Table, customer_id: str, gift_ids: Iterable[str]) -> dict[str, GivenUnits]:
    """Return by id what was given under the ids: one request for 100 of them."""
    keys, found = [_key(customer_id, gift_id) for gift_id in dict.fromkeys(gift_ids)], []
    for first in range(0, len(keys), READ_ITEMS_MAX):
        found += table.get_all(keys[first : first + READ_ITEMS_MAX])
    given = (_given(item) for item in found)
    return {each.id: each for each in given}


def given_write(customer_id: str, given: GivenUnits) -> Put:
    """Return the write that marks a gift as given, unless another is under its id."""
    return Put(_item(customer_id, given), "attribute_not_exists(PK)")


def voided_write(customer_id: str, given: GivenUnits, voided: Voided) -> Put:
    """Return the write that marks a gift as voided, unless it is already."""
    item = _item(customer_id, replace(given, voided=voided))
    return Put(item, "attribute_exists(PK) AND attribute_not_exists(voided)")


def _item(customer_id: str, given: GivenUnits) -> dict[str, Any]:
    gift, voided = given.gift, given.voided
    item: dict[str, Any] = {
        **_key(customer_id, given.id),
        "meter": given.meter,
        "kind": gift.kind,
        "quantity": gift.quantity,
        "left": given.remaining,
        "at": to_ms(given.at),
        "from": _ms(gift.starts_at),
        "until": _ms(gift.expires_at),
        "priority": gift.priority,
        "reason": gift.reason,
        "by": given.by,
        "voided": {"at": to_ms(voided.at), "quantity": voided.quantity, "by": voided.by} if voided else None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _given(item: Item) -> GivenUnits:
    starts_at, expires_at = (from_ms(item[name]) if name in item else None for name in ("from", "until"))
    priority = int(item["priority"]) if "priority" in item else None
    voided = item.get("voided")
    return GivenUnits(
        id=item["SK"].removeprefix("GIVEN#"),
        meter=item["meter"],
        gift=Gift(item["kind"], item["quantity"], starts_at, expires_at, priority, item.get("reason")),
        at=from_ms(item["at"]),
        remaining=item["left"],
        by=item.get("by"),
        voided=Voided(from_ms(voided["at"]), voided["quantity"], voided["by"]) if voided else None,
    )


def _ms(instant: datetime | None) -> int | None:
    return to_ms(instant) if instant is not None else None


def _key(customer_id: str, gift_id: str) -> Key:
    return {"PK": customer_partition(customer_id), "SK": f"GIVEN#{gift_id}"}
