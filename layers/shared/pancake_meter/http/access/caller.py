"""Who calls: what the authorizer found out about the bearer, as API Gateway hands it to the functions and to its log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pancake_meter.domain.access.api_key import ApiKey
from pancake_meter.domain.access.role import ROLES, Role


@dataclass(frozen=True, slots=True)
class KeyCaller:
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


def key_caller_of(event: Mapping[str, Any]) -> KeyCaller | None:
    """Return the API key of a request, or ``None`` where no key was needed or named."""
    context = _context(event)
    if "key_name" not in context:
        return None
    named = str(context.get("roles", "")).split()
    return KeyCaller(
        str(context.get("key_id", "")), str(context["key_name"]), frozenset(role for role in ROLES if role in named)
    )


def _context(event: Mapping[str, Any]) -> Mapping[str, Any]:
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    return authorizer.get("lambda") or {}
