"""Names that LiteLLM gives where it knows nobody: whoever is called so is nobody's customer."""

from typing import Final

_NAMES: Final = frozenset({"", "default_user_id", "unknown", "None", "null"})
"""The admin, a user that is missing, and nothing written as text."""


def is_nobody(identity: str) -> bool:
    """Say whether an identity that comes from LiteLLM names nobody."""
    return identity.strip() in _NAMES
