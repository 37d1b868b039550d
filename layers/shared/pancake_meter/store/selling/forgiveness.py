"""Forgiven overage as items: the mark that keeps one forgiveness from happening twice.

``PK CUSTOMER#<customer> SK FORGIVEN#<meter>#<id>``.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.instant import to_ms
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.table import Put, Table


@dataclass(frozen=True, slots=True)
class Forgiveness:
    """Up to ``asked`` units were to be let go; ``forgiven`` were owed."""

    asked: Decimal
    forgiven: Decimal


def read_forgiveness(table: Table, customer_id: str, meter: str, forgiveness_id: str) -> Forgiveness | None:
    """Return what became of a forgiveness, or ``None``: one read."""
    item = table.get(_key(customer_id, meter, forgiveness_id))
    return Forgiveness(item["asked"], item["forgiven"]) if item is not None else None


def forgiveness_write(
    customer_id: str, meter: str, forgiveness_id: str, asked: Decimal, forgiven: Decimal, now: datetime
) -> Put:
    """Return the write that marks a forgiveness as done, unless it is."""
    item = {
        **_key(customer_id, meter, forgiveness_id),
        "asked": asked,
        "forgiven": forgiven,
        "at": to_ms(now),
    }
    return Put(item, "attribute_not_exists(PK)")


def _key(customer_id: str, meter: str, forgiveness_id: str) -> Key:
    return {"PK": customer_partition(customer_id), "SK": f"FORGIVEN#{meter}#{forgiveness_id}"}
