"""Sessions of the console: an operator has shown a key, and the browser holds a secret in its place.

The secret is 32 random bytes. The table has its hash alone, so whoever reads the table can open no session.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.access.api_key import Mode
from pancake_meter.value import Value

LIFE: Final = timedelta(hours=8)
"""After that an operator shows the key again, whatever happens."""

IDLE_MAX: Final = timedelta(hours=1)
"""A session that asks for nothing for so long is over."""

SEEN_STEP: Final = timedelta(minutes=5)
"""The time of the last request is kept no more exactly than that: so most requests write nothing."""

SECRET_LENGTH: Final = 43
_RANDOM_BYTES: Final = 32
_FORMS: Final = b"pancake-meter console forms, version 1"


class ConsoleSession(Value):
    """A session. ``id`` is the hash of its secret; ``key_id`` is the key that was shown, of the stack's ``mode`` then."""

    id: str
    key_id: str
    mode: Mode
    began_at: datetime
    seen_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When it ends if nothing more is asked for."""
        return min(self.began_at + LIFE, self.seen_at + IDLE_MAX)

    def is_live_at(self, now: datetime) -> bool:
        """Whether it still opens the console."""
        return now < self.ends_at

    def is_to_be_seen_at(self, now: datetime) -> bool:
        """Whether the time of this request is worth a write."""
        return now - self.seen_at >= SEEN_STEP


def new_secret() -> str:
    """Return a secret for a new session."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def session_id(secret: str) -> str:
    """Return the hash under which the table has a session."""
    return hashlib.sha256(secret.encode()).hexdigest()


def form_token(secret: str) -> str:
    """Return what each form of a session carries, so that no other site can send one in the operator's name.

    It follows from the secret, which no script and no other site can read, and it does not tell the secret.
    """
    return hmac.new(secret.encode(), _FORMS, hashlib.sha256).hexdigest()


def is_form_token(secret: str, stated: str) -> bool:
    """Return whether a form carries the token of the session."""
    return hmac.compare_digest(form_token(secret).encode(), stated.encode())
