"""LiteLLM's StandardLoggingPayload, full or trimmed, as a model call.

Read leniently: only what counting needs is looked at, and whatever else a version adds is passed over. Never read:
``response_cost``, which is often wrong where tokens were cached. Our own logger adds the hold that it placed for the call.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pancake_meter.domain.balance.hold import CustomerHold, HoldHandle
from pancake_meter.domain.customer import CUSTOMER_ID_LENGTH_MAX
from pancake_meter.domain.errors import DomainError, UnreadableUsage
from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.usage.llm_call import LlmCall
from pancake_meter.litellm.usage_object import token_pools

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX = Decimal(253_402_300_799)  # the last second of 9999
_TEXT_LENGTH_MAX = 256

_KEPT_TEXTS_MAX: Final = 32
"""Texts of each of the two kinds of metadata: who is named in what is parked is asked for in one transaction."""

_KINDS = {
    "key_alias": "user_api_key_alias",
    "key_hash": "user_api_key_hash",
    "key_user_id": "user_api_key_user_id",
    "team_id": "user_api_key_team_id",
    "org_id": "user_api_key_org_id",
    "end_user": "user_api_key_end_user_id",
}
_METADATA = {"key_metadata": "user_api_key_auth_metadata", "spend_logs_metadata": "spend_logs_metadata"}


def llm_call(payload: object) -> LlmCall:
    """Return the call of one payload.

    Raises:
        UnreadableUsage: it is no object, has no call id, no status or no end.
        CannotMeasure, InvalidQuantity: its token counts are missing, contradict each other or are no numbers.
    """
    if not isinstance(payload, Mapping):
        raise UnreadableUsage("an item is a JSON object")
    call_id = _text(payload, "litellm_call_id")
    status = _text(payload, "status")
    ended_at = _instant(payload.get("endTime"))
    if call_id is None or status is None or ended_at is None:
        raise UnreadableUsage("an item has litellm_call_id, status and endTime")
    metadata = _object(payload, "metadata")
    return LlmCall(
        id=call_id,
        ended_at=ended_at,
        models=_models(payload),
        # Where the provider's own usage is missing, LiteLLM's counts stand at the top: zero for a call that failed.
        tokens=token_pools(_object(metadata, "usage_object") or _counts(payload), is_total_exact=False),
        identities=_identities(payload, metadata),
        is_success=status == "success",
        is_cache_hit=payload.get("cache_hit") is True,
        hold=_hold(payload, call_id),
    )


def identities_of(payload: object) -> dict[str, str]:
    """Return what a payload says of the caller, by kind: nobody's names left out. It need not be one that can be counted."""
    return _identities(payload, _object(payload, "metadata")) if isinstance(payload, Mapping) else {}


def renamed(payload: object, identity: str, name: str) -> Any:
    """Return a payload with another name wherever it says of the caller ``identity``."""
    if not isinstance(payload, Mapping):
        return payload
    metadata = dict(_object(payload, "metadata"))
    for kind in _KINDS.values():
        if metadata.get(kind) == identity:
            metadata[kind] = name
    for kind in _METADATA.values():
        if kind in metadata:
            stated = _object(metadata, kind)
            metadata[kind] = {key: name if stated[key] == identity else stated[key] for key in stated}
    own = {"end_user": name} if payload.get("end_user") == identity else {}
    return {**payload, **own, **({"metadata": metadata} if metadata else {})}


def kept_of(payload: object, trusted: Sequence[str] = ()) -> Any:
    """Return what is worth keeping of a payload that could not be counted: nothing that was said to or by the model.

    Of the key's and the call's metadata that is short texts, those of ``trusted`` kinds first, since the catalog may come to
    name one of them as the customer.
    """
    if not isinstance(payload, Mapping):
        return str(payload)[:_TEXT_LENGTH_MAX]
    kept = {name: payload[name] for name in _KEPT if name in payload}
    metadata = _object(payload, "metadata")
    known = {name: metadata[name] for name in (*_KINDS.values(), "usage_object") if metadata.get(name) is not None}
    for kind, name in _METADATA.items():
        stated = _object(metadata, name)
        short = [key for key in stated if _text(stated, key) and len(stated[key]) <= CUSTOMER_ID_LENGTH_MAX]
        first = sorted(short, key=lambda key: f"{kind}.{key}" not in trusted)[:_KEPT_TEXTS_MAX]
        known |= {name: {key: stated[key] for key in first}} if first else {}
    return {**kept, "metadata": known}


_KEPT = (
    "id",
    "litellm_call_id",
    "call_type",
    "status",
    "model",
    "model_group",
    "custom_llm_provider",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "startTime",
    "endTime",
    "end_user",
    "cache_hit",
)


def _counts(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: payload.get(name) for name in ("prompt_tokens", "completion_tokens")}


def _models(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the model: with its provider, without it, and the public alias of the proxy's configuration."""
    model, alias = _text(payload, "model") or "", _text(payload, "model_group") or ""
    return tuple(dict.fromkeys(name for name in (model, model.partition("/")[2], alias) if name))


def _identities(payload: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    found = {kind: _text(metadata, name) for kind, name in _KINDS.items()}
    found["end_user"] = found["end_user"] or _text(payload, "end_user")
    for kind, name in _METADATA.items():
        stated = _object(metadata, name)
        found |= {f"{kind}.{key}": _text(stated, key) for key in stated}
    return {kind: identity for kind, identity in found.items() if identity and not is_nobody(identity)}


def _hold(payload: Mapping[str, Any], call_id: str) -> CustomerHold | None:
    """The hold that our logger placed for the call. One that is not of this call, or cannot be read, is passed over."""
    stated = _object(payload, "pancake_meter_hold")
    customer_id, meter, name = _text(stated, "customer_id"), _text(stated, "meter"), _text(stated, "hold_id")
    if customer_id is None or meter is None or name is None:
        return None
    try:
        handle = HoldHandle.named(name, meter)
    except DomainError:
        return None
    return CustomerHold(customer_id, handle) if handle.id == call_id else None


def _instant(seconds: object) -> datetime | None:
    """Epoch seconds, as a number or its text; a time beyond what a calendar has is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | Decimal | str):
        return None
    try:
        number = Decimal(seconds)
    except InvalidOperation:
        return None
    if not number.is_finite() or not 0 <= number <= _SECONDS_MAX:
        return None
    return floor_ms(_EPOCH + timedelta(milliseconds=int(number * 1000)))


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(parent: Mapping[str, Any], name: str) -> str | None:
    value = parent.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= _TEXT_LENGTH_MAX else None


_NAMES: Final = frozenset({"", "default_user_id", "unknown", "None", "null"})
"""The admin, a user that is missing, and nothing written as text."""


def is_nobody(identity: str) -> bool:
    """Say whether an identity that comes from LiteLLM names nobody."""
    return identity.strip() in _NAMES
