"""Bulk usage: events on their way through the queue, packed so that those of one balance are counted together."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pancake_meter.catalog import Catalog
from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import UnreadableUsage
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.domain.quantity import format_quantity, parse_quantity
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.balance.spending import RECORD_EVENTS_MAX
from pancake_meter.store.usage.usage_queue import MESSAGE_BYTES_MAX
from pancake_meter.usecases.balance.record_usage import UsageLine
from pancake_meter.usecases.usage.identities import stated_customer
from pancake_meter.usecases.usage.sources import Measured, Source

_FIELDS = ("customer_id", "meter", "id", "quantity", "used_at", "is_stated", "model", "source")
"""An event in a message is a list of these: the time in ms, and whether the caller stated it."""
_NEEDED = len(_FIELDS) - 2
"""Without ``model`` and ``source`` where neither is known, as earlier versions wrote every event."""


def bulk_messages(lines: Iterable[UsageLine]) -> list[str]:
    """Return the messages that carry events, up to 99 in one: those of one balance side by side, to be counted together."""
    messages: list[str] = []
    pending: list[str] = []
    size = 0
    for line in sorted(lines, key=lambda line: (line.customer_id, line.meter)):
        packed = _packed(line)
        if len(pending) == RECORD_EVENTS_MAX or size + len(packed.encode()) + 2 > MESSAGE_BYTES_MAX:
            messages.append(_message(pending))
            pending, size = [], 0
        pending.append(packed)
        size += len(packed.encode()) + 1
    return [*messages, _message(pending)] if pending else messages


def message_items(body: str) -> Sequence[object]:
    """Return the events of a message, still packed. Raises ``ValueError`` for what this module did not write."""
    items = json.loads(body)
    if not isinstance(items, list):
        raise ValueError("a message is a list of events")  # noqa: TRY004 - one error for what is no message
    return items


def read_bulk_event(_: Catalog, item: object, __: datetime) -> Measured:
    """Read a packed event. Its time was checked when it was accepted, however long ago that is."""
    if not isinstance(item, list) or len(item) not in {_NEEDED, len(_FIELDS)}:
        raise UnreadableUsage("not a packed event")
    told = dict(zip(_FIELDS, item, strict=False))
    used_at = from_ms(told["used_at"])
    event = UsageEvent(told["id"], parse_quantity(told["quantity"]), used_at, used_at if told["is_stated"] else None)
    event = event.made_of(told.get("model"), told.get("source"))
    return Measured((UsageLine(check_customer_id(told["customer_id"]), told["meter"], event),))


BULK = Source("bulk", read_bulk_event, lambda _, item: item, lambda _, item: stated_customer("bulk", item))


def _packed(line: UsageLine) -> str:
    event = line.event
    fields: list[Any] = [line.customer_id, line.meter, event.id, format_quantity(event.quantity)]
    fields += [to_ms(event.used_at), event.stated_at is not None]
    if event.model is not None or event.source is not None:
        fields += [event.model, event.source]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _message(packed: Sequence[str]) -> str:
    return f"[{','.join(packed)}]"
