"""What docs/costs.md counts: each operation through its handler, in units, log bytes, answer bytes and stored bytes."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import quota_check
import usage_batch
import usage_recording
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.usage.bulk import bulk_messages
from tests.support.api import LambdaContext, api_event
from tests.support.metered_dynamodb import metered
from tests.support.sqs import sqs_event
from tools.cfn_template import load_template
from tools.costs import ACCESS_LOG_BYTES, COUNTED, GOALS, Counted, main, worked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
CUSTOMER = "/v1/customers/3f2b8c1e-9d47-4f0a-8a55-1c6e2b7d9a10"
HOLD_ID = "0b7c1d2e-4f50-4a6b-8c7d-000000000001"

Call = Callable[[], dict[str, Any]]


@dataclass
class Operations:
    """The operations of the page, each as one call of a handler."""

    metering: Metering
    made: int = 0

    def gate(self, name: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> dict[str, Any]:
        offers = Offers(CATALOG, "test", lambda: "a secret of the tests, of 32 characters or more")
        event = api_event(name, path=f"{CUSTOMER}{path}", body=body, query=query)
        answer: dict[str, Any] = quota_check.handler(
            event, LambdaContext(), QuotaDeps(self.metering, offers, lambda: NOW)
        )
        assert answer["statusCode"] < 300, answer
        return answer

    def check(self) -> dict[str, Any]:
        return self.gate("quota_one_meter", "/quota/tokens")

    def hold(self) -> dict[str, Any]:
        return self.gate("holds_place", "/holds", {"meter": "tokens", "quantity": 400, "id": HOLD_ID})

    def settle(self) -> dict[str, Any]:
        return self.gate("holds_settle", f"/holds/tokens~400~{HOLD_ID}/settle", {"quantity": 312})

    def release(self) -> dict[str, Any]:
        return self.gate("holds_release", f"/holds/{HOLD_ID}", query={"meter": "tokens"})

    def events(self, count: int) -> list[dict[str, Any]]:
        self.made += 1
        customer_id, meter = CUSTOMER.rsplit("/", 1)[-1], "tokens"
        ids = [f"0b7c1d2e-4f50-4a6b-8c7d-{self.made:06d}{number:06d}" for number in range(count)]
        return [{"id": each, "customer_id": customer_id, "meter": meter, "quantity": 3} for each in ids]

    def record(self, count: int = 1) -> dict[str, Any]:
        deps = MeteringDeps(self.metering, lambda: NOW)
        event = api_event("usage_batch", body={"events": self.events(count)})
        answer: dict[str, Any] = usage_recording.handler(event, LambdaContext(), deps)
        assert json.loads(answer["body"])["counted"] == count
        return answer

    def bulk_message(self) -> dict[str, Any]:
        lines = [
            UsageLine(each["customer_id"], each["meter"], usage_event(each["id"], Decimal(3), None, NOW))
            for each in self.events(99)
        ]
        (message,) = bulk_messages(lines)
        deps = MeteringDeps(self.metering, lambda: NOW)
        answer = usage_batch.handler(sqs_event([message]), LambdaContext(), deps)
        assert answer == {"batchItemFailures": []}
        return {}


@pytest.fixture
def operations(dynamodb: "DynamoDBClient", table: str) -> Operations:
    """A customer who is known already."""
    begun = Operations(Metering(Table(dynamodb, table), CATALOG))
    begun.record()
    return begun


@pytest.mark.parametrize("name", list(COUNTED))
def test_an_operation_uses_what_the_page_says(
    name: str,
    operations: Operations,
    dynamodb: "DynamoDBClient",
    table: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: dict[str, Call] = {
        "check": operations.check,
        "hold": operations.hold,
        "settle": operations.settle,
        "release": operations.release,
        "record": operations.record,
        "batch of 99": lambda: operations.record(99),
        "bulk message of 99": operations.bulk_message,
    }
    assert calls.keys() == COUNTED.keys()
    if name in {"settle", "release"}:
        operations.hold()
    stored, _ = sizes(dynamodb, table), capsys.readouterr()

    with metered(dynamodb) as meter:
        answer = calls[name]()

    said = COUNTED[name]
    written = meter.write_units_of_aws
    assert (meter.units - written, written) == (said.read_units, said.write_units)
    printed = capsys.readouterr()
    measured = Counted(
        logged_bytes=len((printed.out + printed.err).encode()),
        answered_bytes=len(f"{answer['body']}{json.dumps(answer['headers'])}".encode()) if answer else 0,
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
