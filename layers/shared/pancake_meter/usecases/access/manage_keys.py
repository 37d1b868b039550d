"""API keys for admins: make, rotate, revoke. A key is returned once, by the call that makes it.

``by`` is the id of the key that asks, ``None`` for whoever has AWS credentials. API Gateway remembers for a minute what a
key might do. So each write demands, in its own transaction, that the key that asks is an active admin key now.

No write makes the time shorter until which some admin key is live: a key is revoked by one that lives at least as long, and
what a rotation ends has a successor that lives at least as long.

With ``made_once``, the same transaction marks the request as done, and a repeat of it gets the same key again: whoever
repeats is held against the table too.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

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
    derived_api_key,
    generate_api_key,
    refusal_of,
)
from pancake_meter.domain.access.once import REMEMBERED, IdempotencyConflict, Once
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.store.access.api_keys import (
    FOREVER,
    Caller,
    CallerRefused,
    read_api_key,
    replace_api_key,
    revoke_api_key,
    write_api_key,
)
from pancake_meter.store.access.once import done_write, read_done
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.table import Put, Table
from pancake_meter.usecases.key_ring import CURRENT
from pancake_meter.value import Value, replace

_ID: Final = re.compile(r"[0-9a-f]{64}")
_ADMINS: Final = frozenset[Role]({"admin"})
_TRIES_MAX: Final = 3


class NewKey(Value):
    """A key that was just made: its plain text, which is stored nowhere, and what is known of it.

    ``is_replay``: an earlier request made it, and ``known`` is as it was then.
    """

    text: str
    known: ApiKey
    is_replay: bool = False


class MadeOnce(Value):
    """A request that makes a key once. ``secrets`` are the stack's, by kid.

    The text of such a key follows from one of them and a random salt. The salt is kept for a day, so that a repeat gets the
    same text: the table alone does not tell it, and neither does the secret alone.
    """

    once: Once
    secrets: Callable[[], Mapping[str, str]]

    def text(self, mode: Mode, kid: str, salt: str) -> str | None:
        """Return the text of a key, or ``None`` where its secret has been rotated away."""
        secret = self.secrets().get(kid)
        return derived_api_key(mode, secret, salt) if secret is not None else None


def create_key(
    table: Table,
    mode: Mode,
    name: str,
    roles: frozenset[Role],
    expires_at: datetime | None,
    now: datetime,
    *,
    by: str | None = None,
    made_once: MadeOnce | None = None,
) -> NewKey:
    """Make a key of the stack's mode; with ``made_once``, a repeat of the request gets the same key again.

    Raises:
        CallerKeyNotActive: the key that asks is no active admin key.
        InvalidApiKey: the name, the roles or the end are not allowed.
        IdempotencyConflict: the request's key was used for another request.
        StoreBusy, StoreUnavailable: passing trouble; a key that was made all the same is listed, and opens to nobody.
    """
    for _ in range(_TRIES_MAX):
        if (before := _made_before(table, mode, made_once, now, by)) is not None:
            return before
        check_new_key(name, roles, expires_at, now)
        new, done = _new_key(mode, name, roles, expires_at, now, made_once)
        with _caller(by, now) as caller:
            try:
                write_api_key(table, new.text, new.known, caller, done=done)
            except WriteRefused:
                if done is None:
                    raise
            else:
                return new
    raise StoreBusy("the same request is being answered")


def rotate_key(
    table: Table,
    mode: Mode,
    key_id: str,
    overlap: timedelta,
    now: datetime,
    *,
    by: str | None = None,
    made_once: MadeOnce | None = None,
) -> NewKey:
    """Make a key with the name and the roles of another, which ends after ``overlap``, or earlier if it would anyway.

    Where the old key had an end, the new one lives as long as the old one was made to. With ``made_once``, a repeat of the
    request gets the same key again.

    Raises:
        IdempotencyConflict: the request's key was used for another request.
        InvalidApiKey: the overlap is not allowed.
        CallerKeyNotActive: the key that asks is no active admin key.
        ApiKeyNotFound: no key has that id.
        ApiKeyNotActive: it was revoked, has expired, or was rotated already.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    if not OVERLAP_MIN <= overlap <= OVERLAP_MAX:
        least, most = (int(bound.total_seconds()) for bound in (OVERLAP_MIN, OVERLAP_MAX))
        raise InvalidApiKey(f"an overlap is {least} to {most} seconds")
    if (before := _made_before(table, mode, made_once, now, by)) is not None:
        return before
    old = _known(table, key_id)
    if key_id == by and refusal_of(old, _ADMINS, now) is not None:
        raise _not_active()
    if old.status_at(now) != "active" or old.replaced_by is not None:
        raise ApiKeyNotActive("the key was revoked, has expired or was rotated already", key_id=key_id)
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at is not None else None
    new, done = _new_key(mode, old.plain_name, old.roles, expires_at, now, made_once)
    old_end = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
    # One that rotates itself is demanded to be active by the write that ends it.
    with _caller(by if by != key_id else None, now) as caller:
        try:
            replace_api_key(table, old, new.text, new.known, old_end, caller, done=done)
        except WriteRefused as refused:
            if (before := _made_before(table, mode, made_once, now, by)) is not None:
                return before
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


def _new_key(
    mode: Mode,
    name: str,
    roles: frozenset[Role],
    expires_at: datetime | None,
    now: datetime,
    made_once: MadeOnce | None,
) -> tuple[NewKey, Put | None]:
    """Return a new key, and the write that marks its request as done, where it is made once."""
    if made_once is None:
        text = generate_api_key(mode)
        return NewKey(text, ApiKey(api_key_id(text), name, roles, now, expires_at)), None
    by_kid, salt = made_once.secrets(), uuid4().hex
    kid = by_kid[CURRENT]
    text = derived_api_key(mode, by_kid[kid], salt)
    facts: dict[str, Any] = {"kid": kid, "salt": salt, "name": name, "roles": sorted(roles), "at": to_ms(now)}
    if expires_at is not None:
        facts["ends_at"] = to_ms(expires_at)
    done = done_write(made_once.once, facts, now + REMEMBERED, now)
    return NewKey(text, ApiKey(api_key_id(text), name, roles, now, expires_at)), done


def _made_before(table: Table, mode: Mode, made_once: MadeOnce | None, now: datetime, by: str | None) -> NewKey | None:
    """Return the key that an earlier request like this one has made, as it was then. Its text is for an admin of now."""
    facts = read_done(table, made_once.once, now) if made_once is not None else None
    if made_once is None or facts is None:
        return None
    if by is not None:
        caller = read_api_key(table, by)
        if caller is None or refusal_of(caller, _ADMINS, now) is not None:
            raise _not_active()
    text = made_once.text(mode, facts["kid"], facts["salt"])
    if text is None:
        raise IdempotencyConflict("the key was made, and its text cannot be told again: revoke it, and make another")
    ends_at = from_ms(facts["ends_at"]) if "ends_at" in facts else None
    roles = frozenset(role for role in ROLES if role in facts["roles"])
    return NewKey(text, ApiKey(api_key_id(text), facts["name"], roles, from_ms(facts["at"]), ends_at), is_replay=True)
