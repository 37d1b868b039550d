"""Reminders as items: ``PK CUSTOMER#<customer> SK REMINDER#<kind>#<meter>#<end>#<subject>``, found by the ``due`` index.

One that was looked at leaves the index, and stays until some days after its end. So it does not come again where the stream
repeats itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from pancake_meter.domain.alerts.reminder import Reminder
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.due import due_items
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key, customer_of, reminder_key, reminder_shard, reminder_shards
from pancake_meter.store.table import Check, Item, Put, Table, Update

_PAGE: Final = 100
_KEPT_FOR: Final = timedelta(days=7)
"""After the end, or the look; the stream repeats nothing that is older than a day."""


def put_reminder(table: Table, reminder: Reminder, demands: Sequence[Check]) -> None:
    """Keep a reminder, unless it was kept before, or a demand does not hold."""
    with suppress(WriteRefused):
        table.transact([Put(_item(reminder), "attribute_not_exists(PK)"), *demands])


def due_reminders(table: Table, now: datetime) -> Iterator[Reminder]:
    """Yield the reminders whose time has come, the longest waiting first in each shard: one query for each page."""
    return map(_reminder, due_items(table, reminder_shards(), now, page=_PAGE))


def end_reminder(table: Table, reminder: Reminder) -> None:
    """Take a reminder that was looked at out of the index; one that is gone, with its customer, is gone."""
    ended = Update(
        _key(reminder),
        "REMOVE due_shard, valid_until",
        "attribute_exists(PK)",
        is_made=lambda item: "due_shard" not in item,
    )
    with suppress(WriteRefused):
        table.write(ended)


def _key(reminder: Reminder) -> Key:
    return reminder_key(
        reminder.customer_id, f"{reminder.kind}#{reminder.meter or ''}#{to_ms(reminder.ends_at)}#{reminder.subject}"
    )


def _item(reminder: Reminder) -> dict[str, Any]:
    return {
        **_key(reminder),
        "due_shard": reminder_shard(reminder.customer_id),
        "valid_until": to_ms(reminder.at),
        "expires_at": to_ms(max(reminder.ends_at, reminder.at) + _KEPT_FOR) // 1000,
    }


def _reminder(item: Item) -> Reminder:
    """Return the reminder of a key and a time: the index has no more."""
    _, kind, meter, ends_at, subject = item["SK"].split("#", 4)
    return Reminder(
        customer_of(item["PK"]), kind, meter or None, subject, from_ms(int(ends_at)), from_ms(item["valid_until"])
    )
