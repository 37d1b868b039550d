"""API keys as stored: PK `APIKEY#<hex sha256 of the key>`, SK `APIKEY`. The key itself is nowhere.

An item without `roles` was written by an earlier version, whose keys could do everything: it has all roles. It is listed
from its first use on, because that writes the attribute which the index lists by.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from pancake_meter.domain.access.api_key import ApiKey, Mode, api_key_id, mode_of
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.store.errors import CorruptItem, WriteRefused
from pancake_meter.store.table import Check, Item, Put, Table, Update
from pancake_meter.value import Value

Place = tuple[datetime, str]
"""Where a page goes on: after the key with this creation time and id."""

FOREVER: Final = datetime.max.replace(tzinfo=UTC)

_ACTIVE: Final = "active"
_ADMIN: Final[Role] = "admin"
_REVOKED: Final = "revoked"
_LISTING: Final = "APIKEYS"
_ID_IN_LISTING: Final = 16
_KEPT: Final = timedelta(days=90)
"""A key that opens nothing any more stays listed for so long; then the table forgets it."""


class KeyPage(Value):
    """A page of keys, the latest made first; ``following`` is where it goes on, ``None`` at the end."""

    keys: tuple[ApiKey, ...]
    following: Place | None


class Caller(Value):
    """The key that asks for a write, which must be an active admin key when the write happens.

    ``at_least_until`` is what it must not end before: the end of the admin key that it revokes, ``FOREVER`` where that key
    has none.
    """

    key_id: str
    now: datetime
    at_least_until: datetime

    @property
    def demand(self) -> Check:
        """The demand of its transaction: API Gateway remembers the authorizer's answer for a minute, the table does not."""
        condition = (
            "#status = :active AND (attribute_not_exists(ends_at) OR (ends_at > :now AND ends_at >= :until))"
            " AND (attribute_not_exists(#roles) OR contains(#roles, :admin))"
        )
        values = {
            ":active": _ACTIVE,
            ":now": to_ms(self.now),
            ":until": to_ms(self.at_least_until),
            ":admin": _ADMIN,
        }
        return Check(_item_key(self.key_id), condition, values, {"#status": "status", "#roles": "roles"})


class CallerRefused(Exception):
    """The key that asked may not do it. ``found`` is the key as it is, ``None`` where it is not there any more."""

    def __init__(self, found: ApiKey | None) -> None:
        """Keep the key."""
        super().__init__("the key that asked may not do it")
        self.found = found


def read_api_key(table: Table, key_id: str) -> ApiKey | None:
    """Return what is stored of the key with this id, or `None`: one read. Raises `CorruptItem`."""
    item = table.get(_item_key(key_id))
    return _api_key(item) if item is not None else None


def list_api_keys(table: Table, *, limit: int, after: Place | None = None) -> KeyPage:
    """Return a page of keys, the latest made first: one query of the index."""
    start = {**_item_key(after[1]), "listing": _LISTING, "listed_at": _listed_at(*after)} if after else None
    items, following = table.query(
        "listing = :listing", {":listing": _LISTING}, limit=limit, index="listing", forward=False, start=start
    )
    keys = tuple(_api_key(item) for item in items)
    return KeyPage(keys, (keys[-1].created_at, keys[-1].id) if following is not None and keys else None)


def mode_of_listed(table: Table) -> Mode | None:
    """Return the mode of the key that was made last, or `None` where none is listed: one query."""
    items, _ = table.query("listing = :listing", {":listing": _LISTING}, limit=1, index="listing", forward=False)
    return items[0].get("mode") if items else None


def write_api_key(
    table: Table, key: str, known: ApiKey, caller: Caller | None = None, *, done: Put | None = None
) -> None:
    """Store a new key, with the mark that a request is done: one transaction.

    Raises `WriteRefused` when either is stored already, and `CallerRefused`.
    """
    _write(table, [_new(key, known), *([done] if done is not None else [])], caller)


def replace_api_key(
    table: Table,
    old: ApiKey,
    key: str,
    known: ApiKey,
    old_expires_at: datetime,
    caller: Caller | None = None,
    *,
    done: Put | None = None,
) -> None:
    """Store a new key, and let the old one expire: one transaction. ``done`` marks that a request is done.

    Raises `WriteRefused` when the old one has changed or the request is done already, and `CallerRefused`.
    """
    ending = Update(
        _item_key(old.id),
        "SET ends_at = :ends, replaced_by = :by, expires_at = :forget",
        "#status = :active AND attribute_not_exists(replaced_by) AND (attribute_not_exists(ends_at) OR ends_at > :now)",
        {
            ":ends": to_ms(old_expires_at),
            ":by": known.id,
            ":forget": _forget_at(old_expires_at),
            ":active": _ACTIVE,
            ":now": to_ms(known.created_at),
        },
        {"#status": "status"},
    )
    _write(table, [ending, _new(key, known), *([done] if done is not None else [])], caller)


def revoke_api_key(table: Table, key_id: str, now: datetime, caller: Caller | None = None) -> None:
    """End a key. Raises `WriteRefused` where there is none or it was revoked before, and `CallerRefused`."""
    update = Update(
        _item_key(key_id),
        "SET #status = :revoked, revoked_at = :now, expires_at = :forget",
        "#status = :active",
        {":revoked": _REVOKED, ":active": _ACTIVE, ":now": to_ms(now), ":forget": _forget_at(now)},
        {"#status": "status"},
    )
    _write(table, [update], caller)


def mark_used(table: Table, key: str, known: ApiKey, today: date) -> None:
    """Note the day of a key's last use, and list the key if an earlier version made it: at most one write a day counts."""
    update = Update(
        _item_key(known.id),
        "SET last_used_on = :today, listing = if_not_exists(listing, :listing),"
        " listed_at = if_not_exists(listed_at, :listed_at), #mode = if_not_exists(#mode, :mode)",
        "attribute_exists(PK) AND (attribute_not_exists(last_used_on) OR last_used_on < :today)",
        {
            ":today": today.isoformat(),
            ":listing": _LISTING,
            ":listed_at": _listed_at(known.created_at, known.id),
            ":mode": mode_of(key),
        },
        {"#mode": "mode"},
        is_made=lambda item: item.get("last_used_on") == today.isoformat(),
    )
    try:
        table.write(update)
    except WriteRefused:
        # Another call has noted it.
        return


def _write(table: Table, writes: Sequence[Put | Update], caller: Caller | None) -> None:
    try:
        table.transact([*writes, *([caller.demand] if caller is not None else ())])
    except WriteRefused as refused:
        found = refused.refusals[-1] if caller is not None else None
        if found is None:
            raise
        raise CallerRefused(_api_key(found) if found else None) from refused


def _new(key: str, known: ApiKey) -> Put:
    item: dict[str, Any] = {
        **_item_key(api_key_id(key)),
        "listing": _LISTING,
        "listed_at": _listed_at(known.created_at, known.id),
        "name": known.name,
        "mode": mode_of(key),
        "roles": [role for role in ROLES if role in known.roles],
        "created_at": to_ms(known.created_at),
        "status": _ACTIVE,
    }
    if known.expires_at is not None:
        item |= {"ends_at": to_ms(known.expires_at), "expires_at": _forget_at(known.expires_at)}
    return Put(item, condition="attribute_not_exists(PK)")


def _api_key(item: Item) -> ApiKey:
    try:
        return ApiKey(
            id=str(item["PK"]).removeprefix("APIKEY#"),
            name=str(item["name"]),
            roles=frozenset(role for role in ROLES if role in item["roles"]) if "roles" in item else frozenset(ROLES),
            created_at=from_ms(int(item["created_at"])),
            expires_at=from_ms(int(item["ends_at"])) if "ends_at" in item else None,
            revoked_at=from_ms(int(item["revoked_at"])) if "revoked_at" in item else None,
            is_revoked=item["status"] != _ACTIVE,
            last_used_on=date.fromisoformat(item["last_used_on"]) if "last_used_on" in item else None,
            replaced_by=item.get("replaced_by"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptItem("an API key's item lacks an attribute or has a wrong one") from error


def _forget_at(ended_at: datetime) -> int:
    return to_ms(ended_at + _KEPT) // 1000


def _listed_at(created_at: datetime, key_id: str) -> str:
    return f"{timestamp(created_at)}#{key_id[:_ID_IN_LISTING]}"


def _item_key(key_id: str) -> Mapping[str, str]:
    return {"PK": f"APIKEY#{key_id}", "SK": "APIKEY"}
