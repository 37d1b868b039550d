"""The secrets of endpoints: each follows from a key of the stack and the endpoint's salt, and is kept nowhere.

The key is one of a key ring (``usecases/key_ring.py``). Neither the table alone nor the key alone tells a secret.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid4

from pancake_meter.domain.alerts.endpoint import SigningSecret
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.key_ring import CURRENT, read_key_ring
from pancake_meter.value import Value

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of Standard Webhooks


class UnusableSigningKey(StoreError):
    """The key of the endpoints' secrets is not what it should be: nothing is signed, and nothing is sent."""


class SigningKeys(Value):
    """The stack's keys. ``secret`` is asked for each use."""

    secret: Callable[[], str]

    def new(self) -> SigningSecret:
        """Return what a new secret is made of. Raises ``StoreError``."""
        return SigningSecret(self._by_kid()[CURRENT], uuid4().hex)

    def text(self, endpoint_id: str, secret: SigningSecret) -> str:
        """Return a secret as receivers are given it. Raises ``StoreError``: also where its key is gone."""
        key = self._by_kid().get(secret.kid)
        if key is None:
            raise UnusableSigningKey(f"the key {secret.kid} of endpoints' secrets is gone")
        made = hmac.digest(key.encode(), f"alert-endpoint#{endpoint_id}#{secret.salt}".encode(), "sha256")
        return SECRET_PREFIX + base64.b64encode(made).decode()

    def _by_kid(self) -> Mapping[str, str]:
        return read_key_ring(self.secret(), "endpoints", UnusableSigningKey)
