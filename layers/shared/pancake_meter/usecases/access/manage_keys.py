"""API keys for admins: make, rotate, revoke. A key is returned once, by the call that makes it.

``by`` is the id of the key that asks, ``None`` for whoever has AWS credentials. API Gateway remembers for a minute what a
key might do. So each write demands, in its own transaction, that the key that asks is an active admin key now.

No write makes the time shorter until which some admin key is live: a key is revoked by one that lives at least as long, and
what a rotation ends has a successor that lives at least as long.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.access.api_key import (
    OVERLAP_MAX,
    OVERLAP_MIN,
    ApiKey,
    ApiKeyNotActive,
    ApiKeyNotFound,
    CallerKeyNotActive,
    InvalidApiKey,
    LongerLivedAdmin,
    Mode,
    OwnApiKey,
    api_key_id,
    check_new_key,
    generate_api_key,
    refusal_of,
)
from pancake_meter.domain.access.role import Role
from pancake_meter.domain.instant import timestamp
from pancake_meter.store.access.api_keys import (
    FOREVER,
    Caller,
    CallerRefused,
    read_api_key,
    replace_api_key,
    revoke_api_key,
    write_api_key,
)
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.table import Table

_ID: Final = re.compile(r"[0-9a-f]{64}")
_ADMINS: Final = frozenset[Role]({"admin"})


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: its plain text, which is stored nowhere, and what is known of it."""

    text: str
    known: ApiKey


def create_key(
    table: Table,
    mode: Mode,
    name: str,
    roles: frozenset[Role],
    expires_at: datetime | None,
    now: datetime,
    *,
    by: str | None = None,
) -> NewKey:
    """Make a key of the stack's mode.

    Raises:
        CallerKeyNotActive: the key that asks is no active admin key.
        InvalidApiKey: the name, the roles or the end are not allowed.
        StoreBusy, StoreUnavailable: passing trouble; a key that was made all the same is listed, and opens to nobody.
    """
    check_new_key(name, roles, expires_at, now)
    new = _new_key(mode, name, roles, expires_at, now)
    with _caller(by, now) as caller:
        write_api_key(table, new.text, new.known, caller)
    return new


def rotate_key(
    table: Table, mode: Mode, key_id: str, overlap: timedelta, now: datetime, *, by: str | None = None
) -> NewKey:
    """Make a key with the name and the roles of another, which ends after ``overlap``, or earlier if it would anyway.

    Where the old key had an end, the new one lives as long as the old one was made to.

    Raises:
        InvalidApiKey: the overlap is not allowed.
        CallerKeyNotActive: the key that asks is no active admin key.
        ApiKeyNotFound: no key has that id.
        ApiKeyNotActive: it was revoked, has expired, or was rotated already.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    if not OVERLAP_MIN <= overlap <= OVERLAP_MAX:
        least, most = (int(bound.total_seconds()) for bound in (OVERLAP_MIN, OVERLAP_MAX))
        raise InvalidApiKey(f"an overlap is {least} to {most} seconds")
    old = _known(table, key_id)
    if key_id == by and refusal_of(old, _ADMINS, now) is not None:
        raise _not_active()
    if old.status_at(now) != "active" or old.replaced_by is not None:
        raise ApiKeyNotActive("the key was revoked, has expired or was rotated already", key_id=key_id)
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at is not None else None
    new = _new_key(mode, old.plain_name, old.roles, expires_at, now)
    old_end = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
    # One that rotates itself is demanded to be active by the write that ends it.
    with _caller(by if by != key_id else None, now) as caller:
        try:
            replace_api_key(table, old, new.text, new.known, old_end, caller)
        except WriteRefused as refused:
            raise ApiKeyNotActive("the key was revoked or rotated just now", key_id=key_id) from refused
    return new


def revoke_key(table: Table, key_id: str, now: datetime, *, by: str | None = None) -> ApiKey:
    """End a key; return it. One that was revoked before stays as it is.

    Raises:
        OwnApiKey: the key that asks is the one to end.
        LongerLivedAdmin: the key to end is an admin's, and lives longer than the one that asks.
        CallerKeyNotActive: the key that asks is no active admin key.
        ApiKeyNotFound: no key has that id.
        StoreBusy, StoreUnavailable: passing trouble; trying again is safe.
    """
    if key_id == by:
        raise OwnApiKey("a key cannot revoke itself: use another key with the role admin")
    known = _known(table, key_id)
    is_live_admin = "admin" in known.roles and known.status_at(now) == "active"
    with _caller(by, now, known if is_live_admin else None) as caller:
        try:
            revoke_api_key(table, key_id, now, caller)
        except WriteRefused:
            return _known(table, key_id)
    return replace(known, is_revoked=True, revoked_at=now)


def check_caller(table: Table, key_id: str, now: datetime) -> ApiKey:
    """Return the key that asks, if it is active still: one read.

    Raises:
        CallerKeyNotActive: it is not, or there is no such key.
    """
    known = read_api_key(table, key_id)
    if known is None or known.status_at(now) != "active":
        raise _not_active()
    return known


@contextmanager
def _caller(by: str | None, now: datetime, revoked: ApiKey | None = None) -> Iterator[Caller | None]:
    """Yield what a write demands of the key that asks; ``revoked`` is the live admin key that it ends."""
    until = (revoked.expires_at or FOREVER) if revoked is not None else now
    try:
        yield Caller(by, now, until) if by is not None else None
    except CallerRefused as refused:
        found = refused.found
        if revoked is None or found is None or refusal_of(found, _ADMINS, now) is not None:
            raise _not_active() from refused
        raise LongerLivedAdmin(
            "the key is an admin's and lives longer than yours: make a key with the role admin that lives as long,"
            " and revoke with that",
            expires_at=timestamp(revoked.expires_at) if revoked.expires_at is not None else None,
        ) from refused


def _not_active() -> CallerKeyNotActive:
    return CallerKeyNotActive("the API key of this call was revoked, has expired, or may no longer do this")


def _known(table: Table, key_id: str) -> ApiKey:
    known = read_api_key(table, key_id) if _ID.fullmatch(key_id) else None
    if known is None:
        raise ApiKeyNotFound("no API key has that id")
    return known


def _new_key(mode: Mode, name: str, roles: frozenset[Role], expires_at: datetime | None, now: datetime) -> NewKey:
    text = generate_api_key(mode)
    return NewKey(text, ApiKey(api_key_id(text), name, roles, now, expires_at))
