"""RSA keys in every shape."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pancake_meter.waffo.errors import InvalidKey
from pancake_meter.waffo.keys import load_private_key, load_public_keys, webhook_public_keys
from pancake_meter.waffo.platform_keys import PLATFORM_PUBLIC_KEYS, PROD_PUBLIC_KEY, TEST_PUBLIC_KEY
from tests.support.waffo_webhooks import platform_key, public_pem

KEY = platform_key()
PKCS8 = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PKCS1 = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
SPKI = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PKCS1_PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _bare(pem: str, separator: str = "") -> str:
    return separator.join(line for line in pem.splitlines() if not line.startswith("-----"))


SHAPES: dict[str, Callable[[str], str]] = {
    "as written": lambda pem: pem,
    "without last newline": lambda pem: pem.strip(),
    "CRLF": lambda pem: pem.replace("\n", "\r\n"),
    "literal backslash n": lambda pem: pem.replace("\n", "\\n"),
    "literal backslash r and n": lambda pem: pem.replace("\n", "\\r\\n"),
    "one line": lambda pem: pem.replace("\n", ""),
    "one line with spaces": lambda pem: pem.replace("\n", " "),
    "base64 without header": _bare,
    "wrapped base64 without header": lambda pem: _bare(pem, "\n"),
    "double quotes": lambda pem: f'"{pem}"',
    "single quotes and literal backslash n": lambda pem: "'" + pem.replace("\n", "\\n") + "'",
    "whitespace around": lambda pem: f" \n\t{pem}\n\n ",
    "indented lines": lambda pem: pem.replace("\n", "\n    "),
    "byte order mark": lambda pem: "\ufeff" + pem,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("pem", [PKCS8, PKCS1], ids=["PKCS#8", "PKCS#1"])
def test_a_private_key_loads_in_every_shape(pem: str, shape: Callable[[str], str]) -> None:
    # When
    key = load_private_key(shape(pem))
    # Then
    assert key.private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("pem", [SPKI, PKCS1_PUBLIC], ids=["SPKI", "PKCS#1"])
def test_a_public_key_loads_in_every_shape(pem: str, shape: Callable[[str], str]) -> None:
    # When
    keys = load_public_keys(shape(pem))
    # Then
    assert [key.public_numbers() for key in keys] == [KEY.public_key().public_numbers()]


def test_a_header_that_names_the_wrong_format_does_no_harm() -> None:
    # Given
    mislabelled = PKCS1.replace("RSA PRIVATE KEY", "PRIVATE KEY")
    # When / Then
    assert load_private_key(mislabelled).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    "text",
    [
        SPKI + public_pem(OTHER),
        SPKI + "\n,\n" + public_pem(OTHER),
        (SPKI + public_pem(OTHER)).replace("\n", "\\n"),
        _bare(SPKI) + "," + _bare(public_pem(OTHER)),
        f"  {_bare(SPKI)} , {_bare(public_pem(OTHER))},",
    ],
    ids=["concatenated", "commas", "literal newlines", "bare", "bare with spaces and trailing comma"],
)
def test_scenario_17_two_public_keys_are_read_in_order(text: str) -> None:
    # When
    keys = load_public_keys(text)
    # Then
    assert [key.public_numbers() for key in keys] == [
        KEY.public_key().public_numbers(),
        OTHER.public_key().public_numbers(),
    ]


SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
EC = ec.generate_private_key(ec.SECP256R1())
BAD_PRIVATE = {
    "empty": ("", "is empty"),
    "blank": ("  \n ", "is empty"),
    "only quotes": ('""', "is empty"),
    "words": ("my key!", "is neither PEM nor base64"),
    "header and footer only": ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "has no key data"),
    "truncated": (PKCS8[:400], "has text outside a matching pair of BEGIN and END lines"),
    "garbled": (PKCS8[:200] + "?" + PKCS8[201:], "is neither PEM nor base64"),
    "cut inside": (
        "".join(PKCS8.splitlines()[:5] + PKCS8.splitlines()[6:]),
        "is not an RSA private key in PKCS#8 or PKCS#1 form",
    ),
    "other bytes": (
        base64.b64encode(b"not a key at all").decode(),
        "is not an RSA private key in PKCS#8 or PKCS#1 form",
    ),
    "public key": (SPKI, "is a public key where a private key is needed"),
    "two keys": (PKCS8 + PKCS8, "holds 2 keys, not one"),
    "certificate": (
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "is PEM of something that is not a key",
    ),
    "encrypted": (
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode(),
        "is encrypted; give the key without a password",
    ),
    "encrypted, old format": (
        KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")).decode(),
        "is encrypted; give the key without a password",
    ),
    "encrypted, bare": (
        _bare(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()),
        "is encrypted; give the key without a password",
    ),
    "elliptic curve": (
        EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "is not an RSA key",
    ),
    "too small": (
        SMALL.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "is an RSA key of 1024 bits; 2048 to 8192 are accepted",
    ),
    "too long": ("A" * 70_000, "is longer than 65536 characters"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_PRIVATE.values(), ids=BAD_PRIVATE.keys())
def test_a_bad_private_key_is_named_and_explained(text: str, problem: str) -> None:
    # When
    with pytest.raises(InvalidKey) as caught:
        load_private_key(text, "WAFFO_PRIVATE_KEY")
    # Then
    assert caught.value.problem == problem
    assert str(caught.value) == f"WAFFO_PRIVATE_KEY {problem}"


@pytest.mark.parametrize("text", [text for text, _ in BAD_PRIVATE.values()], ids=BAD_PRIVATE.keys())
def test_no_error_carries_key_material_not_even_in_its_cause(text: str) -> None:
    # When
    with pytest.raises(InvalidKey) as caught:
        load_private_key(text)
    # Then: no 12 characters of the text are in the message, and nothing else will be printed with it
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    body = "".join(_bare(text).split())
    assert not any(body[at : at + 12] in str(caught.value) for at in range(0, min(len(body), 3000) - 12, 3))


BAD_PUBLIC = {
    "empty": ("", "is empty"),
    "private key": (PKCS8, "is a private key where a public key is needed"),
    "elliptic curve": (
        EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "is not an RSA key",
    ),
    "other bytes": (base64.b64encode(b"not a key").decode(), "is not an RSA public key in SPKI or PKCS#1 form"),
    "second of two is bad": (SPKI + "AAAA", "has text outside a matching pair of BEGIN and END lines"),
    "empty between commas": (_bare(SPKI) + ",," + _bare(SPKI), "has no key data"),
    "too many": (SPKI * 5, "holds more than 4 keys"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_PUBLIC.values(), ids=BAD_PUBLIC.keys())
def test_a_bad_public_key_is_explained(text: str, problem: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        load_public_keys(text)
    assert caught.value.problem == problem


def test_without_configuration_a_mode_has_waffos_own_key_of_that_mode_alone() -> None:
    # When
    test_keys, prod_keys = webhook_public_keys("test"), webhook_public_keys("prod")
    # Then
    assert [key.key_size for key in test_keys] == [2048]
    assert test_keys == load_public_keys(TEST_PUBLIC_KEY)
    assert prod_keys == load_public_keys(PROD_PUBLIC_KEY)
    assert test_keys != prod_keys
    assert set(PLATFORM_PUBLIC_KEYS) == {"test", "prod"}


def test_a_configured_key_takes_the_place_of_the_built_in_one() -> None:
    assert webhook_public_keys("prod", SPKI) == (KEY.public_key(),)


def test_scenario_14_a_bad_configured_key_stops_instead_of_falling_back() -> None:
    with pytest.raises(InvalidKey):
        webhook_public_keys("prod", "not a key!")
