"""Forms of the console that were sent, as items of their session: ``PK SESSION#<session> SK FORM#<digest>``.

A form is taken in hand before it acts, and marked with its answer after that. Both are forgotten with the session. Neither
has what the form says, nor whom it is about.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from pancake_meter.domain.access.console_session import LIFE
from pancake_meter.domain.access.once import Once
from pancake_meter.domain.instant import to_ms
from pancake_meter.store.access.console_sessions import session_partition
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import Delete, Put, Table
from pancake_meter.value import Value

IN_HAND: Final = timedelta(seconds=30)
"""Longer than the function runs: what is in hand for so long was cut off, and may be sent again."""


class Taken(Value):
    """A form that was taken in hand now, by this request alone."""

    key: Key
    fingerprint: str
    by: str


class SentBefore(Value):
    """A form that was sent before. ``answer`` is what it was answered; ``None`` while it is in hand."""

    fingerprint: str
    answer: Mapping[str, str] | None


def take_form(table: Table, session_id: str, once: Once, now: datetime) -> Taken | SentBefore:
    """Take a form in hand, or return that it was sent before: one write."""
    taken = Taken({"PK": session_partition(session_id), "SK": f"FORM#{once.id}"}, once.fingerprint, uuid4().hex)
    item = {**_item(taken, now), "in_hand_until": to_ms(now + IN_HAND), "by": taken.by}
    try:
        # What is done has no end of being in hand: the comparison does not hold.
        table.write(Put(item, "attribute_not_exists(PK) OR in_hand_until <= :now", {":now": to_ms(now)}))
    except WriteRefused as refused:
        before = refused.refusals[0] or {}
        return SentBefore(str(before.get("fingerprint", once.fingerprint)), before.get("answer"))
    return taken


def mark_done(table: Table, taken: Taken, answer: Mapping[str, str], now: datetime) -> None:
    """Keep what a form was answered: one write."""
    try:
        table.write(Put({**_item(taken, now), "answer": dict(answer)}, "#by = :by", {":by": taken.by}, {"#by": "by"}))
    except WriteRefused:
        # It was in hand for too long, and another request has taken it.
        return


def let_go(table: Table, taken: Taken) -> None:
    """Let a form that has done nothing, or may have done nothing, be sent again: one write."""
    try:
        table.transact([Delete(taken.key, "#by = :by", {":by": taken.by}, {"#by": "by"})])
    except WriteRefused:
        return


def _item(taken: Taken, now: datetime) -> dict[str, Any]:
    return {**taken.key, "fingerprint": taken.fingerprint, "expires_at": to_ms(now + LIFE) // 1000}
