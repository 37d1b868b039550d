"""Webhooks as Waffo sends them: the files in ``events/webhook_*.json``, signed with a key of the test's own."""

import base64
import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pancake_meter.domain.instant import to_ms

EVENTS = Path(__file__).parents[2] / "events"
DATA = Path(__file__).parents[1] / "data" / "waffo"
_MAKING = Lock()


def platform_key() -> RSAPrivateKey:
    """A key that plays Waffo's part: made once, never stored."""
    # A cache alone lets threads that ask at once make one each.
    with _MAKING:
        return _made_once()


@cache
def _made_once() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def signing_with_our_key() -> Iterator[None]:
    """Let a simulator that is made meanwhile sign webhooks with that key: it takes 50 ms to make one, and to read one."""
    with patch("local.waffo_simulator.simulator.platform_key", lambda _pem: platform_key()):
        yield


def public_pem(key: RSAPrivateKey) -> str:
    """The public half, as the ``WAFFO_WEBHOOK_*_PUBLIC_KEY`` settings take it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def sign_webhook(body: bytes, *, at: datetime, key: RSAPrivateKey | None = None) -> str:
    """The value of X-Waffo-Signature for ``body``, stamped at ``at``."""
    stamp_ms = to_ms(at)
    signature = (key or platform_key()).sign(f"{stamp_ms}.".encode() + body, PKCS1v15(), SHA256())
    return f"t={stamp_ms},v1={base64.b64encode(signature).decode('ascii')}"


def webhook_request(name: str) -> dict[str, Any]:
    """The function URL event of ``events/webhook_<name>.json``, for example ``subscription_renewed``. Not yet signed."""
    request: dict[str, Any] = json.loads((EVENTS / f"webhook_{name}.json").read_text("utf-8"))
    return request


def signed_request(
    request: dict[str, Any], *, at: datetime, body: bytes | None = None, key: RSAPrivateKey | None = None
) -> dict[str, Any]:
    """A copy of a function URL event, signed at ``at``; with ``body`` in the place of its own body, if given."""
    signed = copy.deepcopy(request)
    if body is not None:
        signed["body"] = body.decode("utf-8")
        signed["isBase64Encoded"] = False
    signed["headers"]["x-waffo-signature"] = sign_webhook(body_of(signed), at=at, key=key)
    return signed


def body_of(request: dict[str, Any]) -> bytes:
    """The raw bytes that were posted."""
    body: str = request["body"]
    return base64.b64decode(body) if request["isBase64Encoded"] else body.encode("utf-8")


def reference(path: str) -> Any:
    """A reference payload, for example ``events/04_subscription.renewed.json`` or ``errors/429_rate_limited.json``."""
    return json.loads((DATA / path).read_text("utf-8"))


def encode(document: object) -> bytes:
    """JSON as Waffo writes it: compact, UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
