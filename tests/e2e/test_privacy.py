"""Issue 13, points 7 and 8, over real HTTP: a customer is exported and erased, and all log lines of the stack are read."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_reconciliation import reconcile

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

MONTH_SECONDS = 31 * 24 * 3600
CREDENTIALS: Any = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
NEVER_LOGGED = (
    "v1=",
    "buyerEmail",
    "merchantProvidedBuyerIdentity",
    "#token=",
    "Bearer ",
    "/buy/gAAAA",
)


@pytest.fixture
def person() -> str:
    """What the customer's id, address and name have in common, and nothing else has."""
    return f"lovelace{uuid4().hex[:10]}"


def items_that_name(stack: Stack, person: str) -> list[dict[str, Any]]:
    client: DynamoDBClient = boto3.client("dynamodb", endpoint_url=stack.ready["dynamodb_url"], **CREDENTIALS)
    pages = client.get_paginator("scan").paginate(TableName=stack.ready["table"])
    return [dict(item) for page in pages for item in page["Items"] if person in json.dumps(item)]


def log_lines(stack: Stack) -> Iterator[str]:
    client: Any = boto3.client("logs", endpoint_url=stack.ready["aws_endpoint_url"], **CREDENTIALS)
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in (each["logGroupName"] for each in groups["logGroups"]):
            for streams in client.get_paginator("describe_log_streams").paginate(logGroupName=group):
                for stream in (each["logStreamName"] for each in streams["logStreams"]):
                    lines = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
                    yield from (event["message"] for event in lines["events"])


def erase(stack: Stack, customer_id: str) -> dict[str, Any]:
    for _ in range(100):
        answer = stack.api.delete(f"/v1/customers/{customer_id}")
        assert answer.status_code in {200, 202}, answer.text
        if answer.status_code == 200:
            erased: dict[str, Any] = answer.json()
            return erased
    raise AssertionError("the erasure did not end")


def test_a_customer_is_exported_and_erased_and_nothing_comes_back(stack: Stack, person: str) -> None:
    # Given a customer whose id is an address, with a plan, usage and a purchase link
    customer_id = f"{person}@example.org"
    path = f"/v1/customers/{customer_id}"
    refused = stack.api.post(f"{path}/holds", json={"meter": "tokens", "quantity": 10_000_000, "id": "h1"})
    assert refused.status_code == 402
    link = refused.json()["purchase_url"]
    assert person not in link
    subscribed = {"product": "Pro", "buyer_identity": customer_id, "buyer_email": f"buyer-{person}@example.org"}
    order_id = stack.simulate("subscriptions", subscribed)["id"]
    stack.simulate("flush")
    events = [{"id": f"e{n}", "customer_id": customer_id, "meter": "tokens", "quantity": 5} for n in range(50)]
    assert stack.api.post("/v1/usage", json={"events": events}).json()["counted"] == 50
    named = len(items_that_name(stack, person))
    # When
    exported: list[dict[str, Any]] = []
    cursor: str | None = None
    while cursor is not None or not exported:
        page = stack.api.get(f"{path}/export", params={"cursor": cursor} if cursor else {}).raise_for_status().json()
        exported += page["items"]
        cursor = page["next_cursor"]
    assert sum(each["kind"] == "usage_event" for each in exported) == 50
    # What follows from the table's stream may come between.
    assert len(exported) >= named > 50
    erased = erase(stack, customer_id)
    # Then
    assert erased["live_orders"] == [order_id]
    assert items_that_name(stack, person) == []
    followed = stack.api.get(link)
    assert followed.status_code == 409
    assert "frame-ancestors 'none'" in followed.headers["content-security-policy"]
    for delivery in stack.waffo.get("/_sim/deliveries").json():
        if order_id in json.dumps(delivery):
            stack.simulate(f"deliveries/{delivery['id']}/resend")
    stack.simulate("clock", {"advance_seconds": MONTH_SECONDS})
    stack.simulate("flush")
    reconcile(stack)
    assert items_that_name(stack, person) == []
    assert stack.api.post(f"{path}/holds", json={"meter": "tokens", "quantity": 1, "id": "h2"}).status_code == 410
    assert items_that_name(stack, person) == []
    assert erase(stack, customer_id) == erased


def test_no_log_line_shows_a_key_a_token_a_signature_an_address_or_a_body(stack: Stack, person: str) -> None:
    # Given some life
    customer_id = f"{person}@example.org"
    stack.simulate("subscriptions", {"product": "Pro", "buyer_identity": customer_id, "buyer_email": customer_id})
    stack.simulate("flush")
    refused = stack.api.post(
        f"/v1/customers/{customer_id}/holds", json={"meter": "tokens", "quantity": 10_000_000, "id": "h1"}
    )
    stack.api.get(refused.json()["purchase_url"])
    # When
    lines = list(log_lines(stack))
    # Then
    assert any("delivery taken" in line for line in lines)
    for secret in (person, stack.ready["api_key"], *NEVER_LOGGED):
        assert [line for line in lines if secret in line] == []
