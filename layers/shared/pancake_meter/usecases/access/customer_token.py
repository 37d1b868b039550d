"""Customer tokens: JWTs signed with HMAC-SHA256, so that the authorizer checks one without a read.

The secret is JSON: ``current`` names the key that signs, and every other entry is a key by its ``kid``. A token stays valid
as long as its ``kid`` is there; so a key is rotated by adding one, making it current, and taking the old one away later.
Issuer and audience are the stack: no stack takes another's token, even where two share a secret.
"""

from collections.abc import Callable, Mapping
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
from pancake_meter.domain.access.once import IdempotencyConflict, Once
from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import InvalidCustomerId
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.access.once import done_write, read_done
from pancake_meter.store.errors import StoreBusy, StoreError, WriteRefused
from pancake_meter.store.table import Table
from pancake_meter.usecases.key_ring import CURRENT, read_key_ring
from pancake_meter.value import Value

TOKEN_LENGTH_MAX: Final = 4_000
"""Room for a customer id of 128 characters, each written as two escapes."""

_TRIES_MAX: Final = 3
_ALGORITHM: Final = "HS256"
_SKEW: Final = timedelta(minutes=1)
"""What two clocks may differ by."""

_CLAIMS: Final = ("iss", "aud", "sub", "scope", "iat", "exp", "jti")


class UnusableSecret(StoreError):
    """The secret that signs customer tokens is not what it should be: nobody is let in by a token, and none is made."""


class TokenKeys(Value):
    """The stack that tokens are of, and the secret with the keys that sign them. ``secret`` is asked for each token."""

    stack: str
    secret: Callable[[], str]

    def by_kid(self) -> Mapping[str, str]:
        """Return the keys by their ``kid``, and which is current under ``current``. Raises ``StoreError``."""
        return read_key_ring(self.secret(), "customer tokens", UnusableSecret)


class MadeToken(Value):
    """A token that was made at ``at``: its text, which is stored nowhere. ``is_replay``: by an earlier request."""

    text: str
    token: CustomerToken
    at: datetime
    is_replay: bool = False


def make_token_once(
    table: Table,
    keys: TokenKeys,
    once: Once,
    customer_id: str,
    scopes: frozenset[Scope],
    life: timedelta,
    now: datetime,
) -> MadeToken:
    """Make a token, once for each ``once``; a repeat gets the same token as long as it lives.

    What it says is kept, without the customer, and is signed again with the same key: no token is kept.

    Raises:
        IdempotencyConflict: the request's key was used for another request.
        InvalidLife, StoreError: as ``make_token``.
    """
    for _ in range(_TRIES_MAX):
        facts = read_done(table, once, now)
        if facts is not None:
            at = from_ms(facts["at"])
            made = make_token(keys, customer_id, scopes, life, at, token_id=facts["id"], kid=facts["kid"])
            return MadeToken(*made, at, is_replay=True)
        kid, token_id = keys.by_kid()[CURRENT], uuid4().hex
        text, token = make_token(keys, customer_id, scopes, life, now, token_id=token_id, kid=kid)
        try:
            table.write(done_write(once, {"at": to_ms(now), "id": token_id, "kid": kid}, token.expires_at, now))
        except WriteRefused:
            continue
        return MadeToken(text, token, now)
    raise StoreBusy("the same request is being answered")


def make_token(
    keys: TokenKeys,
    customer_id: str,
    scopes: frozenset[Scope],
    life: timedelta,
    now: datetime,
    *,
    token_id: str | None = None,
    kid: str | None = None,
) -> tuple[str, CustomerToken]:
    """Return a signed token for one customer, and what it says; ``kid`` names the key that signs, if not the current one.

    Raises:
        IdempotencyConflict: there is no such key any more.
        InvalidLife: it would live shorter than a minute or longer than an hour.
        StoreError: the secret cannot be read or used.
    """
    if not LIFE_MIN <= life <= LIFE_MAX:
        raise InvalidLife(f"a token lives {int(LIFE_MIN.total_seconds())} to {int(LIFE_MAX.total_seconds())} seconds")
    issued = now.replace(microsecond=0)
    token = CustomerToken(customer_id, scopes, issued + life, token_id or uuid4().hex)
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
    kid = kid or by_kid[CURRENT]
    if kid not in by_kid:
        raise IdempotencyConflict("the key that signed the token is gone, and so is the token: ask for another")
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
    if not isinstance(kid, str) or kid == CURRENT or kid not in by_kid:
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
