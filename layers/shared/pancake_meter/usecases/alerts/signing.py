"""The secrets of endpoints: each follows from a key of the stack and the endpoint's salt, and is kept nowhere.

The key is a secret of the stack, JSON as that of customer tokens: ``current`` names the one that new secrets are made with,
every other entry is a key by its ``kid``. Neither the table alone nor the key alone tells a secret.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from pancake_meter.domain.alerts.endpoint import SigningSecret
from pancake_meter.store.errors import StoreError

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of Standard Webhooks

_CURRENT: Final = "current"
_KEY_LENGTH_MIN: Final = 32


class UnusableSigningKey(StoreError):
    """The key of the endpoints' secrets is not what it should be: nothing is signed, and nothing is sent."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The stack's keys. ``secret`` is asked for each use."""

    secret: Callable[[], str]

    def new(self) -> SigningSecret:
        """Return what a new secret is made of. Raises ``StoreError``."""
        return SigningSecret(self._by_kid()[_CURRENT], uuid4().hex)

    def text(self, endpoint_id: str, secret: SigningSecret) -> str:
        """Return a secret as receivers are given it. Raises ``StoreError``: also where its key is gone."""
        key = self._by_kid().get(secret.kid)
        if key is None:
            raise UnusableSigningKey(f"the key {secret.kid} of endpoints' secrets is gone")
        made = hmac.digest(key.encode(), f"alert-endpoint#{endpoint_id}#{secret.salt}".encode(), "sha256")
        return SECRET_PREFIX + base64.b64encode(made).decode()

    def _by_kid(self) -> Mapping[str, str]:
        try:
            keys = json.loads(self.secret())
        except ValueError as error:
            raise UnusableSigningKey("the key of endpoints' secrets is not JSON") from error
        is_usable = isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values())
        if not is_usable or keys.get(keys.get(_CURRENT)) is None or keys.get(_CURRENT) == _CURRENT:
            raise UnusableSigningKey("the secret names no current key")
        if any(len(key) < _KEY_LENGTH_MIN for kid, key in keys.items() if kid != _CURRENT):
            raise UnusableSigningKey(f"a key has at least {_KEY_LENGTH_MIN} characters")
        found: Mapping[str, str] = keys
        return found
