"""Verifying that a webhook comes from Waffo: ``X-Waffo-Signature: t=<Unix milliseconds>,v1=<base64>`` over ``<t>.<raw
body>``.

It fails closed: there is no way to the end of ``verify_webhook`` without a key that fits.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.value import Value
from pancake_meter.waffo.errors import (
    InvalidKey,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
    StaleSignature,
)

SIGNATURE_HEADER = "x-waffo-signature"
"""In lower case, as API Gateway and function URLs hand headers over."""

PAST_TOLERANCE = timedelta(minutes=45)
"""The stamp is made before the first attempt and every retry reuses it; retries were seen 31 minutes late."""

FUTURE_TOLERANCE = timedelta(minutes=1)

MAX_HEADER_LENGTH = 4096
_STAMP_MS = re.compile(r"[0-9]{1,15}")


class SignatureHeader(Value):
    """The two values that matter in the header: the stamp in milliseconds as written, and the signature's bytes."""

    stamp_ms: str
    signature: bytes


class VerifiedSignature(Value):
    """Proof that a key fits: when Waffo stamped the delivery, and which of the accepted keys (from 0) it was."""

    stamped_at: datetime
    key_index: int


def verify_webhook(
    body: bytes, header: str | None, *, keys: Sequence[RSAPublicKey], now: datetime
) -> VerifiedSignature:
    """Check the signature over the raw body. ``now`` is aware; ``keys`` are those of this stack's mode, in order of
    preference.

    Raises:
        MissingSignature: no header, or an empty one.
        MalformedSignature: no, or more than one, ``t`` or ``v1``; a stamp that is not digits; a signature that is not
            base64.
        StaleSignature: stamped more than 45 minutes before or 1 minute after ``now``.
        SignatureMismatch: none of the keys made it.
        InvalidKey: there is no key to verify with.
    """
    if not keys:
        raise InvalidKey("webhook public key", "is not configured")
    parsed = parse_signature_header(header)
    age = timedelta(milliseconds=to_ms(now) - int(parsed.stamp_ms))
    if not -FUTURE_TOLERANCE <= age <= PAST_TOLERANCE:
        raise StaleSignature("the stamp is outside the accepted window")
    message = parsed.stamp_ms.encode("ascii") + b"." + body
    for index, key in enumerate(keys):
        if _fits(key, parsed.signature, message):
            return VerifiedSignature(stamped_at=from_ms(int(parsed.stamp_ms)), key_index=index)
    raise SignatureMismatch("no accepted key made this signature")


def parse_signature_header(header: str | None) -> SignatureHeader:
    """Read the header: pairs in any order, spaces around them, unknown keys skipped.

    Raises:
        MissingSignature: no header, or an empty one.
        MalformedSignature: as for ``verify_webhook``.
    """
    if header is None or not header.strip():
        raise MissingSignature("there is no signature header")
    if len(header) > MAX_HEADER_LENGTH:
        raise MalformedSignature("the signature header is too long")
    pairs = [(name.strip(), value.strip()) for name, _, value in (pair.partition("=") for pair in header.split(","))]
    stamp_ms = _only("t", pairs)
    if not _STAMP_MS.fullmatch(stamp_ms):
        raise MalformedSignature("t is not Unix time in milliseconds")
    try:
        signature = base64.b64decode(_only("v1", pairs), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedSignature("v1 is not base64") from None
    return SignatureHeader(stamp_ms, signature)


def _only(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The one value of ``name``: with two, it would be unclear which of them was checked."""
    values = [value for key, value in pairs if key == name]
    if len(values) != 1 or not values[0]:
        raise MalformedSignature(f"{name} is not given exactly once")
    return values[0]


def _fits(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
