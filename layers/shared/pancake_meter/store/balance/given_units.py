"""Units that the operator gave, as items: the mark that keeps one gift from being given twice.

``PK CUSTOMER#<customer> SK GIVEN#<meter>#<id>``.
"""

from datetime import datetime
from typing import Any

from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.table import Put, Table


def read_gift(table: Table, customer_id: str, meter: str, gift_id: str) -> Gift | None:
    """Return what was given under an id, or ``None``: one read."""
    item = table.get(_key(customer_id, meter, gift_id))
    if item is None:
        return None
    starts_at, expires_at = (from_ms(item[name]) if name in item else None for name in ("from", "until"))
    return Gift(item["kind"], item["quantity"], starts_at, expires_at)


def gift_write(customer_id: str, meter: str, gift_id: str, gift: Gift, now: datetime) -> Put:
    """Return the write that marks a gift as given, unless another is under its id."""
    item: dict[str, Any] = {
        **_key(customer_id, meter, gift_id),
        "kind": gift.kind,
        "quantity": gift.quantity,
        "at": to_ms(now),
        "from": to_ms(gift.starts_at) if gift.starts_at else None,
        "until": to_ms(gift.expires_at) if gift.expires_at else None,
    }
    return Put({name: value for name, value in item.items() if value is not None}, "attribute_not_exists(PK)")


def _key(customer_id: str, meter: str, gift_id: str) -> Key:
    return {"PK": customer_partition(customer_id), "SK": f"GIVEN#{meter}#{gift_id}"}
