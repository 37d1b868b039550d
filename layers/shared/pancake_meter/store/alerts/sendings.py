"""Sendings as items: ``PK ALERT#<alert id> SK SENDING#<endpoint id>``. They say nothing of a customer."""

from typing import Final

from pancake_meter.domain.alerts.alert import KEPT_FOR
from pancake_meter.domain.alerts.endpoint import ENDPOINTS_MAX
from pancake_meter.domain.alerts.sending import Sending
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key, alert_mark_key
from pancake_meter.store.table import Item, Put, Table

_PREFIX: Final = "SENDING#"
_READ_MAX: Final = ENDPOINTS_MAX * 10
"""More than there are: endpoints that were deleted have theirs too."""


def list_sendings(table: Table, alert_id: str) -> list[Sending]:
    """Return the sendings of an alert, in the order of their endpoints: one query."""
    values = {":partition": alert_mark_key(alert_id)["PK"], ":prefix": _PREFIX}
    items, _ = table.query("PK = :partition AND begins_with(SK, :prefix)", values, limit=_READ_MAX)
    return [_sending(item) for item in items]


def read_sending(table: Table, alert_id: str, endpoint_id: str) -> Sending | None:
    """Return a sending, or ``None``: one read."""
    item = table.get(_key(alert_id, endpoint_id))
    return _sending(item) if item is not None else None


def begin_sending(table: Table, sending: Sending) -> Sending:
    """Keep a new sending; return it, or the one that was begun before."""
    try:
        table.transact([Put(_item(sending), "attribute_not_exists(PK)")])
    except WriteRefused as refused:
        (found,) = refused.refusals
        return _sending(found) if found else sending
    return sending


def change_sending(table: Table, before: Sending, after: Sending) -> bool:
    """Keep what became of a sending, unless it became something else meanwhile; return whether it was kept."""
    put = Put(
        _item(after),
        "#round = :round AND attempts = :attempts AND #status = :status",
        {":round": before.round, ":attempts": before.attempts, ":status": before.status},
        {"#round": "round", "#status": "status"},
    )
    try:
        table.transact([put])
    except WriteRefused:
        return False
    return True


def _key(alert_id: str, endpoint_id: str) -> Key:
    return {"PK": alert_mark_key(alert_id)["PK"], "SK": f"{_PREFIX}{endpoint_id}"}


def _item(sending: Sending) -> Item:
    item = {
        **_key(sending.alert_id, sending.endpoint_id),
        "status": sending.status,
        "since": to_ms(sending.since),
        "round": sending.round,
        "attempts": sending.attempts,
        "attempted_at": to_ms(sending.attempted_at) if sending.attempted_at is not None else None,
        "next_at": to_ms(sending.next_at) if sending.next_at is not None else None,
        "http_status": sending.http_status,
        "reason": sending.reason,
        "by": sending.by,
        "expires_at": to_ms(sending.since + KEPT_FOR) // 1000,
    }
    return {name: value for name, value in item.items() if value is not None}


def _sending(item: Item) -> Sending:
    return Sending(
        alert_id=str(item["PK"]).partition("#")[2],
        endpoint_id=str(item["SK"]).removeprefix(_PREFIX),
        status=item["status"],
        since=from_ms(item["since"]),
        round=int(item["round"]),
        attempts=int(item["attempts"]),
        attempted_at=from_ms(item["attempted_at"]) if "attempted_at" in item else None,
        next_at=from_ms(item["next_at"]) if "next_at" in item else None,
        http_status=int(item["http_status"]) if "http_status" in item else None,
        reason=item.get("reason"),
        by=item.get("by"),
    )
