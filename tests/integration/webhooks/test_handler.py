"""The function URL in, the answer out."""

import base64
import json
import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.intake import IntakeDeps
from pancake_meter.store.table import Table
from tests.support.api import Answer, LambdaContext, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB
from tests.support.waffo_webhooks import EVENTS, body_of, signed_request, webhook_request
from tests.support.webhook_world import World, utc
from webhook_intake import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[3]
NOW = utc("2026-03-10T15:15:00")
NAMES = sorted(path.stem.removeprefix("webhook_") for path in EVENTS.glob("webhook_*.json"))


def post(world: World, request: dict[str, Any]) -> Answer:
    return read_answer(handler(request, LambdaContext(), IntakeDeps(world.intake, lambda: world.now)))


@pytest.mark.parametrize("name", NAMES)
def test_every_event_file_is_taken(world: World, name: str) -> None:
    # When
    answer = post(world, signed_request(webhook_request(name), at=world.now))
    # Then
    assert answer.status == 200
    assert answer.body["verdict"] in {"applied", "ignored", "parked"}


def test_activated_is_applied(world: World) -> None:
    answer = post(world, signed_request(webhook_request("subscription_activated"), at=world.now))
    assert (answer.status, answer.body["verdict"]) == (200, "applied")
    assert (world.plan(), world.available()) == ("pro", 1_000_000)


def test_scenario_12_a_base64_body_is_verified_as_raw_bytes(world: World) -> None:
    # Given
    request = signed_request(webhook_request("subscription_activated"), at=world.now)
    request["body"] = base64.b64encode(body_of(request)).decode()
    request["isBase64Encoded"] = True
    # Then
    assert post(world, request).body["verdict"] == "applied"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": {}}, 401, "signature_missing"),
        ({"headers": {"x-waffo-signature": "t=1"}}, 401, "signature_malformed"),
        ({"headers": {"x-waffo-signature": "t=1,v1=YQ==,v1=YQ=="}}, 401, "signature_malformed"),
        ({"headers": {"x-waffo-signature": "v1=YQ==,t=1"}}, 401, "signature_stale"),
        ({"body": ""}, 401, "signature_mismatch"),
        ({"body": None}, 401, "signature_mismatch"),
        ({"body": "{}\n"}, 401, "signature_mismatch"),
        ({"body": "%%%", "isBase64Encoded": True}, 422, "malformed_event"),
        ({"body": base64.b64encode(b"\xff\xfe").decode(), "isBase64Encoded": True}, 401, "signature_mismatch"),
        ({"body": "x" * 300_000}, 413, "body_too_large"),
    ],
)
def test_scenario_13_what_is_not_to_be_believed_is_refused(
    world: World, change: dict[str, Any], status: int, code: str
) -> None:
    # Given
    request = signed_request(webhook_request("subscription_activated"), at=world.now) | change
    # When
    answer = post(world, request)
    # Then
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert world.meters() == []


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"[]", b"null", b"{" * 50_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000]
)
def test_promise_05_a_signed_body_that_is_no_event_is_kept_as_failed(world: World, body: bytes) -> None:
    # Given
    request = webhook_request("subscription_activated")
    request["body"], request["isBase64Encoded"] = base64.b64encode(body).decode(), True
    # Then
    answer = post(world, signed_request(request, at=world.now))
    assert (answer.status, answer.body["verdict"], answer.body["reason"]) == (200, "failed", "malformed_event")


def test_scenario_10_a_stale_stamp_is_refused(world: World) -> None:
    for at in (world.now - timedelta(minutes=46), world.now + timedelta(minutes=2)):
        answer = post(world, signed_request(webhook_request("subscription_activated"), at=at))
        assert (answer.status, answer.body["code"]) == (401, "signature_stale")


def test_scenario_15_a_test_event_at_a_prod_stack_is_refused(world: World) -> None:
    prod = World(world.table, world.now, mode="prod")
    answer = post(prod, signed_request(webhook_request("subscription_activated"), at=world.now))
    assert (answer.status, answer.body["code"]) == (403, "wrong_mode")
    assert world.meters() == []


def test_scenario_25_store_trouble_is_503_and_the_retry_applies(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given
    request = signed_request(webhook_request("subscription_activated"), at=NOW)
    troubled = World(Table(FaultyDynamoDB(dynamodb, 1), table), NOW)  # type: ignore[arg-type]
    # When
    answer = post(troubled, request)
    # Then
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert post(World(Table(dynamodb, table), NOW), request).body["verdict"] == "applied"


def test_nothing_of_the_body_is_logged(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    caplog.set_level(logging.INFO)
    good = signed_request(webhook_request("subscription_activated"), at=world.now)
    # When
    post(world, good)
    post(world, good | {"body": good["body"].replace("active", "paused")})
    # Then
    logged = caplog.text + "".join(capsys.readouterr())
    for secret in ("buyer@example.com", "Tokyo", good["headers"]["x-waffo-signature"]):
        assert secret not in logged


def test_metrics_count_verdicts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    # When
    post(world, signed_request(webhook_request("subscription_activated"), at=world.now))
    # Then
    blobs = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [blob["DeliveryApplied"] for blob in blobs] == [[1.0]]
    assert blobs[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "PancakeMeter"


@pytest.mark.parametrize(
    "broken",
    [
        {"WAFFO_STORE_ID": ""},
        {"WAFFO_ENVIRONMENT": ""},
        {"WAFFO_WEBHOOK_TEST_PUBLIC_KEY": "no key"},
        {"TABLE_NAME": ""},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_scenario_14_half_configured_it_does_not_start(broken: dict[str, str]) -> None:
    # Given
    paths = [str(ROOT / "layers" / "shared"), str(ROOT / "functions" / "webhook_intake")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **broken}
    # When
    started = subprocess.run(
        [sys.executable, "-c", "import webhook_intake"], env=environment, capture_output=True, check=False, timeout=30
    )
    # Then
    assert started.returncode != 0
    assert b"ConfigurationError" in started.stderr or b"InvalidKey" in started.stderr


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_intake_takes_post_only_and_says_so(world: World, method: str) -> None:
    # Given an event that would be applied
    request = signed_request(webhook_request("subscription_activated"), at=world.now)
    request["requestContext"]["http"]["method"] = method

    # When it comes by another method
    answer = post(world, request)

    # Then nothing has happened, and the answer says what would
    assert (answer.status, answer.body["code"], answer.headers["Allow"]) == (405, "method_not_allowed", "POST")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert world.plan() == "free"
