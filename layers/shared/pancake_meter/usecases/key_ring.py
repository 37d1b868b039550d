"""Key rings: one secret of the stack with several keys, so that a key can be replaced while the one before still counts.

A secret is a JSON object: ``current`` names the key that new things are made with, each other entry is a key by its ``kid``.
"""

import json
from collections.abc import Mapping
from typing import Final

from pancake_meter.store.errors import StoreError

CURRENT: Final = "current"
_KEY_LENGTH_MIN: Final = 32


def read_key_ring(text: str, of: str, error: type[StoreError]) -> Mapping[str, str]:
    """Return the keys by their ``kid``, and which is current under ``current``.

    Raises:
        StoreError: an ``error``, which names what the keys are ``of``: the secret is not what it should be.
    """
    try:
        keys = json.loads(text)
    except ValueError as trouble:
        raise error(f"the secret of {of} is not JSON") from trouble
    usable = isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values())
    if not usable or keys.get(keys.get(CURRENT)) is None or keys.get(CURRENT) == CURRENT:
        raise error(f"the secret of {of} names no current key")
    if any(len(key) < _KEY_LENGTH_MIN for kid, key in keys.items() if kid != CURRENT):
        raise error(f"a key of {of} has at least {_KEY_LENGTH_MIN} characters")
    found: Mapping[str, str] = keys
    return found
