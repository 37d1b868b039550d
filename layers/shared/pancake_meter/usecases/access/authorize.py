"""Authorizing one call by its API key: at most one read, and one write a day."""

from collections.abc import Callable
from datetime import UTC, datetime

from pancake_meter.domain.access.api_key import (
    ApiKey,
    KeyRefusal,
    Mode,
    RefusedKey,
    api_key_id,
    is_api_key,
    mode_of,
    refusal_of,
)
from pancake_meter.domain.access.role import Role
from pancake_meter.store.access.api_keys import mark_used, read_api_key
from pancake_meter.store.table import Table


def authorize_key(
    table: Table,
    mode: Mode,
    key: str,
    roles: frozenset[Role],
    now: datetime,
    on_unmarked: Callable[[Exception], None] = lambda _: None,
) -> ApiKey | RefusedKey | KeyRefusal:
    """Return the key where it may call a route that ``roles`` open, or else why not.

    A malformed key and one of the other mode cost no read. Where the day of its use cannot be noted, ``on_unmarked`` is told
    and the call goes on.

    Raises:
        StoreError, CorruptItem: it is not known whether the key may call.
    """
    if not is_api_key(key):
        return "malformed"
    if mode_of(key) != mode:
        return "wrong_mode"
    known = read_api_key(table, api_key_id(key))
    refusal = refusal_of(known, roles, now)
    if known is None:
        return "unknown"
    if refusal is not None:
        return RefusedKey(known, refusal)
    today = now.astimezone(UTC).date()
    if known.last_used_on is None or known.last_used_on < today:
        try:
            mark_used(table, key, known, today)
        except Exception as error:  # noqa: BLE001 - the key is good; only the day of its use is lost
            on_unmarked(error)
    return known
