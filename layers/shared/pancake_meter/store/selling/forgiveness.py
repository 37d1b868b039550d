"""Forgiven overage as items: the mark that keeps one forgiveness from happening twice.

``PK CUSTOMER#<customer> SK FORGIVEN#<meter>#<id>``.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pancake_meter.domain.instant import to_ms
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.table import Put, Table
from pancake_meter.value import Value


class Forgiveness(Value):
    """Up to ``asked`` units are to be let go; ``forgiven`` were so far. There may be more until it ``is_done``."""

    asked: Decimal
    forgiven: Decimal
    is_done: bool = True


def read_forgiveness(table: Table, customer_id: str, meter: str, forgiveness_id: str) -> Forgiveness | None:
    """Return what became of a forgiveness, or ``None``: one read."""
    item = table.get(_key(customer_id, meter, forgiveness_id))
    return Forgiveness(item["asked"], item["forgiven"], "unfinished" not in item) if item is not None else None


def forgiveness_write(
    customer_id: str, meter: str, forgiveness_id: str, before: Forgiveness | None, after: Forgiveness, now: datetime
) -> Put:
    """Return the write that carries a forgiveness from what was read to what it is now, unless another step did."""
    item: dict[str, Any] = {
        **_key(customer_id, meter, forgiveness_id),
        "asked": after.asked,
        "forgiven": after.forgiven,
        "at": to_ms(now),
    }
    if not after.is_done:
        item["unfinished"] = True
    if before is None:
        return Put(item, "attribute_not_exists(PK)")
    condition = "forgiven = :forgiven AND attribute_exists(unfinished)"
    return Put(item, condition, {":forgiven": before.forgiven})


def _key(customer_id: str, meter: str, forgiveness_id: str) -> Key:
    return {"PK": customer_partition(customer_id), "SK": f"FORGIVEN#{meter}#{forgiveness_id}"}
