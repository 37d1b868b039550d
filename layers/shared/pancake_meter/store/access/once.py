"""Requests that happened once, as items: ``PK IDEMPOTENCY#<digest> SK IDEMPOTENCY``, forgotten after a day.

``facts`` are what the first answer is made of again. No secret is among them, and no id of a customer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pancake_meter.domain.access.once import Once
from pancake_meter.domain.instant import to_ms
from pancake_meter.store.keys import Key
from pancake_meter.store.table import Put, Table


def read_done(table: Table, once: Once, now: datetime) -> Mapping[str, Any] | None:
    """Return the facts of the answer to an earlier request like this, or ``None``: one read.

    Raises:
        IdempotencyConflict: the earlier request had other content.
    """
    item = table.get(done_key(once))
    if item is None or item["expires_at"] <= _seconds(now):
        return None
    once.check(item["fingerprint"])
    facts: Mapping[str, Any] = item["facts"]
    return facts


def done_write(once: Once, facts: Mapping[str, Any], until: datetime, now: datetime) -> Put:
    """Return the write that marks a request as done, unless another is done under its key."""
    item = {**done_key(once), "fingerprint": once.fingerprint, "facts": dict(facts), "expires_at": _seconds(until)}
    return Put(item, "attribute_not_exists(PK) OR expires_at <= :now_seconds", {":now_seconds": _seconds(now)})


def done_key(once: Once) -> Key:
    """Return the key of the answer to a request."""
    return {"PK": f"IDEMPOTENCY#{once.id}", "SK": "IDEMPOTENCY"}


def _seconds(instant: datetime) -> int:
    return to_ms(instant) // 1000
