"""Our client of DynamoDB does less around a request than boto3's does: it sends the same, and gives the same answers."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

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
    "a binary value": ("get_item", 200, json.dumps({"Item": {**KEY, "one": {"B": "AP8="}}}).encode()),
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


def model_name(operation: str) -> str:
    return "".join(word.title() for word in operation.split("_"))


class Clients(NamedTuple):
    """Ours, and boto3's as it comes."""

    ours: "DynamoDBClient"
    stock: "DynamoDBClient"


def made_for(account_id: str) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCOUNT_ID": account_id,
        }.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        yield Clients(dynamodb_client(), boto3.Session().client("dynamodb", config=CLIENT_CONFIG))


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    yield from made_for("")


@pytest.fixture(scope="module", params=["", "123456789012"], ids=["one for a region", "one for an account"])
def addressed(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """DynamoDB's address is one for a region, or one for an account where the credentials tell it."""
    yield from made_for(request.param)


@contextmanager
def before_sending(client: "DynamoDBClient", answer: Callable[..., AWSResponse]) -> Iterator[None]:
    events: Any = client.meta.events
    events.register("before-send.dynamodb", answer)
    try:
        yield
    finally:
        events.unregister("before-send.dynamodb", answer)


def sent(client: "DynamoDBClient", operation: str) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Return what a client sends for a call, but for its own name and the time."""
    seen: list[tuple[str, bytes, dict[str, Any]]] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = {name: value for name, value in request.headers.items() if name not in OF_ITS_OWN}
        body: Any = request.body
        seen.append((request.url, body, headers))
        raw: Any = SimpleNamespace(stream=lambda: iter([b"{}"]))
        return AWSResponse(request.url, 200, request.headers, raw)

    with before_sending(client, answer):
        getattr(client, operation)(**CALLS[operation])
    return seen


def answered(client: "DynamoDBClient", operation: str, status: int, body: bytes) -> Any:
    """Return how a client gives the answer of a server, or what it raises."""

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        raw: Any = SimpleNamespace(stream=lambda: iter([body]))
        headers = HTTPHeaders()
        headers["x-amzn-RequestId"] = "one"
        return AWSResponse(request.url, status, headers, raw)

    with before_sending(client, answer):
        try:
            return getattr(client, operation)(**CALLS[operation])
        except ClientError as error:
            return type(error).__name__, error.response
        except Exception as error:  # noqa: BLE001 - whatever boto3 raises for what is no answer
            return type(error), str(error)


@pytest.mark.parametrize("operation", CALLS)
def test_our_client_sends_what_boto3_does_to_where_boto3_does(operation: str, addressed: Clients) -> None:
    assert sent(addressed.ours, operation) == sent(addressed.stock, operation) != []


@pytest.mark.parametrize("name", ANSWERS)
def test_our_client_gives_the_answers_that_boto3_gives(name: str, clients: Clients) -> None:
    assert answered(clients.ours, *ANSWERS[name]) == answered(clients.stock, *ANSWERS[name])


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_answer_is_left_to_boto3(body: bytes, clients: Clients) -> None:
    assert answered(clients.ours, "get_item", 200, body) == answered(clients.stock, "get_item", 200, body)


@pytest.mark.parametrize("operation", CALLS)
def test_botocore_looks_at_no_value_of_an_answer(
    operation: str, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    parse = vars(ResponseParser)["_parse_shape"]

    def parsed(parser: ResponseParser, shape: Any, value: Any) -> Any:
        seen.append(shape.name)
        return parse(parser, shape, value)

    monkeypatch.setattr(ResponseParser, "_parse_shape", parsed)
    answer = answered(clients.ours, operation, 200, json.dumps(EVERY_MEMBER).encode())
    assert [name for name in seen if not name.endswith("Output")] == []
    output = clients.stock.meta.service_model.operation_model(model_name(operation)).output_shape
    assert output is not None
    known = EVERY_MEMBER.keys() & output.members.keys()
    assert known
    assert {name: answer[name] for name in known} == {name: EVERY_MEMBER[name] for name in known}


def test_our_client_looks_for_no_arns_in_a_request_and_others_still_do(clients: Clients) -> None:
    ours, stock = (each.meta.service_model for each in clients)
    used = [model_name(operation) for operation in CALLS]
    searched = [name for name in used if stock.operation_model(name).operation_context_parameters]
    assert sorted(searched) == sorted(module._OF_PARTS)
    assert not any(ours.operation_model(name).operation_context_parameters for name in used)
