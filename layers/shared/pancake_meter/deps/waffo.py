"""Waffo's API for the merchant of this stack, and the merchant's private key out of its secret."""

import threading
from functools import cache

from aws_lambda_powertools import Logger

from pancake_meter.deps.config import WaffoApiSettings
from pancake_meter.deps.secret import Secret, SecretUnavailable
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import InvalidKey
from pancake_meter.waffo.keys import load_private_key
from pancake_meter.waffo.signing import RequestSigner


@cache
def waffo_client(settings: WaffoApiSettings) -> WaffoClient:
    """Return the client of this stack, made once: each has TLS settings and connections of its own.

    The private key is read by the first request.
    """
    signer = RotatingSigner(settings.merchant_id, Secret(settings.private_key_secret_id))
    return WaffoClient(signer, api_url=settings.api_url, log=Logger(child=True))


class RotatingSigner:
    """Signs with the key that the secret has now: a changed key is used within five minutes, and at once after a 401.

    Threads may share it. While one thread reads the secret, the others do not wait for it.
    """

    def __init__(self, merchant_id: str, secret: Secret) -> None:
        """Prepare; the secret is read when something is signed."""
        self._merchant_id = merchant_id
        self._secret = secret
        self._lock = threading.Lock()
        self._text: str | None = None
        self._signer: RequestSigner | None = None

    def current(self) -> RequestSigner:
        """Return the signer of the key as last read.

        Raises:
            SecretUnavailable: the key cannot be read, or is none.
        """
        return self._signer_of(self._secret())

    def renewed(self, rejected: RequestSigner) -> RequestSigner | None:
        """Return the signer of another key than ``rejected`` has, read anew; ``None`` where the secret has no other."""
        if self._signer is rejected:
            self._secret.renew()
        signer = self.current()
        return None if signer is rejected else signer

    def _signer_of(self, text: str) -> RequestSigner:
        with self._lock:
            if self._signer is None or text != self._text:
                try:
                    key = load_private_key(text)
                except InvalidKey as error:
                    raise SecretUnavailable(f"secret {self._secret.id}: {error}") from None
                self._signer, self._text = RequestSigner(self._merchant_id, key), text
            return self._signer
