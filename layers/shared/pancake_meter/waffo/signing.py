r"""Signing a request to Waffo: RSA PKCS#1 v1.5 with SHA-256 over ``METHOD\nPATH\nTIMESTAMP\nBASE64(SHA256(BODY))``."""

import base64
import hashlib
import re
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from pancake_meter.value import Value, hiding
from pancake_meter.waffo.errors import InvalidRequest

_MERCHANT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class SignerSource(Protocol):
    """Where a client finds its signer at each request: a key may be changed while the client lives."""

    def current(self) -> "RequestSigner":
        """Return the signer of now."""

    def renewed(self, rejected: "RequestSigner") -> "RequestSigner | None":
        """Return the signer that replaces one that Waffo answers 401 to, or ``None`` where there is no other."""


@hiding("private_key")
class RequestSigner(Value):
    """A merchant's id and private key. The key also decides the environment (test or prod) that a request reaches.

    Raises:
        InvalidRequest: the merchant id cannot stand in a header.
    """

    merchant_id: str
    private_key: RSAPrivateKey

    def __post_init__(self) -> None:
        """Refuse a merchant id that would end the header it stands in."""
        if not _MERCHANT_ID.fullmatch(self.merchant_id):
            raise InvalidRequest("X-Merchant-Id", "is not 1 to 128 letters, digits, hyphens and underscores")

    def current(self) -> "RequestSigner":
        """Return this signer: its key does not change."""
        return self

    def renewed(self, rejected: "RequestSigner") -> "RequestSigner | None":  # noqa: ARG002 - there is no other key
        """Return ``None``: there is no other key."""
        return None

    def headers(self, path: str, body: bytes, *, timestamp_seconds: int, method: str = "POST") -> dict[str, str]:
        """The three headers that sign exactly these bytes for this path.

        ``timestamp_seconds`` is Unix time in **seconds**; webhooks, the other way, are stamped in milliseconds.
        """
        message = canonical_request(method, path, timestamp_seconds, body)
        signature = self.private_key.sign(message, PKCS1v15(), SHA256())
        return {
            "X-Merchant-Id": self.merchant_id,
            "X-Timestamp": str(timestamp_seconds),
            "X-Signature": base64.b64encode(signature).decode("ascii"),
        }


def canonical_request(method: str, path: str, timestamp_seconds: int, body: bytes) -> bytes:
    """The bytes that are signed. ``path`` has no host and no prefix of the base URL, as in the official SDK."""
    body_hash = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    return f"{method}\n{path}\n{timestamp_seconds}\n{body_hash}".encode()
