"""Whatever is posted: never a 5xx, never a change of state, nothing of it in the logs."""

import base64
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pancake_meter.deps.intake import IntakeDeps
from pancake_meter.domain.instant import to_ms
from pancake_meter.store.webhooks.deliveries import VERDICTS, deliveries_by_verdict
from tests.support.api import Answer, LambdaContext, read_answer
from tests.support.waffo_webhooks import encode, platform_key, public_pem, sign_webhook, signed_request, webhook_request
from tests.support.webhook_world import CUSTOMER, World, lifecycle
from webhook_intake import handler

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MARK = "very-secret-of-the-buyer"
REFUSED = {401, 403, 413, 422}
EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def post(world: World, request: dict[str, Any]) -> Answer:
    return read_answer(handler(request, LambdaContext(), IntakeDeps(world.intake, lambda: world.now)))


def good(world: World) -> dict[str, Any]:
    return signed_request(webhook_request("subscription_activated"), at=world.now)


def signed(world: World, body: bytes) -> dict[str, Any]:
    """A request with this body, base64 as API Gateway sends binary, and a signature that is right."""
    request = webhook_request("subscription_activated")
    request["body"], request["isBase64Encoded"] = base64.b64encode(body).decode(), True
    return signed_request(request, at=world.now)


def items(dynamodb: "DynamoDBClient", table: str) -> list[Any]:
    """Everything that the table holds."""
    return dynamodb.scan(TableName=table)["Items"]


def kept(world: World) -> dict[str, int]:
    return {verdict: len(deliveries_by_verdict(world.table, verdict, limit=50).deliveries) for verdict in VERDICTS}


@EXAMPLES
@given(
    header=st.one_of(
        st.text(max_size=200),
        st.from_regex(r"(t|v1)=[0-9a-zA-Z+/=.-]{0,40}(,(t|v1|v2)=[0-9a-zA-Z+/=.-]{0,40}){0,3}", fullmatch=True),
        st.integers(-(10**30), 10**30).map(lambda stamp: f"t={stamp},v1=YQ=="),
    )
)
def test_scenario_13_any_header_is_refused(world: World, dynamodb: "DynamoDBClient", table: str, header: str) -> None:
    request = good(world)
    request["headers"]["x-waffo-signature"] = header
    assert post(world, request).status == 401
    assert items(dynamodb, table) == []


@EXAMPLES
@given(position=st.integers(0, 10_000), flipped=st.integers(1, 127))
def test_scenario_12_one_changed_character_anywhere_in_the_body_is_refused(
    world: World, dynamodb: "DynamoDBClient", table: str, position: int, flipped: int
) -> None:
    request = good(world)
    body = bytearray(request["body"].encode())
    body[position % len(body)] ^= flipped
    request["body"], request["isBase64Encoded"] = base64.b64encode(bytes(body)).decode(), True
    assert post(world, request).status == 401
    assert items(dynamodb, table) == []


@pytest.mark.parametrize(
    "stamp",
    ["", "0", "-1", "1e12", "0x10", "12.5", "NaN", "٣", "9" * 400, " 1 ", "1_000"],
    ids=["none", "zero", "negative", "float", "hex", "fraction", "nan", "arabic", "huge", "blanks", "underscore"],
)
def test_scenario_11_13_a_stamp_that_is_no_time_is_refused(world: World, stamp: str) -> None:
    request = good(world)
    _, _, signature = request["headers"]["x-waffo-signature"].partition(",")
    request["headers"]["x-waffo-signature"] = f"t={stamp},{signature}"
    assert post(world, request).status == 401


def test_scenario_11_a_stamp_in_seconds_is_refused(world: World) -> None:
    request = good(world)
    _, _, signature = request["headers"]["x-waffo-signature"].partition(",")
    request["headers"]["x-waffo-signature"] = f"t={to_ms(world.now) // 1000},{signature}"
    assert post(world, request).body["code"] == "signature_stale"


def test_scenario_13_two_signatures_are_refused_even_when_one_fits(world: World) -> None:
    request = good(world)
    header = request["headers"]["x-waffo-signature"]
    for doubled in (f"{header},v1=YQ==", header.replace("v1=", "v1=YQ==,v1="), f"{header},{header}"):
        request["headers"]["x-waffo-signature"] = doubled
        assert post(world, request).body["code"] == "signature_malformed"


def event_with(text: str) -> bytes:
    """The text of an event with one value replaced by raw JSON."""
    document = lifecycle("activated", "ORD_T", "2026-03-10", "2026-03-10", "2026-04-10", extra="@@")
    return encode(document).replace(b'"@@"', text.encode())


BOMBS = {
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "deep in an event": event_with("[" * 60_000 + "]" * 60_000),
    "not utf-8": b'{"id":"\xff\xfe"}',
    "a lone surrogate": event_with('"\\ud800"').replace(b"ORD_T", b"\\ud800"),
    "nul": b"\x00" * 1_000,
    "empty": b"",
    "not an object": b'"event"',
    "a number": b"1" * 5_000,
    "NaN": event_with("NaN"),
    "utf-16": encode(lifecycle("activated", "ORD_T", "2026-03-10", "2026-03-10", "2026-04-10"))
    .decode()
    .encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + event_with("1"),
    "trailing": event_with("1") + b"{}",
    "duplicate keys": event_with('1,"orderId":"ORD_OTHER"'),
    "huge integer": event_with("9" * 20_000),
    "huge exponent": event_with("1e999999999"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_signed_garbage_is_never_a_5xx_and_changes_no_balance(world: World, name: str) -> None:
    # When
    answer = post(world, signed(world, BOMBS[name]))
    # Then: refused, or kept and of no other effect than a well-formed event of that order would have
    assert answer.status in {200, 422}
    if answer.status != 200:
        assert sum(kept(world).values()) == 0
        assert world.plan() == "free"


@pytest.mark.parametrize("header", [None, "t=1,v1=YQ==", "of another body", "by another key"])
def test_ten_megabytes_that_are_not_signed_are_refused_unread(
    world: World,
    dynamodb: "DynamoDBClient",
    table: str,
    header: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given a body that nobody may look into
    for reader in ("parse_event", "read_loosely"):
        monkeypatch.delattr(f"pancake_meter.usecases.webhooks.take.{reader}")
    request = signed(world, MARK.encode()) | {"isBase64Encoded": False}
    request["body"] = '{"a":"' + MARK + "x" * 10_000_000 + '"}'
    if header == "by another key":
        other = generate_private_key(public_exponent=65537, key_size=2048)
        header = sign_webhook(request["body"].encode(), at=world.now, key=other)
    if header is None:
        request["headers"].pop("x-waffo-signature")
    elif header != "of another body":
        request["headers"]["x-waffo-signature"] = header
    # When
    answer = post(world, request)
    # Then
    assert (answer.status, answer.body["code"]) == (413, "body_too_large")
    assert items(dynamodb, table) == []
    assert MARK not in "".join(capsys.readouterr())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "id", "timestamp", "eventType", "eventId", "storeId", "mode", "data", "data.orderId", "data.currency",
    "data.merchantProvidedBuyerIdentity", "data.currentPeriodStart", "data.currentPeriodEnd", "data.periodNumber",
    "data.productMetadata", "data.orderMetadata", "data.productName", "data.amount", "data.billingPeriod",
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(field=st.sampled_from(FIELDS), value=json_values)
def test_a_signed_event_with_anything_in_any_field_is_never_a_5xx(world: World, field: str, value: Any) -> None:
    # Given
    document = lifecycle("activated", "ORD_T", "2026-03-10", "2026-03-10", "2026-04-10")
    where, _, name = field.rpartition(".")
    (document[where] if where else document)[name] = value
    # When
    answer = post(world, signed(world, json.dumps(document).encode()))
    # Then
    assert answer.status in {200, *REFUSED}


def test_nothing_of_a_refused_body_or_a_key_is_logged(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    caplog.set_level(logging.INFO)
    marked = encode(
        lifecycle(MARK, MARK, "2026-03-10", MARK, MARK, productName=MARK, orderMetadata={"accountId": MARK})
    )
    wrong = [
        signed(world, marked.replace(b'"test"', b'"prod"')),
        signed(world, marked.replace(b"STO_", b"STX_")),
        signed(world, marked) | {"headers": {"x-waffo-signature": f"t=1,v1={MARK}"}},
        signed(world, marked) | {"headers": {"x-waffo-signature": sign_webhook(b"other", at=world.now)}},
        signed(world, marked) | {"body": MARK},
    ]
    # When
    answers = [post(world, request) for request in wrong]
    kept = [post(world, signed(world, body)) for body in (marked[:-5], MARK.encode(), MARK.encode() * 10_000)]
    # Then
    assert {answer.status for answer in answers} <= REFUSED
    assert [answer.body["verdict"] for answer in kept] == ["failed"] * 3
    logged = caplog.text + "".join(capsys.readouterr())
    assert MARK not in logged
    assert MARK not in json.dumps([answer.body for answer in answers + kept])
    assert public_pem(platform_key()).splitlines()[1] not in logged


def test_scenario_15_the_other_environments_key_is_refused(
    world: World, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given: an event that says prod, at a prod stack, signed by the key of test
    prod = World(world.table, world.now, mode="prod")
    document = lifecycle("activated", "ORD_T", "2026-03-10", "2026-03-10", "2026-04-10") | {"mode": "prod"}
    other = generate_private_key(public_exponent=65537, key_size=2048)
    # When
    answer = post(
        prod, signed_request(webhook_request("subscription_activated"), at=world.now, body=encode(document), key=other)
    )
    # Then
    assert (answer.status, answer.body["code"]) == (401, "signature_mismatch")
    assert items(dynamodb, table) == []
    # And: signed by its own key it is taken
    assert (
        post(
            prod, signed_request(webhook_request("subscription_activated"), at=world.now, body=encode(document))
        ).status
        == 200
    )


def test_scenario_16_another_stores_event_is_refused(world: World, dynamodb: "DynamoDBClient", table: str) -> None:
    document = lifecycle("activated", "ORD_T", "2026-03-10", "2026-03-10", "2026-04-10") | {"storeId": "STO_other"}
    answer = post(world, signed(world, encode(document)))
    assert (answer.status, answer.body["code"]) == (403, "wrong_store")
    assert items(dynamodb, table) == []


def test_scenario_17_while_a_key_is_rotated_both_are_accepted(world: World) -> None:
    # Given
    new = generate_private_key(public_exponent=65537, key_size=2048)
    intake = world.intake
    rotating = IntakeDeps(
        type(intake)(intake.metering, intake.mode, intake.store_id, (*intake.keys, new.public_key())), lambda: world.now
    )
    for number, key in enumerate((platform_key(), new)):
        body = encode(lifecycle("activated", f"ORD_{number}", "2026-03-10", "2026-03-10", "2026-04-10"))
        request = signed_request(webhook_request("subscription_activated"), at=world.now, body=body, key=key)
        # Then
        assert read_answer(handler(request, LambdaContext(), rotating)).status == 200
    assert world.plan(customer_id=CUSTOMER) == "starter"


def test_scenario_09_a_retry_with_its_first_stamp_is_taken_after_half_an_hour(world: World) -> None:
    late = World(world.table, world.now + timedelta(minutes=31))
    assert post(late, good(world)).status == 200
