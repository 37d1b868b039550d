r"""RSA keys, in every shape in which they come out of dashboards, .env files, CI secrets and Secrets Manager.

Accepted: PEM (PKCS#8, PKCS#1, SPKI) with newlines, CRLF, literal ``\n`` or on one line; bare base64 without header;
quotes and whitespace around any of them. The bytes decide which format it is, not the label: labels and contents get
mixed up.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from pancake_meter.waffo.errors import InvalidKey
from pancake_meter.waffo.platform_keys import PLATFORM_PUBLIC_KEYS, Mode

MAX_KEY_TEXT_LENGTH = 64 * 1024
MAX_PUBLIC_KEYS = 4
"""Keys accepted at once: two during a rotation; each one more is one more RSA operation on a forged request."""

MIN_KEY_BITS = 2048
MAX_KEY_BITS = 8192

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
_QUOTES = "\"'`"


def load_private_key(text: str, name: str = "private key") -> RSAPrivateKey:
    """The RSA private key in ``text``.

    Raises:
        InvalidKey: naming ``name`` and what is wrong, without a character of the key.
    """
    blocks = list(_blocks(text, name))
    if len(blocks) != 1:
        raise InvalidKey(name, f"holds {len(blocks)} keys, not one")
    label, der = blocks[0]
    if "PUBLIC" in label:
        raise InvalidKey(name, "is a public key where a private key is needed")
    try:
        key = load_der_private_key(der, password=None)
    except TypeError:  # what cryptography raises for PKCS#8 under a password
        raise InvalidKey(name, "is encrypted; give the key without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey(name, "is not an RSA private key in PKCS#8 or PKCS#1 form") from None
    if not isinstance(key, RSAPrivateKey):
        raise InvalidKey(name, "is not an RSA key")
    _check_size(key.key_size, name)
    return key


def load_public_keys(text: str, name: str = "public key") -> tuple[RSAPublicKey, ...]:
    """The RSA public keys in ``text``, in order: one, or several PEMs one after another, or several keys separated by
    commas.

    Raises:
        InvalidKey: naming ``name`` and what is wrong. One bad key spoils the lot: half a rotation must not look like a
            whole one.
    """
    keys = tuple(_public_key(label, der, name) for label, der in _blocks(text, name))
    if len(keys) > MAX_PUBLIC_KEYS:
        raise InvalidKey(name, f"holds more than {MAX_PUBLIC_KEYS} keys")
    return keys


def webhook_public_keys(mode: Mode, configured: str = "") -> tuple[RSAPublicKey, ...]:
    """The keys that may sign webhooks for a stack of this mode: those in ``configured``, else Waffo's key of the mode.

    The other mode's key is never tried, unlike in the SDK: test money buys nothing in prod.

    Raises:
        InvalidKey: a configured key cannot be used; there is no falling back to another.
    """
    if configured:
        return load_public_keys(configured, "webhook public key")
    return load_public_keys(PLATFORM_PUBLIC_KEYS[mode], f"built-in {mode} key")


def _public_key(label: str, der: bytes, name: str) -> RSAPublicKey:
    if "PRIVATE" in label:
        raise InvalidKey(name, "is a private key where a public key is needed")
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey(name, "is not an RSA public key in SPKI or PKCS#1 form") from None
    if not isinstance(key, RSAPublicKey):
        raise InvalidKey(name, "is not an RSA key")
    _check_size(key.key_size, name)
    return key


def _check_size(bits: int, name: str) -> None:
    if not MIN_KEY_BITS <= bits <= MAX_KEY_BITS:
        raise InvalidKey(name, f"is an RSA key of {bits} bits; {MIN_KEY_BITS} to {MAX_KEY_BITS} are accepted")


def _blocks(text: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Each key in ``text`` as its PEM label (empty without header) and DER bytes."""
    if len(text) > MAX_KEY_TEXT_LENGTH:
        raise InvalidKey(name, f"is longer than {MAX_KEY_TEXT_LENGTH} characters")
    plain = text.replace("\\r", "\n").replace("\\n", "\n")
    plain = "".join(character for character in plain if character not in _QUOTES).strip(" \t\r\n,\ufeff")
    if not plain:
        raise InvalidKey(name, "is empty")
    if "-----" not in plain:
        for part in plain.split(","):
            yield "", _der(part, name)
        return
    if _PEM.sub("", plain).strip(" \t\r\n,"):
        raise InvalidKey(name, "has text outside a matching pair of BEGIN and END lines")
    for label, body in _PEM.findall(plain):
        if "ENCRYPTED" in label or "ENCRYPTED" in body:
            raise InvalidKey(name, "is encrypted; give the key without a password")
        if not label.endswith("KEY"):
            raise InvalidKey(name, "is PEM of something that is not a key")
        yield label, _der(body, name)


def _der(text: str, name: str) -> bytes:
    compact = "".join(text.split())
    if not compact:
        raise InvalidKey(name, "has no key data")
    try:
        return base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKey(name, "is neither PEM nor base64") from None
