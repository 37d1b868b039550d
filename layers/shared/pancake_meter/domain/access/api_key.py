"""API keys: how they look, how one is made, and under what id one is kept.

A key is `pm_` + mode + `_` + 32 random base62 characters + 6 base62 characters of CRC32 over all that precedes them.
The prefix lets secret scanners find a leaked key, the checksum lets the authorizer refuse a wrong one without a read.
Only a key's SHA-256 is stored: 32 random characters (190 bits) cannot be guessed back, so a slow hash adds nothing. The hash
is the key's public id. It opens nothing, and whoever finds a leaked key can compute the id to revoke.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final, Literal

from pancake_meter.domain.access.masking import masked
from pancake_meter.domain.access.role import Role
from pancake_meter.domain.errors import DomainError
from pancake_meter.value import Value

Mode = Literal["test", "live"]
Status = Literal["active", "expired", "revoked"]
KeyRefusal = Literal["malformed", "wrong_mode", "unknown", "revoked", "expired", "no_role"]
"""Why a call is refused. It is for the log alone: a caller is not told more than 403."""

NAME_PATTERN: Final = r"^[0-9A-Za-z][0-9A-Za-z ._@:/+-]{0,63}$"
"""A key's name. It goes into log formats and ledgers as it is, so no character of it needs an escape there."""

OVERLAP_MIN: Final = timedelta(minutes=1)
OVERLAP_MAX: Final = timedelta(days=30)
LIFE_MAX: Final = timedelta(days=3650)

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 32
_CHECKSUM_LENGTH = 6
_SHAPE = re.compile(rf"pm_(?:test|live)_[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}", re.ASCII)


_NAME: Final = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")
_NOT_IN_A_NAME: Final = re.compile(r"[^0-9A-Za-z ._@:/+-]")
_NAME_LENGTH_MAX: Final = 64


class InvalidApiKey(DomainError):
    """What a new key should be like is not allowed."""

    code = "invalid_api_key"


class ApiKeyNotFound(DomainError):
    """No key has that id."""

    code = "api_key_not_found"


class ApiKeyNotActive(DomainError):
    """The key was revoked, has expired, or was rotated already."""

    code = "api_key_not_active"


class OwnApiKey(DomainError):
    """A key cannot revoke itself: so one key with the role ``admin`` always remains."""

    code = "own_api_key"


class LongerLivedAdmin(DomainError):
    """A key cannot revoke an admin key that lives longer than itself: so the last live admin is never revoked."""

    code = "longer_lived_admin"


class CallerKeyNotActive(DomainError):
    """The key that asks was revoked, has expired, or may no longer do it; API Gateway only remembers that it once did."""

    code = "caller_key_not_active"


class ApiKey(Value):
    """What is known of a key. ``replaced_by`` is the id of the key that it was rotated to.

    ``last_used_on`` is a day in UTC, and ``None`` until its first use.
    """

    id: str
    name: str
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    is_revoked: bool = False
    last_used_on: date | None = None
    replaced_by: str | None = None

    def status_at(self, now: datetime) -> Status:
        """Return whether the key opens anything at ``now``."""
        if self.is_revoked:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    @property
    def plain_name(self) -> str:
        """The name for logs and ledgers. Keys of earlier versions may have other characters; each becomes ``_``."""
        return _NOT_IN_A_NAME.sub("_", self.name)[:_NAME_LENGTH_MAX]


class RefusedKey(Value):
    """A key that is known and may not call, and why."""

    key: ApiKey
    reason: KeyRefusal


def refusal_of(key: ApiKey | None, roles: frozenset[Role], now: datetime) -> KeyRefusal | None:
    """Return why ``key`` may not call a route that ``roles`` open, or ``None`` where it may."""
    if key is None:
        return "unknown"
    status = key.status_at(now)
    if status != "active":
        return status
    return None if key.roles & roles else "no_role"


def check_new_key(name: str, roles: frozenset[Role], expires_at: datetime | None, now: datetime) -> None:
    """Check what a new key should be like.

    Raises:
        InvalidApiKey: the name has other characters, there is no role, or it would end before it begins.
    """
    if _NAME.match(name) is None:
        raise InvalidApiKey(
            "a name has 1 to 64 letters, digits, spaces and . _ @ : / + -, and begins with a letter or digit"
        )
    if masked(name) != name:
        raise InvalidApiKey("a name has no e-mail address, API key or token in it: logs and ledgers show names")
    if not roles:
        raise InvalidApiKey("a key has at least one role")
    if expires_at is not None and not now < expires_at <= now + LIFE_MAX:
        raise InvalidApiKey(f"a key expires after now and within {LIFE_MAX.days} days")


def mode_of(key: str) -> Mode:
    """Return the mode of a text that ``is_api_key``."""
    return "test" if key.startswith("pm_test_") else "live"


def mode_of_environment(environment: Literal["test", "prod"]) -> Mode:
    """Return the one mode of keys that a stack of this Waffo environment takes."""
    return "test" if environment == "test" else "live"


def generate_api_key(mode: Mode, choice: Callable[[str], str] = secrets.choice) -> str:
    """Return a new key. Show it once, and keep only its `api_key_id`."""
    body = f"pm_{mode}_" + "".join(choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def derived_api_key(mode: Mode, secret: str, salt: str) -> str:
    """Return the key that a salt gives under a secret of the stack, always the same: neither of them alone tells it."""
    number = int.from_bytes(hmac.digest(secret.encode(), f"api-key:{mode}:{salt}".encode(), "sha512"))

    def choice(alphabet: str) -> str:
        nonlocal number
        number, digit = divmod(number, len(alphabet))
        return alphabet[digit]

    return generate_api_key(mode, choice)


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
