"""Signing in to the console with an API key, and what a session still opens.

Nothing slows down guessing: a key has 190 random bits, and a checksum that refuses a wrong one without a read.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from pancake_meter.domain.access.api_key import ApiKey, KeyRefusal, Mode, RefusedKey
from pancake_meter.domain.access.console_session import (
    SECRET_LENGTH,
    ConsoleSession,
    form_token,
    is_form_token,
    new_secret,
    session_id,
)
from pancake_meter.domain.access.role import Role
from pancake_meter.store.access.api_keys import read_api_key
from pancake_meter.store.access.console_sessions import delete_session, note_seen, read_session, write_session
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.authorize import authorize_key
from pancake_meter.value import Value, hiding

NEEDED: Final = frozenset[Role]({"operate"})
"""Who signs in is an operator. What else the key's roles open, each page asks the table of routes."""


@hiding("secret")
class Operator(Value):
    """Who is signed in: the key as it is now, and the session's secret, which is shown nowhere."""

    key: ApiKey
    secret: str

    @property
    def name(self) -> str:
        """The key's name, for ledgers and histories."""
        return self.key.plain_name

    @property
    def form_token(self) -> str:
        """What each of the operator's forms carries."""
        return form_token(self.secret)

    def has_sent(self, stated: str) -> bool:
        """Return whether a form with this token is the operator's own."""
        return is_form_token(self.secret, stated)


def sign_in(
    table: Table, mode: Mode, key: str, now: datetime, on_unmarked: Callable[[Exception], None] = lambda _: None
) -> Operator | RefusedKey | KeyRefusal:
    """Begin a session for whoever has an operator's key of the stack's mode, or return why not.

    Raises:
        StoreError, CorruptItem: it is not known whether the key may; nobody is signed in.
    """
    known = authorize_key(table, mode, key, NEEDED, now, on_unmarked)
    if not isinstance(known, ApiKey):
        return known
    secret = new_secret()
    write_session(table, ConsoleSession(session_id(secret), known.id, mode, now, now))
    return Operator(known, secret)


def resume(table: Table, mode: Mode, secret: str, now: datetime, *, counts_as_use: bool = True) -> Operator | None:
    """Return who is signed in under a secret, or ``None``: two reads, and a write every five minutes of use.

    The key is read each time. So one that was revoked, has ended or is no operator's any more signs out at once.

    Raises:
        StoreError, CorruptItem: it is not known who asks.
    """
    if len(secret) != SECRET_LENGTH:
        return None
    session = read_session(table, session_id(secret))
    if session is None or session.mode != mode or not session.is_live_at(now):
        return None
    key = read_api_key(table, session.key_id)
    if key is None or key.status_at(now) != "active" or not key.roles & NEEDED:
        return None
    if counts_as_use and session.is_to_be_seen_at(now):
        note_seen(table, session, now)
    return Operator(key, secret)


def sign_out(table: Table, secret: str) -> None:
    """End a session. Raises ``StoreError``."""
    delete_session(table, session_id(secret))
