"""API keys for admins: make, rotate, revoke. A key is returned once, by the call that makes it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.access.api_key import (
    OVERLAP_MAX,
    OVERLAP_MIN,
    ApiKey,
    ApiKeyNotActive,
    ApiKeyNotFound,
    InvalidApiKey,
    Mode,
    OwnApiKey,
    api_key_id,
    check_new_key,
    generate_api_key,
)
from pancake_meter.domain.access.role import Role
from pancake_meter.store.access.api_keys import read_api_key, replace_api_key, revoke_api_key, write_api_key
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.table import Table

_ID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: its plain text, which is stored nowhere, and what is known of it."""

    text: str
    known: ApiKey


def create_key(
    table: Table, mode: Mode, name: str, roles: frozenset[Role], expires_at: datetime | None, now: datetime
) -> NewKey:
    """Make a key of the stack's mode.

    Raises:
        InvalidApiKey: the name, the roles or the end are not allowed.
        StoreBusy, StoreUnavailable: passing trouble; a key that was made all the same is listed, and opens to nobody.
    """
    check_new_key(name, roles, expires_at, now)
    new = _new_key(mode, name, roles, expires_at, now)
    write_api_key(table, new.text, new.known)
    return new


def rotate_key(table: Table, mode: Mode, key_id: str, overlap: timedelta, now: datetime) -> NewKey:
    """Make a key with the name and the roles of another, which ends after ``overlap``, or earlier if it would anyway.

    Where the old key had an end, the new one lives as long as the old one was made to.

    Raises:
        InvalidApiKey: the overlap is not allowed.
        ApiKeyNotFound: no key has that id.
        ApiKeyNotActive: it was revoked, has expired, or was rotated already.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    if not OVERLAP_MIN <= overlap <= OVERLAP_MAX:
        least, most = (int(bound.total_seconds()) for bound in (OVERLAP_MIN, OVERLAP_MAX))
        raise InvalidApiKey(f"an overlap is {least} to {most} seconds")
    old = _known(table, key_id)
    if old.status_at(now) != "active" or old.replaced_by is not None:
        raise ApiKeyNotActive("the key was revoked, has expired or was rotated already", key_id=key_id)
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at is not None else None
    new = _new_key(mode, old.plain_name, old.roles, expires_at, now)
    old_end = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
    try:
        replace_api_key(table, old, new.text, new.known, old_end)
    except WriteRefused as refused:
        raise ApiKeyNotActive("the key was revoked or rotated just now", key_id=key_id) from refused
    return new


def revoke_key(table: Table, key_id: str, now: datetime, *, by: str | None = None) -> ApiKey:
    """End a key; return it. ``by`` is the id of the key that asks for it.

    Raises:
        OwnApiKey: the key that asks is the one to end.
        ApiKeyNotFound: no key has that id.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe.
    """
    if key_id == by:
        raise OwnApiKey("a key cannot revoke itself: use another key with the role admin")
    revoked = revoke_api_key(table, key_id, now) if _ID.fullmatch(key_id) else None
    if revoked is None:
        raise ApiKeyNotFound("no API key has that id")
    return revoked


def _known(table: Table, key_id: str) -> ApiKey:
    known = read_api_key(table, key_id) if _ID.fullmatch(key_id) else None
    if known is None:
        raise ApiKeyNotFound("no API key has that id")
    return known


def _new_key(mode: Mode, name: str, roles: frozenset[Role], expires_at: datetime | None, now: datetime) -> NewKey:
    text = generate_api_key(mode)
    return NewKey(text, ApiKey(api_key_id(text), name, roles, now, expires_at))
