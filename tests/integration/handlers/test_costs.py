"""What docs/costs.md counts: each operation through its handler, in units, log bytes, answer bytes and stored bytes."""

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.support.hot_operations import CATALOG, HotOperations
from tests.support.metered_dynamodb import metered
from tools.cfn_template import load_template
from tools.costs import ACCESS_LOG_BYTES, COUNTED, GOALS, Counted, main, worked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def operations(dynamodb: "DynamoDBClient", table: str) -> HotOperations:
    """A customer who is known already."""
    begun = HotOperations(Metering(Table(dynamodb, table), CATALOG))
    begun.record()()
    return begun


@pytest.mark.parametrize("name", list(COUNTED))
def test_an_operation_uses_what_the_page_says(
    name: str,
    operations: HotOperations,
    dynamodb: "DynamoDBClient",
    table: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name in {"settle", "release"}:
        operations.hold()()
    called = operations.of(name)
    stored, _ = sizes(dynamodb, table), capsys.readouterr()

    with metered(dynamodb) as meter:
        answer = called()

    said = COUNTED[name]
    written = meter.write_units_of_aws
    assert (meter.units - written, written) == (said.read_units, said.write_units)
    printed = capsys.readouterr()
    assert answer.get("statusCode", 200) < 300, answer
    assert not answer.get("batchItemFailures"), answer
    measured = Counted(
        logged_bytes=len((printed.out + printed.err).encode()),
        answered_bytes=len(f"{answer['body']}{json.dumps(answer['headers'])}".encode()) if "body" in answer else 0,
        stored_bytes=sizes(dynamodb, table) - stored,
    )
    # A bound, and near the truth
    for field in ("logged_bytes", "answered_bytes", "stored_bytes"):
        assert getattr(said, field) * 0.5 <= getattr(measured, field) <= getattr(said, field), (field, measured)


def sizes(dynamodb: "DynamoDBClient", table: str) -> int:
    """Bytes of all usage events, as DynamoDB counts them: names, texts, and a byte for two digits and one more."""
    items = [
        item
        for page in dynamodb.get_paginator("scan").paginate(TableName=table)
        for item in page["Items"]
        if item["PK"]["S"].startswith("USAGE#")
    ]
    return sum(len(name) + size(value) for item in items for name, value in item.items())


def size(value: Any) -> int:
    ((kind, content),) = value.items()
    return len(content.encode()) if kind == "S" else len(content) // 2 + 2


def test_a_line_of_the_access_log_is_within_its_bound() -> None:
    stage = load_template()["Resources"]["HttpApi"]["Properties"]["AccessLogSettings"]["Format"]
    values = {
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "POST /v1/customers/{customer_id}/holds/{hold_id}/settle",
        "status": "200",
        "responseLatency": "35",
        "integrationLatency": "32",
        "integrationErrorMessage": "-",
        "authorizer.key_name": "litellm-proxy-of-production",
        "authorizer.error": "-",
        "error.message": "-",
        "identity.sourceIp": "203.0.113.10",
    }
    line = re.sub(r"\$context\.([\w.]+)", lambda found: values[found[1]], stage)
    assert json.loads(line)["routeKey"] == values["routeKey"]
    assert ACCESS_LOG_BYTES * 0.8 <= len(line) <= ACCESS_LOG_BYTES


@pytest.mark.parametrize("name", list(GOALS))
def test_a_million_calls_cost_no_more_than_the_goal(name: str) -> None:
    assert worked()[name].total <= GOALS[name]


def test_the_page_is_in_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
