"""Idempotency keys: what makes Waffo answer a repeated write with the first answer, for 24 hours."""

import hashlib
import re

MAX_KEY_LENGTH = 256
_READABLE_LENGTH = 128
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]+")
_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_KEY_LENGTH}}}")


def idempotency_key(*parts: str) -> str:
    """Any ids of ours as one key of at most 256 of ``[A-Za-z0-9_-]``, always the same for the same parts.

    It begins with what is readable of the parts and ends with a hash of them, so keys differ when any part does:
    ``a:b``, ``a_b`` and (``a``, ``b``) are three keys. Make a key from the action, not from the thing acted on: a second
    cancel of one order, after a reactivation, is another action, and would get the first one's answer under its key.

    Raises:
        ValueError: no parts: a bug, since every such write would then be the same one.
    """
    if not parts:
        raise ValueError("an idempotency key needs at least one part")
    readable = _FORBIDDEN.sub("-", "_".join(parts))[:_READABLE_LENGTH]
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"{readable}_{digest.hexdigest()}"


def is_idempotency_key(text: str) -> bool:
    """Whether Waffo takes ``text`` as a key; it answers 400 to any other."""
    return _KEY.fullmatch(text) is not None
