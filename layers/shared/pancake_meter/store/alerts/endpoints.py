"""Endpoints of alerts as items: ``PK ALERT_ENDPOINTS SK ENDPOINT#<id>``. No secret is among them: see ``SigningSecret``."""

from collections.abc import Mapping
from typing import Any, Final

from pancake_meter.domain.alerts.endpoint import ENDPOINTS_MAX, Endpoint, SigningSecret, is_endpoint_id
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import Delete, Item, Put, Table

_PARTITION: Final = "ALERT_ENDPOINTS"
_READ_MAX: Final = ENDPOINTS_MAX * 5
"""More than there are, even where several were made at the same moment."""


def list_endpoints(table: Table) -> list[Endpoint]:
    """Return every endpoint, in the order of their ids: one query."""
    items, _ = table.query("PK = :partition", {":partition": _PARTITION}, limit=_READ_MAX)
    return [endpoint_from_item(item) for item in items]


def read_endpoint(table: Table, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint, or ``None``: one read, none for what is no id."""
    item = table.get(_key(endpoint_id)) if is_endpoint_id(endpoint_id) else None
    return endpoint_from_item(item) if item is not None else None


def put_endpoint(table: Table, endpoint: Endpoint, done: Put | None = None) -> None:
    """Keep a new endpoint, with the mark that its request is done. Raises ``WriteRefused`` where either is there."""
    table.transact([Put(endpoint_item(endpoint), "attribute_not_exists(PK)"), *([done] if done is not None else [])])


def change_endpoint(table: Table, endpoint: Endpoint, version_before: int, done: Put | None = None) -> bool:
    """Keep an endpoint in the place of its version before; return ``False`` where that changed, or the request is done."""
    put = Put(endpoint_item(endpoint), "version = :before", {":before": version_before})
    try:
        table.transact([put, *([done] if done is not None else [])])
    except WriteRefused:
        return False
    return True


def delete_endpoint(table: Table, endpoint_id: str) -> bool:
    """Take an endpoint away; return whether it was there."""
    try:
        table.transact([Delete(_key(endpoint_id), "attribute_exists(PK)")])
    except WriteRefused:
        return False
    return True


def _key(endpoint_id: str) -> Key:
    return {"PK": _PARTITION, "SK": f"ENDPOINT#{endpoint_id}"}


def endpoint_item(endpoint: Endpoint) -> Item:
    """Return the item of an endpoint."""
    item = {
        **_key(endpoint.id),
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "secrets": [_secret_item(secret) for secret in endpoint.secrets],
        "created_at": to_ms(endpoint.created_at),
        "version": endpoint.version,
        "disabled_at": to_ms(endpoint.disabled_at) if endpoint.disabled_at is not None else None,
        "disabled_because": endpoint.disabled_because,
        "changed_by": endpoint.changed_by,
    }
    return {name: value for name, value in item.items() if value is not None}


def _secret_item(secret: SigningSecret) -> Mapping[str, Any]:
    until = {"until": to_ms(secret.until)} if secret.until is not None else {}
    return {"kid": secret.kid, "salt": secret.salt, **until}


def endpoint_from_item(item: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint of an item."""
    return Endpoint(
        id=str(item["SK"]).removeprefix("ENDPOINT#"),
        url=item["url"],
        events=tuple(item["events"]),
        description=item.get("description"),
        secrets=tuple(
            SigningSecret(each["kid"], each["salt"], from_ms(each["until"]) if "until" in each else None)
            for each in item["secrets"]
        ),
        created_at=from_ms(item["created_at"]),
        version=int(item["version"]),
        disabled_at=from_ms(item["disabled_at"]) if "disabled_at" in item else None,
        disabled_because=item.get("disabled_because"),
        changed_by=item.get("changed_by"),
    )
