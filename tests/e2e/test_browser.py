"""A refusal sells: what the customer of a seller sees in a browser, from the link in the refusal to the next call."""

import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from tests.e2e.conftest import SHOP, Stack
from tests.support.node import run_node

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CREDENTIALS: Any = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
BUY = Path(__file__).parent / "browser" / "buy.mjs"
WANTED = {"meter": "tokens", "quantity": 20_000, "id": "call-1"}
BROWSER_SECONDS_MAX = 120


def waffo_sessions(stack: Stack) -> int:
    return len(stack.waffo.get("/_sim/state").raise_for_status().json()["sessions"])


def kept(stack: Stack) -> set[tuple[str, str]]:
    """Return the keys of all items of the table."""
    client: DynamoDBClient = boto3.client("dynamodb", endpoint_url=stack.ready["dynamodb_url"], **CREDENTIALS)
    with closing(client):
        pages = client.get_paginator("scan").paginate(TableName=stack.ready["table"])
        return {(item["PK"]["S"], item["SK"]["S"]) for page in pages for item in page["Items"]}


def refused(stack: Stack, customer_id: str) -> dict[str, Any]:
    """Return the refusal of a hold that the free plan has no units for."""
    stack.quota(customer_id)
    answer = stack.api.post(f"/v1/customers/{customer_id}/holds", json=WANTED)
    assert answer.status_code == HTTPStatus.PAYMENT_REQUIRED
    refusal: dict[str, Any] = answer.json()
    return refusal


@pytest.mark.parametrize("script", [True, False])
def test_promise_9_the_link_of_a_refusal_leads_to_a_payment_and_the_next_hold_succeeds_within_a_second(
    stack: Stack, customer_id: str, chromium: str, script: bool
) -> None:
    # Given a customer of the free plan who is refused
    link = refused(stack, customer_id)["purchase_url"]

    # When they open the link, press the button, and pay on the page that it leads to; with and without JavaScript
    asked = {"chromium": chromium, "link": link, "shop": SHOP, "email": "buyer@example.com", "script": script}
    seen = run_node(BUY, asked, BROWSER_SECONDS_MAX)
    assert "Buy 100,000 tokens" in seen["offer_text"]
    assert "$4.00" in seen["offer_text"]
    assert seen["buttons"] == 1
    assert seen["payment_page"].startswith(stack.ready["waffo_url"])
    assert "4.00" in seen["payment_text"]

    # Then a page of the stack waits for the payment, says what it brought, and leads back to the shop
    assert seen["landed_at"].startswith(f"{stack.ready['api_url']}/buy/chk_")
    assert "100,000 tokens added" in seen["done_text"]
    assert "110,000 tokens" in seen["done_text"]
    assert (seen["back_at"], seen["back_text"], seen["complaints"]) == (SHOP, "Welcome back", [])

    # And the same hold succeeds within a second
    deadline = time.monotonic() + 1
    while (
        placed := stack.api.post(f"/v1/customers/{customer_id}/holds", json=WANTED)
    ).status_code != HTTPStatus.CREATED:
        assert time.monotonic() < deadline, placed.text
        time.sleep(0.05)


def test_issue_16_a_preview_of_a_link_opens_no_session_and_writes_nothing(stack: Stack, customer_id: str) -> None:
    refusal = refused(stack, customer_id)
    before = waffo_sessions(stack), kept(stack)
    for url in (refusal["purchase_url"], refusal["upgrade_url"]):
        preview = httpx.get(url, headers={"user-agent": "Slackbot-LinkExpanding 1.0"}, timeout=60)
        assert preview.status_code == HTTPStatus.OK
        assert "no-store" in preview.headers["cache-control"]
    sessions, items = waffo_sessions(stack), kept(stack)
    assert sessions == before[0]
    assert not {key for key in items - before[1] if customer_id in key[0] or key[0].startswith("CHECKOUT#")}
