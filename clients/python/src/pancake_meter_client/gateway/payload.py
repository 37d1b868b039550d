"""What the stack is told of a call: what counting needs, and nothing that was said to the model or by it."""

import math
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from pancake_meter_client.gateway.held_calls import HeldCall

_FIELDS: Final = (
    "id",
    "litellm_call_id",
    "call_type",
    "status",
    "cache_hit",
    "custom_llm_provider",
    "model",
    "model_group",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "startTime",
    "endTime",
    "end_user",
)
_METADATA: Final = (
    "user_api_key_hash",
    "user_api_key_alias",
    "user_api_key_user_id",
    "user_api_key_team_id",
    "user_api_key_org_id",
    "user_api_key_end_user_id",
    "user_api_key_auth_metadata",
    "spend_logs_metadata",
    "usage_object",
)
_DEPTH_MAX: Final = 6
_FIELDS_MAX: Final = 100
_TEXT_LENGTH_MAX: Final = 1_000
"""A longer text names nobody and nothing: it is left out, so that what waits to be told is bounded."""


def trimmed(payload: Mapping[str, Any], held: HeldCall | None) -> dict[str, Any]:
    """Return a ``StandardLoggingPayload`` without its content, with the hold that is to be settled."""
    metadata = payload.get("metadata")
    told = {
        **_taken(payload, _FIELDS),
        "metadata": _taken(metadata, _METADATA) if isinstance(metadata, Mapping) else {},
    }
    if held is not None:
        told["pancake_meter_hold"] = {
            "customer_id": held.customer_id,
            "meter": held.meter,
            "hold_id": held.hold_id,
        }
    return told


def _taken(source: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(source[name], _DEPTH_MAX) for name in names if source.get(name) is not None}


def _plain(value: object, depth: int) -> Any:
    """Return what JSON can carry of a value; the rest is ``None``."""
    if depth > 0 and isinstance(value, Mapping):
        return {str(name): _plain(each, depth - 1) for name, each in islice(value.items(), _FIELDS_MAX)}
    if depth > 0 and isinstance(value, list | tuple):
        return [_plain(each, depth - 1) for each in value[:_FIELDS_MAX]]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and len(value) > _TEXT_LENGTH_MAX:
        return None
    return value if isinstance(value, str | int | float) else None
