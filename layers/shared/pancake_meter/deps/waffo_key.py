"""The merchant's private key, out of its secret: a changed one is used within five minutes, and at once after a 401."""

import threading

from pancake_meter.deps.secret import Secret, SecretUnavailable
from pancake_meter.waffo.errors import InvalidKey
from pancake_meter.waffo.keys import load_private_key
from pancake_meter.waffo.signing import RequestSigner


class RotatingSigner:
    """Signs with the key that the secret has now. Threads may share it: none waits for another that reads it."""

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
