"""Signatures: requests of the merchant are checked, webhooks are signed, session tokens are both."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

KEY_BITS = 2048


def merchant_key(pem: str) -> RSAPublicKey:
    """The merchant's public key. Raises `ValueError`."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the merchant's public key is not an RSA key")  # noqa: TRY004 - the text is wrong, not its type
    return key


def platform_key(pem: str | None) -> RSAPrivateKey:
    """The key that signs webhooks; a new one when none is given. Raises `ValueError`."""
    if pem is None:
        return generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the platform's private key is not an RSA key")  # noqa: TRY004 - as above
    return key


def public_pem(key: RSAPrivateKey) -> str:
    """The public half, as the WAFFO_WEBHOOK_*_PUBLIC_KEY settings take it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def request_is_signed(
    key: RSAPublicKey, *, method: str, path: str, timestamp: str, content: bytes, signature: str
) -> bool:
    """Whether the signature fits METHOD, PATH, TIMESTAMP and the hash of the exact body."""
    body_hash = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
    canonical = f"{method}\n{path}\n{timestamp}\n{body_hash}"
    try:
        key.verify(base64.b64decode(signature, validate=True), canonical.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return True


def webhook_signature(key: RSAPrivateKey, content: bytes, stamp_ms: int) -> str:
    """The value of X-Waffo-Signature."""
    signature = key.sign(f"{stamp_ms}.".encode() + content, PKCS1v15(), SHA256())
    return f"t={stamp_ms},v1={base64.b64encode(signature).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Buyer:
    """Whom a session token speaks of, and until when."""

    identity: str
    expires_at: datetime


class Tokens:
    """Session tokens: JWTs under a secret of this simulator."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def issue(self, buyer: Buyer, store_id: str) -> str:
        """A token for this buyer."""
        claims = {"storeId": store_id, "buyerIdentity": buyer.identity, "exp": buyer.expires_at.timestamp()}
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str, now: datetime) -> Buyer | None:
        """The buyer, or `None`: not one of ours, or expired."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        buyer = Buyer(claims["buyerIdentity"], datetime.fromtimestamp(claims["exp"], now.tzinfo))
        return buyer if now < buyer.expires_at else None

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.new(self._secret, signed.encode(), hashlib.sha256).digest())


def _part(value: dict[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")
