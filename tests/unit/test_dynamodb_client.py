"""Our client of DynamoDB does less around a request than boto3's does, and sends the same."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from pancake_meter.store import table
from pancake_meter.store.retrying import CLIENT_CONFIG
from pancake_meter.store.table import dynamodb_client

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
OF_ITS_OWN = {"User-Agent", "X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}


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


@pytest.fixture(params=["", "123456789012"], ids=["one for a region", "one for an account"], autouse=True)
def _address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB's address is one for a region, or one for an account where the credentials tell it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCOUNT_ID": request.param,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.mark.parametrize("operation", CALLS)
def test_our_client_sends_what_boto3_does_to_where_boto3_does(operation: str) -> None:
    stock = boto3.client("dynamodb", config=CLIENT_CONFIG)
    ours = dynamodb_client()
    assert sent(ours, operation) == sent(stock, operation) != []


def test_our_client_looks_for_no_arns_in_a_request_and_others_still_do() -> None:
    ours = dynamodb_client().meta.service_model
    stock = boto3.client("dynamodb").meta.service_model
    used = ["".join(word.title() for word in name.split("_")) for name in CALLS]
    searched = [name for name in used if stock.operation_model(name).operation_context_parameters]
    assert sorted(searched) == sorted(table._OF_PARTS)
    assert not any(ours.operation_model(name).operation_context_parameters for name in used)
