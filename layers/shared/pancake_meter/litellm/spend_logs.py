"""A row of LiteLLM's spend log as the payload that its callbacks would have sent of the same call.

Rows are those of ``GET /spend/logs/v2`` (LiteLLM 1.109): columns of the table ``LiteLLM_SpendLogs``. They say all that
counting needs, but for the metadata of the key, which only its own record has.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pancake_meter.value import Value


class SpendLog(Value):
    """One row. ``started_at`` is the column that the log is read by; ``key_hash`` names the key that was used."""

    started_at: datetime
    key_hash: str | None
    row: Mapping[str, Any]

    def payload(self, key_metadata: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what a callback would have told of the call, which was made with a key of this metadata.

        Without it the payload names nobody: whom the rest of the row names may be another than the key would.
        """
        row, metadata = self.row, _object(self.row, "metadata")
        whose = {} if key_metadata is None else self._identities(metadata, key_metadata)
        return {
            "id": row.get("request_id"),
            "litellm_call_id": row.get("litellm_call_id") or metadata.get("litellm_call_id"),
            "call_type": row.get("call_type"),
            # LiteLLM itself reads a missing status as success.
            "status": row.get("status") or metadata.get("status") or "success",
            "model": _model(row),
            "model_group": row.get("model_group"),
            "prompt_tokens": row.get("prompt_tokens"),
            "completion_tokens": row.get("completion_tokens"),
            "total_tokens": row.get("total_tokens"),
            "startTime": _epoch_seconds(row.get("startTime")),
            "endTime": _epoch_seconds(row.get("endTime")),
            "cache_hit": str(row.get("cache_hit")).lower() == "true",
            "metadata": {**whose, "usage_object": metadata.get("usage_object")},
        }

    def _identities(self, metadata: Mapping[str, Any], key_metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "user_api_key_hash": self.key_hash,
            "user_api_key_alias": metadata.get("user_api_key_alias"),
            "user_api_key_user_id": self.row.get("user"),
            "user_api_key_team_id": self.row.get("team_id"),
            "user_api_key_org_id": self.row.get("organization_id"),
            "user_api_key_end_user_id": self.row.get("end_user"),
            "user_api_key_auth_metadata": dict(key_metadata),
            "spend_logs_metadata": metadata.get("spend_logs_metadata"),
        }


def spend_log(row: object) -> SpendLog | None:
    """Return a row, or ``None`` for what is none: it has no start, by which the log is read."""
    if not isinstance(row, Mapping):
        return None
    started_at = _instant(row.get("startTime"))
    key_hash = row.get("api_key")
    if started_at is None:
        return None
    return SpendLog(started_at, key_hash if isinstance(key_hash, str) and key_hash else None, row)


def _model(row: Mapping[str, Any]) -> Any:
    """The model's name with its provider, as callbacks state it."""
    model, provider = row.get("model"), row.get("custom_llm_provider")
    if isinstance(model, str) and isinstance(provider, str) and provider and "/" not in model:
        return f"{provider}/{model}"
    return model


def _instant(text: object) -> datetime | None:
    """An ISO time; LiteLLM's have no zone, and are in UTC."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _epoch_seconds(text: object) -> str | None:
    instant = _instant(text)
    return None if instant is None else f"{instant.timestamp():.3f}"


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}
