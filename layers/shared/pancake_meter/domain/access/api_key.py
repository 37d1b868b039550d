"""API keys: how they look, how one is made, and under what id one is kept.

A key is `pm_` + mode + `_` + 32 random base62 characters + 6 base62 characters of CRC32 over all that precedes them.
The prefix lets secret scanners find a leaked key, the checksum lets the authorizer refuse a wrong one without a read.
Only a key's SHA-256 is stored: 32 random characters (190 bits) cannot be guessed back, so a slow hash adds nothing.
"""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Callable
from typing import Literal

Mode = Literal["test", "live"]

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 32
_CHECKSUM_LENGTH = 6
_SHAPE = re.compile(rf"pm_(?:test|live)_[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}", re.ASCII)


def generate_api_key(mode: Mode, choice: Callable[[str], str] = secrets.choice) -> str:
    """Return a new key. Show it once, and keep only its `api_key_id`."""
    body = f"pm_{mode}_" + "".join(choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def is_api_key(text: str) -> bool:
    """Say whether `text` has the shape and the checksum of a key; not whether such a key exists."""
    return _SHAPE.fullmatch(text) is not None and text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def api_key_id(key: str) -> str:
    """Return the id under which a key is stored: the hex SHA-256 of the whole key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    """Return the CRC32 of `body` in base62, padded: 62**6 is more than 2**32."""
    rest = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
