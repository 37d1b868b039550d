"""The link from a call that LiteLLM makes for another to that other: a mark in the proxy's own metadata.

``:generateContent`` on a model that is not Google's runs a chat completion under an id of its own. The hold is the outer
call's. The mark is signed for this process: a client that writes one into its request ends nobody's hold.
"""

import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final

_NAME: Final = "pancake_meter_outer_call"
_KEY: Final = secrets.token_bytes(32)
_METADATA: Final = ("metadata", "litellm_metadata")


def mark(request: Mapping[str, Any], call_id: str) -> None:
    """Write the id of a call into the metadata that its inner calls take over."""
    for name in _METADATA:
        metadata = request.get(name)
        if isinstance(metadata, dict):
            metadata[_NAME] = {"id": call_id, "signature": _signature(call_id)}


def outer_call_of(logged: Mapping[str, Any]) -> str | None:
    """Return the id of the call that a logged one was made for, ``None`` where it was made for itself."""
    parameters = logged.get("litellm_params")
    for source in (parameters, logged):
        for name in _METADATA:
            metadata = source.get(name) if isinstance(source, Mapping) else None
            found = metadata.get(_NAME) if isinstance(metadata, Mapping) else None
            if isinstance(found, Mapping) and _is_ours(found):
                return str(found["id"])
    return None


def _is_ours(found: Mapping[str, Any]) -> bool:
    call_id, signature = found.get("id"), found.get("signature")
    if not isinstance(call_id, str) or not isinstance(signature, str):
        return False
    return hmac.compare_digest(_signature(call_id).encode(), signature.encode(errors="replace"))


def _signature(call_id: str) -> str:
    return hmac.digest(_KEY, call_id.encode(errors="replace"), "sha256").hex()
