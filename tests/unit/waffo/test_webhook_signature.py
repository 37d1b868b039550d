"""Who sent a webhook, and when."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.waffo.errors import (
    InvalidKey,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
    StaleSignature,
    WebhookRefused,
)
from pancake_meter.waffo.keys import load_public_keys
from pancake_meter.waffo.webhook_signature import parse_signature_header, verify_webhook
from tests.support.waffo_webhooks import DATA, platform_key, reference, sign_webhook

NOW = datetime(2026, 4, 2, 9, 15, 31, 204000, tzinfo=UTC)
BODY = b'{"id":"1"}'
KEYS = (platform_key().public_key(),)
OTHER = generate_private_key(public_exponent=65537, key_size=2048)
HEADER = sign_webhook(BODY, at=NOW)
STAMP, V1 = HEADER.split(",", 1)


def test_the_reference_vector_verifies() -> None:
    # Given
    vector = reference("signature/vector.json")
    keys = load_public_keys((DATA / "signature" / "public_key.pem").read_text("ascii"))
    body = (DATA / "signature" / "body.json").read_bytes()
    # When
    verified = verify_webhook(body, vector["header_value"], keys=keys, now=NOW)
    # Then
    assert (verified.stamped_at, verified.key_index) == (NOW, 0)


@pytest.mark.parametrize(
    "header",
    [
        f"{STAMP},{V1}",
        f"{V1},{STAMP}",
        f" {STAMP} , {V1} ",
        f"{STAMP.replace('=', ' = ')},{V1.replace('v1=', 'v1 = ')}",
        f"v0=abc,{STAMP},kid=7,{V1},flag,",
    ],
    ids=["as sent", "other order", "spaces", "spaces inside", "unknown keys"],
)
def test_the_header_is_read_leniently(header: str) -> None:
    assert verify_webhook(BODY, header, keys=KEYS, now=NOW).stamped_at == NOW


@pytest.mark.parametrize("header", [None, "", "   "], ids=["none", "empty", "blank"])
def test_scenario_13_a_missing_header_is_refused(header: str | None) -> None:
    with pytest.raises(MissingSignature):
        verify_webhook(BODY, header, keys=KEYS, now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        STAMP,
        V1,
        f"t=,{V1}",
        f"{STAMP},v1=",
        f"t=soon,{V1}",
        f"t=-1,{V1}",
        f"t=1.5e12,{V1}",
        f"t=１７７５１２１３３１２０４,{V1}",  # noqa: RUF001 - digits that are not ASCII
        f"t={'9' * 16},{V1}",
        f"{STAMP},v1=not base64!",
        f"{STAMP},{V1},{V1}",
        f"{STAMP},v1=AAAA,{V1}",
        f"{STAMP},t=1,{V1}",
        f"{HEADER},{'x' * 5000}",
    ],
)
def test_scenario_13_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(MalformedSignature):
        verify_webhook(BODY, header, keys=KEYS, now=NOW)


@pytest.mark.parametrize("minutes", [0, 31, 44.99, 45, -1], ids=str)
def test_scenario_9_a_stamp_within_the_window_is_accepted(minutes: float) -> None:
    # Given
    header = sign_webhook(BODY, at=NOW - timedelta(minutes=minutes))
    # When / Then
    assert verify_webhook(BODY, header, keys=KEYS, now=NOW).stamped_at == NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "age",
    [
        timedelta(minutes=46),
        timedelta(minutes=45, milliseconds=1),
        timedelta(minutes=-2),
        timedelta(minutes=-1, milliseconds=-1),
        timedelta(days=365),
    ],
    ids=str,
)
def test_scenario_10_a_stamp_outside_the_window_is_refused(age: timedelta) -> None:
    header = sign_webhook(BODY, at=NOW - age)
    with pytest.raises(StaleSignature):
        verify_webhook(BODY, header, keys=KEYS, now=NOW)


def test_scenario_11_a_stamp_in_seconds_is_refused_as_stale() -> None:
    # Given: what one gets who signs webhooks as requests are signed
    header = f"t={int(NOW.timestamp())},{V1}"
    # When / Then
    with pytest.raises(StaleSignature):
        verify_webhook(BODY, header, keys=KEYS, now=NOW)


@pytest.mark.parametrize(
    "body", [b"", BODY + b"\n", b'{"id": "1"}', b'{"id":"2"}', b"\xff\xfe", BODY.decode().encode("utf-16")]
)
def test_scenario_12_the_raw_bytes_decide(body: bytes) -> None:
    with pytest.raises(SignatureMismatch):
        verify_webhook(body, HEADER, keys=KEYS, now=NOW)


def test_scenario_12_bytes_that_are_not_utf_8_can_be_verified() -> None:
    body = b"\xff\x00\xfe"
    assert verify_webhook(body, sign_webhook(body, at=NOW), keys=KEYS, now=NOW).key_index == 0


def test_scenario_15_a_signature_of_another_key_is_refused() -> None:
    with pytest.raises(SignatureMismatch):
        verify_webhook(BODY, sign_webhook(BODY, at=NOW, key=OTHER), keys=KEYS, now=NOW)


def test_scenario_17_during_a_rotation_both_keys_are_accepted_and_told_apart() -> None:
    # Given
    keys = (OTHER.public_key(), *KEYS)
    # When
    new = verify_webhook(BODY, sign_webhook(BODY, at=NOW, key=OTHER), keys=keys, now=NOW)
    old = verify_webhook(BODY, HEADER, keys=keys, now=NOW)
    # Then
    assert (new.key_index, old.key_index) == (0, 1)


def test_scenario_14_without_a_key_nothing_is_let_through() -> None:
    with pytest.raises(InvalidKey):
        verify_webhook(BODY, HEADER, keys=(), now=NOW)


def test_a_signature_of_the_wrong_length_is_a_mismatch() -> None:
    for signature in (b"\x00", b"\x00" * 255, b"\xff" * 256, b"\x00" * 1024):
        header = f"{STAMP},v1={base64.b64encode(signature).decode()}"
        with pytest.raises(SignatureMismatch):
            verify_webhook(BODY, header, keys=KEYS, now=NOW)


@given(text=st.text(max_size=200))
def test_any_text_as_header_is_a_typed_refusal(text: str) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(BODY, text, keys=KEYS, now=NOW)


@given(st.data())
def test_a_mutated_header_is_a_typed_refusal_or_means_the_same(data: st.DataObject) -> None:
    # Given: one character of the header replaced by, or preceded by, another
    at = data.draw(st.integers(0, len(HEADER) - 1))
    character = data.draw(st.characters(exclude_characters=HEADER[at]))
    mutated = HEADER[:at] + character + HEADER[at + data.draw(st.integers(0, 1)) :]
    # When
    try:
        verify_webhook(BODY, mutated, keys=KEYS, now=NOW)
    except WebhookRefused:
        return
    # Then: accepted only with the very same stamp and signature
    assert parse_signature_header(mutated) == parse_signature_header(HEADER)


@given(body=st.binary(max_size=300))
def test_any_other_body_is_a_mismatch(body: bytes) -> None:
    if body != BODY:
        with pytest.raises(SignatureMismatch):
            verify_webhook(body, HEADER, keys=KEYS, now=NOW)


@given(stamp_ms=st.integers(0, 10**15 - 1))
def test_any_other_stamp_is_a_typed_refusal(stamp_ms: int) -> None:
    if f"t={stamp_ms}" != STAMP:
        with pytest.raises((StaleSignature, SignatureMismatch)):
            verify_webhook(BODY, f"t={stamp_ms},{V1}", keys=KEYS, now=NOW)
