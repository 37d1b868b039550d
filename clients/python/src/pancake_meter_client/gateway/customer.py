"""Whose call it is: identities bound to the key or team, before what a client can claim.

The words and the order are those of the catalog's ``[litellm] customer``: the stack decides again from the same identities
when the call is counted, and ends a hold only for the customer who has it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

_TEXT_LENGTH_MAX: Final = 256
_NOBODY: Final = frozenset({"", "default_user_id", "unknown", "None", "null"})
"""What LiteLLM names where it knows nobody; the stack passes over the same names."""

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "key_alias": "key_alias",
    "key_hash": "api_key",
    "key_user_id": "user_id",
    "team_id": "team_id",
    "org_id": "org_id",
    "end_user": "end_user_id",
}


def identities(key: object, request: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of the caller, by kind.

    ``key`` is LiteLLM's ``UserAPIKeyAuth``: what is read from it cannot be forged by the request, except ``end_user``.
    """
    found: dict[str, Any] = {kind: getattr(key, attribute, None) for kind, attribute in _ATTRIBUTES.items()}
    found["end_user"] = found["end_user"] or request.get("user")
    found |= {f"key_metadata.{name}": value for name, value in _object(getattr(key, "metadata", None)).items()}
    metadata = {**_object(request.get("litellm_metadata")), **_object(request.get("metadata"))}
    stated = _object(metadata.get("spend_logs_metadata"))
    found |= {f"spend_logs_metadata.{name}": value for name, value in stated.items()}
    return {kind: value for kind, value in found.items() if _names_somebody(value)}


def customer_of(order: Iterable[str], known: Mapping[str, str]) -> str | None:
    """Return the first identity that is known, in the order in which they are believed."""
    return next((known[kind] for kind in order if kind in known), None)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names_somebody(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _TEXT_LENGTH_MAX and value.strip() not in _NOBODY
