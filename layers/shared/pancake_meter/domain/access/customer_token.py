"""Customer tokens: what a browser or a client app of one customer may do, for minutes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal, get_args

from pancake_meter.domain.errors import DomainError
from pancake_meter.value import Value

Scope = Literal["read", "buy", "hold"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

SCOPE_MEANING: Final[Mapping[Scope, str]] = {
    "read": "read the customer's quota, limits, usage, ledger and checkouts, and what is for sale",
    "buy": "open a checkout, set the customer's own spend cap, and in the portal cancel a subscription",
    "hold": "place, settle and release holds",
}

LIFE_DEFAULT: Final = timedelta(minutes=15)
LIFE_MIN: Final = timedelta(minutes=1)
LIFE_MAX: Final = timedelta(hours=1)

TokenRefusal = Literal["malformed", "unknown_kid", "wrong_signature", "wrong_stack", "expired", "not_yet", "no_scope"]
"""Why a token is refused. It is for the log alone."""


class ScopeNotAllowed(DomainError):
    """The API key may not do itself what the token would allow."""

    code: ClassVar[str] = "scope_not_allowed"


class InvalidLife(DomainError):
    """A token would live too short or too long."""

    code: ClassVar[str] = "invalid_lifetime"


class CustomerToken(Value):
    """What a token says: whose it is, what it allows, and until when. ``id`` is for logs."""

    customer_id: str
    scopes: frozenset[Scope]
    expires_at: datetime
    id: str

    def refusal_at(self, scope: Scope | None, now: datetime) -> TokenRefusal | None:
        """Return why the token does not open a route of ``scope`` at ``now``, or ``None`` where it does."""
        if self.expires_at <= now:
            return "expired"
        return None if scope in self.scopes else "no_scope"
