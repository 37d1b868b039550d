"""Our client of DynamoDB does less around a request than boto3's does: it sends the same, and gives the same answers."""

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParser

from pancake_meter.store import dynamodb_client as module
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.retrying import CLIENT_CONFIG

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY: dict[str, Any] = {"PK": {"S": "a"}, "SK": {"S": "b"}}
PART: dict[str, Any] = {"TableName": "table", "Key": KEY}
CALLS: dict[str, dict[str, Any]] = {
    "get_item": PART,
    "put_item": {"TableName": "table", "Item": KEY},
    "update_item": {**PART, "UpdateExpression": "REMOVE a"},
    "query": {
        "TableName": "table",
        "KeyConditionExpression": "PK = :pk",
        "ExpressionAttributeValues": {":pk": KEY["PK"]},
    },
    "scan": {"TableName": "table"},
    "batch_get_item": {"RequestItems": {"table": {"Keys": [KEY]}}},
    "batch_write_item": {"RequestItems": {"table": [{"DeleteRequest": {"Key": KEY}}]}},
    "transact_write_items": {
        "TransactItems": [
            {"Put": {"TableName": "table", "Item": KEY}},
            {"Delete": PART},
            {"Update": {**PART, "UpdateExpression": "REMOVE a"}},
            {"ConditionCheck": {**PART, "ConditionExpression": "attribute_exists(PK)"}},
        ],
        "ClientRequestToken": "token",
    },
}
ITEM = {
    **KEY,
    "text": {"S": 'says "B": no, "B" and \\"B\\"'},
    "number": {"N": "-0.10"},
    "flags": {"L": [{"BOOL": True}, {"NULL": True}, {"M": {}}]},
    "sets": {"M": {"names": {"SS": ["a", "ü"]}, "numbers": {"NS": ["1", "2"]}}},
}
BINARY = {**KEY, "one": {"B": "AP8="}, "inner": {"L": [{"M": {"some": {"BS": ["AA==", "/w=="]}}}]}}
SETS_OF_BINARY = {**KEY, "some": {"BS": ["AA==", "/w=="]}}
REFUSAL = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no", "Item": ITEM}
CANCELLED = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "Message": "no",
    "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "no", "Item": BINARY}],
}
ANSWERS: dict[str, tuple[str, int, bytes]] = {
    "no item": ("get_item", 200, b"{}"),
    "null": ("get_item", 200, b'{"Item": null}'),
    "an item": ("get_item", 200, json.dumps({"Item": ITEM}).encode()),
    "an item, not escaped": ("get_item", 200, json.dumps({"Item": ITEM}, ensure_ascii=False).encode()),
    "null within an item": ("get_item", 200, b'{"Item": {"PK": {"S": "a", "N": null}, "SK": {"S": "null"}}}'),
    "sets of binary values": ("get_item", 200, json.dumps({"Item": SETS_OF_BINARY}).encode()),
    "members that nobody knows": (
        "get_item",
        200,
        json.dumps({"Item": ITEM, "ResponseMetadata": 5, "Error": {"Code": "a"}, "New": {"S": "b"}}).encode(),
    ),
    "binary values": ("get_item", 200, json.dumps({"Item": BINARY}).encode()),
    "an attribute called B": ("get_item", 200, json.dumps({"Item": {**KEY, "B": {"S": "AA=="}}}).encode()),
    "what it was": ("update_item", 200, json.dumps({"Attributes": ITEM}).encode()),
    "written": ("put_item", 200, b"{}"),
    "items": (
        "query",
        200,
        json.dumps({"Items": [ITEM, KEY], "Count": 2, "ScannedCount": 2, "LastEvaluatedKey": KEY}).encode(),
    ),
    "all items": ("scan", 200, json.dumps({"Items": [], "Count": 0, "ScannedCount": 0}).encode()),
    "items of a table": (
        "batch_get_item",
        200,
        json.dumps({"Responses": {"table": [ITEM, BINARY]}, "UnprocessedKeys": {"table": {"Keys": [KEY]}}}).encode(),
    ),
    "units": (
        "transact_write_items",
        200,
        json.dumps({"ConsumedCapacity": [{"TableName": "table", "CapacityUnits": 2.0}]}).encode(),
    ),
    "not written": (
        "batch_write_item",
        200,
        json.dumps({"UnprocessedItems": {"table": [{"DeleteRequest": {"Key": KEY}, "PutRequest": None}]}}).encode(),
    ),
    "refused": ("update_item", 400, json.dumps(REFUSAL).encode()),
    "cancelled": ("transact_write_items", 400, json.dumps(CANCELLED).encode()),
    "throttled": (
        "get_item",
        400,
        b'{"__type": "com.amazon.coral.availability#ThrottlingException", "message": "slow"}',
    ),
    "an error without words": ("get_item", 500, b""),
    "a page of a proxy": ("get_item", 502, b"<html></html>"),
}
EVERY_MEMBER: dict[str, Any] = {
    "Item": ITEM,
    "Items": [ITEM],
    "Attributes": ITEM,
    "Responses": {"table": [ITEM]},
    "UnprocessedItems": {"table": [{"DeleteRequest": {"Key": KEY}}]},
    "ItemCollectionMetrics": {"table": [{"ItemCollectionKey": KEY}]},
}
UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "cut off": b'{"Item": {"PK": {"S": "a"',
    "a page": b"<html></html>",
    "not UTF-8": b'{"Item": {"PK": {"S": "\xff"}}}',
    "half a character": b'{"Item": {"PK": {"S": "\xed\xa0\x80"}}}',
    "UTF-16": '{"Item": {}}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"Item": {}}',
    "a list": b"[]",
    "null": b"null",
}
OF_ITS_OWN = {"User-Agent", "X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}


def stock_client() -> "DynamoDBClient":
    return boto3.Session().client("dynamodb", config=CLIENT_CONFIG)


def sent(client: "DynamoDBClient", operation: str) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Return what a client sends for a call, but for its own name and the time."""
    seen: list[tuple[str, bytes, dict[str, Any]]] = []

    def answered(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = {name: value for name, value in request.headers.items() if name not in OF_ITS_OWN}
        body: Any = request.body
        seen.append((request.url, body, headers))
        raw: Any = SimpleNamespace(stream=lambda: iter([b"{}"]))
        return AWSResponse(request.url, 200, request.headers, raw)

    events: Any = client.meta.events
    events.register("before-send.dynamodb", answered)
    getattr(client, operation)(**CALLS[operation])
    return seen


def answered(client: "DynamoDBClient", operation: str, status: int, body: bytes) -> Any:
    """Return how a client gives the answer of a server, or what it raises."""

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        raw: Any = SimpleNamespace(stream=lambda: iter([body]))
        headers = HTTPHeaders()
        headers["x-amzn-RequestId"] = "one"
        return AWSResponse(request.url, status, headers, raw)

    events: Any = client.meta.events
    events.register("before-send.dynamodb", answer)
    try:
        return getattr(client, operation)(**CALLS[operation])
    except ClientError as error:
        return type(error).__name__, error.response
    except Exception as error:  # noqa: BLE001 - whatever boto3 raises for what is no answer
        return type(error), str(error)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(params=["", "123456789012"], ids=["one for a region", "one for an account"])
def _address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB's address is one for a region, or one for an account where the credentials tell it."""
    monkeypatch.setenv("AWS_ACCOUNT_ID", request.param)


@pytest.mark.usefixtures("_address")
@pytest.mark.parametrize("operation", CALLS)
def test_our_client_sends_what_boto3_does_to_where_boto3_does(operation: str) -> None:
    ours, stock = dynamodb_client(), stock_client()
    assert sent(ours, operation) == sent(stock, operation) != []


@pytest.mark.parametrize("name", ANSWERS)
def test_our_client_gives_the_answers_that_boto3_gives(name: str) -> None:
    operation, status, body = ANSWERS[name]
    ours = answered(dynamodb_client(), operation, status, body)
    assert ours == answered(stock_client(), operation, status, body)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_answer_is_left_to_boto3(name: str) -> None:
    ours = answered(dynamodb_client(), "get_item", 200, UNREADABLE[name])
    assert ours == answered(stock_client(), "get_item", 200, UNREADABLE[name])


@pytest.mark.parametrize("operation", CALLS)
def test_botocore_looks_at_no_value_of_an_answer(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    parse = vars(ResponseParser)["_parse_shape"]

    def parsed(parser: ResponseParser, shape: Any, value: Any) -> Any:
        seen.append(shape.name)
        return parse(parser, shape, value)

    monkeypatch.setattr(ResponseParser, "_parse_shape", parsed)
    answer = answered(dynamodb_client(), operation, 200, json.dumps(EVERY_MEMBER).encode())
    assert [name for name in seen if not name.endswith("Output")] == []
    output = (
        stock_client().meta.service_model.operation_model("".join(map(str.title, operation.split("_")))).output_shape
    )
    assert output is not None
    known = EVERY_MEMBER.keys() & output.members.keys()
    assert known
    assert {name: answer[name] for name in known} == {name: EVERY_MEMBER[name] for name in known}


def test_our_client_looks_for_no_arns_in_a_request_and_others_still_do() -> None:
    ours = dynamodb_client().meta.service_model
    stock = stock_client().meta.service_model
    used = ["".join(word.title() for word in name.split("_")) for name in CALLS]
    searched = [name for name in used if stock.operation_model(name).operation_context_parameters]
    assert sorted(searched) == sorted(module._OF_PARTS)
    assert not any(ours.operation_model(name).operation_context_parameters for name in used)
