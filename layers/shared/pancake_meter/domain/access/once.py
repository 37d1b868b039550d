"""What happens once for a key that the caller makes: the header ``Idempotency-Key`` of requests that create something."""

import hashlib
import json
from datetime import timedelta
from typing import ClassVar, Final, Self

from pancake_meter.domain.errors import DomainError
from pancake_meter.value import Value

REMEMBERED: Final = timedelta(hours=24)
"""For so long a repeat is known as one. A customer token is remembered only as long as it lives."""


class IdempotencyConflict(DomainError):
    """The Idempotency-Key was used for another request."""

    code: ClassVar[str] = "idempotency_conflict"


class Once(Value):
    """A request that happens once. ``id`` is of the route, what the path names, and the key; ``fingerprint`` is of the rest.

    Both are digests: nothing that a caller has sent is kept.
    """

    id: str
    fingerprint: str

    @classmethod
    def of(cls, route: str, subject: str, key: str, content: str) -> Self:
        """Return the request that ``content`` makes at a route, about a subject, under a key."""
        return cls(_digest(route, subject, key), _digest(content))

    def check(self, fingerprint: str) -> None:
        """Raise ``IdempotencyConflict`` where the earlier request under the key had other content."""
        if fingerprint != self.fingerprint:
            raise IdempotencyConflict("the Idempotency-Key was used for another request: make a new one for each")


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
