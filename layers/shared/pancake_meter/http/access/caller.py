"""Who calls: what the authorizer found out about the bearer, as API Gateway hands it to the functions and to its log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pancake_meter.domain.access.api_key import ApiKey
from pancake_meter.domain.access.customer_token import SCOPES, CustomerToken
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.value import Value

_NAME_OF_TOKENS: Final = "customer-token"
"""Stands in the access log where a call has no API key."""


class KeyCaller(Value):
    """A call with an API key. ``name`` goes into logs, ledgers and histories."""

    key_id: str
    name: str
    roles: frozenset[Role]

    @classmethod
    def of(cls, key: ApiKey) -> "KeyCaller":
        """Return the caller that bears ``key``."""
        return cls(key.id, key.plain_name, key.roles)

    @property
    def context(self) -> Mapping[str, str]:
        """The authorizer's context: texts, so that the access log can show each."""
        return {
            "key_id": self.key_id,
            "key_name": self.name,
            "roles": " ".join(role for role in ROLES if role in self.roles),
        }


Caller = KeyCaller | CustomerToken


def token_context(token: CustomerToken) -> Mapping[str, str]:
    """Return the authorizer's context of a call with a customer token."""
    return {
        "customer_id": token.customer_id,
        "scopes": " ".join(scope for scope in SCOPES if scope in token.scopes),
        "token_expires_at_ms": str(to_ms(token.expires_at)),
        "token_id": token.id,
        "key_name": _NAME_OF_TOKENS,
    }


def caller_of(event: Mapping[str, Any]) -> Caller | None:
    """Return who makes a request, or ``None`` where the authorizer was not asked.

    Raises:
        KeyError, ValueError: the context is of a token, and lacks what tells what it may do.
    """
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    context: Mapping[str, Any] = authorizer.get("lambda") or {}
    if "customer_id" in context:
        named = str(context["scopes"]).split()
        return CustomerToken(
            str(context["customer_id"]),
            frozenset(SCOPES).intersection(named),
            _instant(context["token_expires_at_ms"]),
            str(context["token_id"]),
        )
    if "key_name" not in context:
        return None
    named = str(context.get("roles", "")).split()
    roles = frozenset(ROLES).intersection(named)
    return KeyCaller(str(context.get("key_id", "")), str(context["key_name"]), roles)


def key_caller_of(event: Mapping[str, Any]) -> KeyCaller | None:
    """Return the API key of a request, or ``None`` where it has none."""
    caller = caller_of(event)
    return caller if isinstance(caller, KeyCaller) else None


def _instant(milliseconds: object) -> datetime:
    return from_ms(int(str(milliseconds)))
