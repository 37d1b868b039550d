"""CloudEvents as OpenMeter takes them: one usage event each, identified by (source, id)."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from pancake_meter.domain.errors import UnreadableUsage
from pancake_meter.domain.instant import TEXT_LENGTH_MAX, parse_instant
from pancake_meter.domain.usage.usage_event import EVENT_ID_LENGTH_MAX
from pancake_meter.faults import faults
from pancake_meter.value import Value, same_but_for

_TEXT_LENGTH_MAX = 1024
_KEPT_TEXT_LENGTH_MAX: Final = 256
_NUMBER: Final = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")

LITELLM_SOURCE: Final = "litellm-proxy"
"""The ``source`` of every event of LiteLLM's ``openmeter`` callback."""

Text = Annotated[str, Field(min_length=1, max_length=_TEXT_LENGTH_MAX)]
Time = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": TEXT_LENGTH_MAX}),
]


@same_but_for("wire")
class CloudEvent(Value):
    """``time`` is ``None`` where the source gave none; ``wire`` is the event as it came."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime | None
    data: Any
    wire: Mapping[str, Any]

    def at(self, path: str) -> Any:
        """Return what stands at a dotted path of the data, ``None`` for nothing; the empty path is the data itself."""
        found = self.data
        for name in filter(None, path.split(".")):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


class CloudEventBody(BaseModel):
    """The attributes of the CloudEvents specification 1.0 that count; extensions are passed over."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "additionalProperties": True,
            "if": {"properties": {"subject": {"const": ""}}, "required": ["subject"]},
            "then": {"properties": {"source": {"const": LITELLM_SOURCE}}},
        },
    )

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Text
    subject: Annotated[str, Field(max_length=_TEXT_LENGTH_MAX)]
    time: Time | None = None
    data: dict[str, Any] | None = None


def cloud_event(item: object) -> CloudEvent:
    """Return the event of a JSON object.

    Raises:
        UnreadableUsage: it is no CloudEvent 1.0 with a subject, or its time has no offset. ``errors`` in its details says
            what is wrong, by field.
    """
    try:
        wire = CloudEventBody.model_validate(item)
    except ValidationError as error:
        raise UnreadableUsage("the event is not a CloudEvent 1.0 with a subject", errors=faults(error)) from None
    if not wire.subject and wire.source != LITELLM_SOURCE:
        # LiteLLM's callback never repeats what is refused: its event of nobody is taken, and parked.
        fault = {"field": "subject", "fault": "must have at least 1 character"}
        raise UnreadableUsage("the event is not a CloudEvent 1.0 with a subject", errors=[fault])
    kept = item if isinstance(item, Mapping) else {}
    return CloudEvent(wire.id, wire.source, wire.type, wire.subject, wire.time, wire.data, kept)


def kept_of(event: Mapping[str, Any], texts: frozenset[str]) -> dict[str, Any]:
    """Return what is worth keeping of an event that could not be counted: nothing that was said to or by a model.

    That is its attributes, and of its data what can be a quantity: numbers, texts that are numbers, and short texts under
    the names ``texts``, such as that of the model.
    """
    attributes = {name: event[name] for name in CloudEventBody.model_fields if name != "data" and name in event}
    data = _countable(event.get("data"), texts)
    return {**attributes, "data": data} if data is not None else attributes


def _countable(value: object, texts: frozenset[str], name: str = "") -> Any:
    """Return the part of a value that may count, ``None`` for nothing."""
    if isinstance(value, Mapping):
        parts = {key: _countable(each, texts, key) for key, each in value.items()}
        return {key: part for key, part in parts.items() if part is not None}
    if isinstance(value, str):
        is_short = len(value) <= _KEPT_TEXT_LENGTH_MAX
        return value if is_short and (name in texts or _NUMBER.fullmatch(value.strip())) else None
    return value if isinstance(value, int | float | Decimal) else None


def event_id(event: CloudEvent) -> str:
    """Return one id for (source, id), no two pairs alike: readable, or its hash where it would be too long."""
    readable = f"{quote(event.source, safe='')}/{quote(event.id, safe=':')}"
    return readable if len(readable) <= EVENT_ID_LENGTH_MAX else f"sha256:{sha256(readable.encode()).hexdigest()}"
