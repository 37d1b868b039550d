"""Sessions of the console as items: ``PK SESSION#<hash of the secret> SK SESSION``, forgotten when they have ended."""

from datetime import datetime

from pancake_meter.domain.access.console_session import LIFE, ConsoleSession
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import Delete, Put, Table, Update


def read_session(table: Table, session_id: str) -> ConsoleSession | None:
    """Return a session, live or not: one read."""
    item = table.get(_key(session_id))
    if item is None:
        return None
    return ConsoleSession(session_id, item["key_id"], item["mode"], from_ms(item["began_at"]), from_ms(item["seen_at"]))


def write_session(table: Table, session: ConsoleSession) -> None:
    """Keep a new session: one write."""
    item = {
        **_key(session.id),
        "key_id": session.key_id,
        "mode": session.mode,
        "began_at": to_ms(session.began_at),
        "seen_at": to_ms(session.seen_at),
        "expires_at": to_ms(session.began_at + LIFE) // 1000,
    }
    table.write(Put(item))


def note_seen(table: Table, session: ConsoleSession, now: datetime) -> None:
    """Note the time of a request; a session that was ended meanwhile is not brought back. One write."""
    update = Update(_key(session.id), "SET seen_at = :now", "attribute_exists(PK)", {":now": to_ms(now)})
    try:
        table.write(update)
    except WriteRefused:
        return


def delete_session(table: Table, session_id: str) -> None:
    """End a session, if there is one: one write."""
    try:
        table.transact([Delete(_key(session_id), "attribute_exists(PK)")])
    except WriteRefused:
        return


def session_partition(session_id: str) -> str:
    """Return the partition that has a session, and the forms that were sent in it."""
    return f"SESSION#{session_id}"


def _key(session_id: str) -> Key:
    return {"PK": session_partition(session_id), "SK": "SESSION"}
