"""What can be told of a signed body that is not an event we can read: enough to keep it, and to know whose it is."""

import json
from datetime import datetime

from pancake_meter.value import Value
from pancake_meter.waffo.bounded_json import is_object
from pancake_meter.waffo.fields import Fields, InvalidField


class LooseEnvelope(Value):
    """The fields of an envelope that are what they should be; ``None`` for every other."""

    id: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    timestamp: datetime | None = None
    store_id: str | None = None
    mode: str | None = None
    order_id: str | None = None


def read_loosely(body: bytes) -> LooseEnvelope:
    """Read what is readable. This never fails, whatever the bytes are."""
    try:
        # No field that is read here is a number, and no number, however large, is worth a failure.
        document = json.loads(
            body.decode(errors="replace"), parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing
        )
    except (ValueError, RecursionError):
        return LooseEnvelope()
    if not is_object(document):
        return LooseEnvelope()
    envelope = Fields(document)
    data = envelope.object("data") or Fields({})
    return LooseEnvelope(
        id=envelope.loose_id("id"),
        event_type=envelope.loose_id("eventType"),
        event_id=envelope.loose_id("eventId"),
        timestamp=_timestamp(envelope),
        store_id=envelope.loose_id("storeId"),
        mode=envelope.loose_id("mode"),
        order_id=data.loose_id("orderId"),
    )


def _nothing(_: str) -> None:
    """Read a number as nothing."""


def _timestamp(envelope: Fields) -> datetime | None:
    try:
        return envelope.instant("timestamp")
    except InvalidField:
        return None
