"""Customer tokens: JWTs signed with HMAC-SHA256, so that the authorizer checks one without a read.

The secret is JSON: ``current`` names the key that signs, and every other entry is a key by its ``kid``. A token stays valid
as long as its ``kid`` is there; so a key is rotated by adding one, making it current, and taking the old one away later.
Issuer and audience are the stack: no stack takes another's token, even where two share a secret.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from pancake_meter.domain.access.customer_token import (
    LIFE_MAX,
    LIFE_MIN,
    SCOPES,
    CustomerToken,
    InvalidLife,
    Scope,
    TokenRefusal,
)
from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import InvalidCustomerId
from pancake_meter.store.errors import StoreError

TOKEN_LENGTH_MAX: Final = 4_000
"""Room for a customer id of 128 characters, each written as two escapes."""

_ALGORITHM: Final = "HS256"
_CURRENT: Final = "current"
_KEY_LENGTH_MIN: Final = 32
_SKEW: Final = timedelta(minutes=1)
"""What two clocks may differ by."""

_CLAIMS: Final = ("iss", "aud", "sub", "scope", "iat", "exp", "jti")


class UnusableSecret(StoreError):
    """The secret that signs customer tokens is not what it should be: nobody is let in by a token, and none is made."""


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The stack that tokens are of, and the secret with the keys that sign them. ``secret`` is asked for each token."""

    stack: str
    secret: Callable[[], str]

    def by_kid(self) -> Mapping[str, str]:
        """Return the keys by their ``kid``, and which is current under ``current``. Raises ``StoreError``."""
        try:
            keys = json.loads(self.secret())
        except ValueError as error:
            raise UnusableSecret("the secret of customer tokens is not JSON") from error
        usable = isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values())
        if not usable or keys.get(keys.get(_CURRENT)) is None or keys.get(_CURRENT) == _CURRENT:
            raise UnusableSecret("the secret of customer tokens names no current key")
        if any(len(key) < _KEY_LENGTH_MIN for kid, key in keys.items() if kid != _CURRENT):
            raise UnusableSecret(f"a key of customer tokens has at least {_KEY_LENGTH_MIN} characters")
        found: Mapping[str, str] = keys
        return found


def make_token(
    keys: TokenKeys, customer_id: str, scopes: frozenset[Scope], life: timedelta, now: datetime
) -> tuple[str, CustomerToken]:
    """Return a signed token for one customer, and what it says.

    Raises:
        InvalidLife: it would live shorter than a minute or longer than an hour.
        StoreError: the secret cannot be read or used.
    """
    if not LIFE_MIN <= life <= LIFE_MAX:
        raise InvalidLife(f"a token lives {int(LIFE_MIN.total_seconds())} to {int(LIFE_MAX.total_seconds())} seconds")
    issued = now.replace(microsecond=0)
    token = CustomerToken(customer_id, scopes, issued + life, uuid4().hex)
    claims = {
        "iss": keys.stack,
        "aud": keys.stack,
        "sub": customer_id,
        "scope": " ".join(scope for scope in SCOPES if scope in scopes),
        "iat": int(issued.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": token.id,
    }
    # Left out of a cold start: few calls bear a token, and PyJWT brings cryptography with it.
    import jwt  # noqa: PLC0415

    by_kid = keys.by_kid()
    kid = by_kid[_CURRENT]
    return jwt.encode(claims, by_kid[kid], algorithm=_ALGORITHM, headers={"kid": kid}), token


def read_token(keys: TokenKeys, text: str, now: datetime) -> CustomerToken | TokenRefusal:
    """Return what a token says, or why it counts for nothing: no read of the table.

    Raises:
        StoreError: the secret cannot be read or used.
    """
    import jwt  # noqa: PLC0415 - as above

    try:
        kid = jwt.get_unverified_header(text).get("kid")
    except jwt.PyJWTError:
        return "malformed"
    by_kid = keys.by_kid()
    if not isinstance(kid, str) or kid == _CURRENT or kid not in by_kid:
        return "unknown_kid"
    try:
        # The instants are compared below, by the stack's own clock.
        claims = jwt.decode(
            text,
            by_kid[kid],
            algorithms=[_ALGORITHM],
            audience=keys.stack,
            issuer=keys.stack,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidSignatureError:
        return "wrong_signature"
    except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
        return "wrong_stack"
    except jwt.PyJWTError:
        return "malformed"
    return _token(claims, now)


def _token(claims: Mapping[str, Any], now: datetime) -> CustomerToken | TokenRefusal:
    try:
        issued, expires = (datetime.fromtimestamp(int(claims[name]), UTC) for name in ("iat", "exp"))
        begins = datetime.fromtimestamp(int(claims.get("nbf", claims["iat"])), UTC)
        named = str(claims["scope"]).split()
        token = CustomerToken(
            check_customer_id(claims["sub"]),
            frozenset(scope for scope in SCOPES if scope in named),
            expires,
            str(claims["jti"]),
        )
    except (InvalidCustomerId, OSError, OverflowError, TypeError, ValueError):
        return "malformed"
    if expires - issued > LIFE_MAX:
        return "malformed"
    if max(issued, begins) > now + _SKEW:
        return "not_yet"
    return "expired" if expires <= now else token
