"""Usage in: this stack's own format and others', and what could not be counted."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.request import USAGE_BODY_BYTES_MAX
from pancake_meter.http.usage.batch import EVENTS_MAX, BatchBody, UsageItem
from pancake_meter.http.usage.bulk import BulkBody
from pancake_meter.http.usage.healing import HealingBody, HealingRequest
from pancake_meter.http.usage.intake import (
    CLOUD_EVENTS_MAX,
    ITEMS_MAX,
    IntakeBody,
    ParkedBody,
    ParkedPage,
    ParkedQuery,
    ReplayedBody,
)
from pancake_meter.openmeter.cloud_event import CloudEventBody
from tools.openapi.described import Answer, Body, Described

_NDJSON: Final = "application/x-ndjson"
_LINES: Final[Mapping[str, Any]] = {"type": "string", "description": "One JSON object a line."}
_CALL: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": True,
    "description": "A StandardLoggingPayload; only what counting needs is read. One that cannot be read is parked.",
}
_CALLS: Final[Mapping[str, Any]] = {"anyOf": [{"type": "array", "items": _CALL, "maxItems": ITEMS_MAX}, _CALL]}

_BATCH: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"events": {"type": "array", "items": UsageItem, "minItems": 1, "maxItems": EVENTS_MAX}},
    "required": ["events"],
    "additionalProperties": False,
}

ROUTES: Final[Mapping[str, Described]] = {
    "POST /v1/usage": Described(
        "record_usage",
        f"Count 1 to {EVENTS_MAX} usage events, each judged for itself",
        {
            HTTPStatus.OK: Answer(BatchBody),
            HTTPStatus.MULTI_STATUS: Answer(BatchBody),
            HTTPStatus.NOT_FOUND: Answer(BatchBody),
            HTTPStatus.CONFLICT: Answer(BatchBody),
            HTTPStatus.GONE: Answer(BatchBody),
            HTTPStatus.UNPROCESSABLE_ENTITY: Answer(BatchBody),
        },
        body=Body(_BATCH, USAGE_BODY_BYTES_MAX),
        description=(
            "200: every event is counted. 207: some are refused. 404, 409, 410, 422 with a BatchBody: each event is refused,"
            " and the status is that of the first. Each event of the list is a UsageItem; what is none is refused alone."
        ),
    ),
    "POST /v1/usage/bulk": Described(
        "record_bulk_usage",
        "Accept usage events in bulk, to be counted exactly once within moments",
        {
            HTTPStatus.ACCEPTED: Answer(BulkBody),
            HTTPStatus.NOT_FOUND: Answer(BulkBody),
            HTTPStatus.UNPROCESSABLE_ENTITY: Answer(BulkBody),
        },
        body=Body(
            {"anyOf": [{"type": "array", "items": UsageItem}, UsageItem]},
            USAGE_BODY_BYTES_MAX,
            media_types={_NDJSON: _LINES},
        ),
        description=(
            "404 or 422 with a BulkBody: no event was accepted, and the status is that of the first refusal. What is no"
            " event is refused alone."
        ),
    ),
    "POST /v1/usage/litellm": Described(
        "record_litellm_calls",
        "Count what LiteLLM's generic_api callback sends: json_array, ndjson or single",
        {HTTPStatus.OK: Answer(IntakeBody)},
        body=Body(_CALLS, USAGE_BODY_BYTES_MAX, media_types={_NDJSON: _LINES}),
        query=None,
        refusals=("too_many_events",),
    ),
    "POST /api/v1/events": Described(
        "record_cloud_events",
        "Count CloudEvents as OpenMeter takes them, one or a batch",
        {HTTPStatus.NO_CONTENT: Answer(None)},
        body=Body(
            {"anyOf": [{"type": "array", "items": CloudEventBody, "maxItems": CLOUD_EVENTS_MAX}, CloudEventBody]},
            USAGE_BODY_BYTES_MAX,
            media_types={
                "application/cloudevents+json": CloudEventBody,
                "application/cloudevents-batch+json": {
                    "type": "array",
                    "items": CloudEventBody,
                    "maxItems": CLOUD_EVENTS_MAX,
                },
            },
        ),
        query=None,
        refusals=("unreadable_usage", "too_many_events", "unsupported_content_type"),
    ),
    "POST /v1/usage/healings": Described(
        "heal_usage",
        "Search LiteLLM's spend log now for calls that nobody reported",
        {HTTPStatus.OK: Answer(HealingBody)},
        body=Body(HealingRequest, is_required=False),
        refusals=("unreadable_usage",),
        description="The route exists where the stack has a LiteLLM proxy (LiteLLMBaseUrl).",
        is_optional=True,
    ),
    "GET /v1/usage/parked": Described(
        "list_parked_usage",
        "Usage that could not be counted, the latest first",
        {HTTPStatus.OK: Answer(ParkedPage)},
        query=ParkedQuery,
    ),
    "POST /v1/usage/parked/{parked_id}/replay": Described(
        "replay_parked_usage",
        "Try parked usage again",
        {HTTPStatus.OK: Answer(ReplayedBody)},
        refusals=("parked_usage_not_found",),
    ),
    "POST /v1/usage/parked/{parked_id}/dismiss": Described(
        "dismiss_parked_usage",
        "Take parked usage off the list, with a reason",
        {HTTPStatus.OK: Answer(ParkedBody)},
        body=Body(DismissRequest),
        refusals=("parked_usage_not_found",),
    ),
}
