"""Our verdict on webhook signatures, with the official SDK's verifyWebhook as referee."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from pancake_meter.domain.instant import to_ms
from pancake_meter.waffo.errors import WebhookRefused
from pancake_meter.waffo.keys import load_public_keys
from pancake_meter.waffo.platform_keys import PROD_PUBLIC_KEY, TEST_PUBLIC_KEY
from pancake_meter.waffo.webhook_signature import verify_webhook
from tests.support.node import run_node
from tests.support.waffo_webhooks import (
    DATA,
    EVENTS,
    body_of,
    platform_key,
    public_pem,
    reference,
    sign_webhook,
    webhook_request,
)

NOW = datetime(2026, 4, 2, 9, 15, 31, 204_000, tzinfo=UTC)
BODY = '{"id":"1","note":"naïve 東京 🥞"}'.encode()
OTHER = generate_private_key(public_exponent=65537, key_size=2048)

Delivery = tuple[str | None, bytes]


def _ours(deliveries: list[Delivery], public_key: str) -> list[bool]:
    keys = load_public_keys(public_key)

    def verdict(header: str | None, body: bytes) -> bool:
        try:
            verify_webhook(body, header, keys=keys, now=NOW)
        except WebhookRefused:
            return False
        return True

    return [verdict(header, body) for header, body in deliveries]


def _sdks(deliveries: list[Delivery], public_key: str) -> list[bool]:
    verdicts: list[bool] = run_node(
        "verify_request_webhooks.mjs",
        {
            "nowMs": to_ms(NOW),
            "publicKey": public_key,
            "deliveries": [
                {"header": header, "body": base64.b64encode(body).decode("ascii")} for header, body in deliveries
            ],
        },
    )
    return verdicts


def test_the_sdk_and_we_accept_the_same_deliveries() -> None:
    # Given
    header = sign_webhook(BODY, at=NOW)
    stamp, v1 = header.split(",")
    accepted: list[Delivery] = [
        (header, BODY),
        (f"{v1},{stamp}", BODY),
        (f" {stamp} , {v1} ", BODY),
        (f"kid=7,{stamp},{v1},flag", BODY),
        (sign_webhook(BODY, at=NOW - timedelta(minutes=31)), BODY),
        (sign_webhook(BODY, at=NOW - timedelta(minutes=45)), BODY),
        (sign_webhook(BODY, at=NOW + timedelta(minutes=1)), BODY),
        *(
            (sign_webhook(body, at=NOW), body)
            for body in (
                body_of(webhook_request(path.stem.removeprefix("webhook_"))) for path in EVENTS.glob("webhook_*")
            )
        ),
    ]
    # When / Then
    assert _sdks(accepted, public_pem(platform_key())) == [True] * len(accepted)
    assert _ours(accepted, public_pem(platform_key())) == [True] * len(accepted)


def test_the_sdk_and_we_refuse_the_same_deliveries() -> None:
    # Given
    header = sign_webhook(BODY, at=NOW)
    stamp, v1 = header.split(",")
    refused: list[Delivery] = [
        (None, BODY),
        ("", BODY),
        (stamp, BODY),
        (v1, BODY),
        (f"t=soon,{v1}", BODY),
        (f"t=1,{v1}", BODY),
        (f"t={int(NOW.timestamp())},{v1}", BODY),
        (f"{stamp},v1=AAAA", BODY),
        (header, BODY + b"\n"),
        (header, BODY.replace(b"1", b"2")),
        (header, b""),
        (sign_webhook(BODY, at=NOW - timedelta(minutes=46)), BODY),
        (sign_webhook(BODY, at=NOW + timedelta(minutes=2)), BODY),
        (sign_webhook(BODY, at=NOW, key=OTHER), BODY),
    ]
    # When / Then
    assert _sdks(refused, public_pem(platform_key())) == [False] * len(refused)
    assert _ours(refused, public_pem(platform_key())) == [False] * len(refused)


def test_we_refuse_two_signatures_where_the_sdk_takes_the_last() -> None:
    # Given: the one place where we are stricter
    stamp, v1 = sign_webhook(BODY, at=NOW).split(",")
    doubled: list[Delivery] = [(f"{stamp},v1=AAAA,{v1}", BODY)]
    # When / Then
    assert _sdks(doubled, public_pem(platform_key())) == [True]
    assert _ours(doubled, public_pem(platform_key())) == [False]


def test_the_built_in_keys_are_the_sdks() -> None:
    # Given
    sdk = Path(__file__).parents[1] / "node_modules" / "@waffo" / "pancake-ts" / "dist" / "index.js"
    source = sdk.read_text("utf-8")
    # When / Then
    assert f"TEST_PUBLIC_KEY = `{TEST_PUBLIC_KEY.strip()}`" in source
    assert f"PROD_PUBLIC_KEY = `{PROD_PUBLIC_KEY.strip()}`" in source


def test_the_sdk_and_we_agree_on_the_reference_vector() -> None:
    # Given
    public_key = (DATA / "signature" / "public_key.pem").read_text("ascii")
    vector: list[Delivery] = [
        (reference("signature/vector.json")["header_value"], (DATA / "signature" / "body.json").read_bytes())
    ]
    # When / Then
    assert _sdks(vector, public_key) == _ours(vector, public_key) == [True]
