"""Ledger entries as items."""

from collections.abc import Mapping
from typing import Any

from pancake_meter.domain.balance.ledger import LedgerEntry, Movement
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.keys import ledger_key
from pancake_meter.store.table import Item


def ledger_item(customer_id: str, meter: str, entry: LedgerEntry) -> dict[str, Any]:
    """Return the item of a ledger entry."""
    item: dict[str, Any] = {
        **ledger_key(customer_id, meter, entry.segment),
        "segment": entry.segment,
        "at": to_ms(entry.at),
        "cause": entry.cause,
        "movements": [_movement_item(movement) for movement in entry.movements],
        "available": entry.available,
        "overage": entry.overage,
    }
    optional = {"reference": entry.reference, "by": entry.by}
    return item | {name: value for name, value in optional.items() if value is not None}


def ledger_from_item(item: Item) -> LedgerEntry:
    """Return the ledger entry of an item."""
    return LedgerEntry(
        segment=int(item["segment"]),
        at=from_ms(item["at"]),
        cause=item["cause"],
        reference=item.get("reference"),
        movements=tuple(
            Movement(movement["kind"], movement["quantity"], movement.get("reference"))
            for movement in item["movements"]
        ),
        available=item["available"],
        overage=item["overage"],
        by=item.get("by"),
    )


def _movement_item(movement: Movement) -> Mapping[str, Any]:
    item = {"kind": movement.kind, "quantity": movement.quantity}
    return item if movement.reference is None else {**item, "reference": movement.reference}
