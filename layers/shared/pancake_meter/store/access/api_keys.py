"""API keys as stored: PK `APIKEY#<hex sha256 of the key>`, SK `APIKEY`. The key itself is nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pancake_meter.domain.access.api_key import api_key_id
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.errors import CorruptItem, WriteRefused
from pancake_meter.store.table import Put, Table, Update

_ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """What is known of a key: its name, when it was made, and whether it still opens anything."""

    name: str
    created_at: datetime
    is_active: bool


def read_api_key(table: Table, key: str) -> StoredApiKey | None:
    """Return what is stored for `key`, or `None`: one read. Raises `CorruptItem`."""
    item = table.get(_item_key(key))
    if item is None:
        return None
    try:
        return StoredApiKey(str(item["name"]), from_ms(int(item["created_at"])), item["status"] == _ACTIVE)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptItem("an API key's item lacks an attribute or has a wrong one") from error


def write_api_key(table: Table, key: str, name: str, now: datetime) -> None:
    """Store a new, active key. Raises `WriteRefused` when it is stored already."""
    item = {**_item_key(key), "name": name, "created_at": to_ms(now), "status": _ACTIVE}
    table.write(Put(item, condition="attribute_not_exists(PK)"))


def revoke_api_key(table: Table, key: str) -> bool:
    """End a key; return whether there was one."""
    update = Update(
        _item_key(key), "SET #status = :revoked", "attribute_exists(PK)", {":revoked": "revoked"}, {"#status": "status"}
    )
    try:
        table.write(update)
    except WriteRefused:
        return False
    return True


def _item_key(key: str) -> Mapping[str, str]:
    return {"PK": f"APIKEY#{api_key_id(key)}", "SK": "APIKEY"}
