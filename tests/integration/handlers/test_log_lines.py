"""Issue 13, point 7: all log lines of a customer's life, from the webhook to the erasure, show nothing that they may not."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import customer_data
import customer_pages
import overage_checkout
import quota_check
import usage_recording
import webhook_deliveries
import webhook_intake
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.deps.customer_data import CustomerDataDeps
from pancake_meter.deps.intake import IntakeDeps
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.deps.telemetry import report_unprovisioned
from pancake_meter.domain.access.api_key import generate_api_key
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.usecases.webhooks.take import Intake
from pancake_pages.site import Site
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.fake_waffo import FakeWaffo
from tests.support.pages import pages_deps
from tests.support.waffo_webhooks import encode, platform_key, sign_webhook
from tests.support.webhook_world import CATALOG, STORE_ID, Document, lifecycle, payment, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:20:00")
ADA, MAIL, NAME = "ada.l@example.com", "countess@example.org", "Ada Lovelace"
KEY = generate_api_key("test")
LINKS, PSEUDONYMS = "a secret of links, of many characters", "a key of pseudonyms"
BUYER: dict[str, Any] = {
    "merchantProvidedBuyerIdentity": ADA,
    "buyerEmail": MAIL,
    "billingDetail": {"country": "GB", "businessName": NAME},
}


@dataclass
class Stack:
    """Every function of the customer's life on one table."""

    metering: Metering
    waffo: FakeWaffo
    signatures: list[str]

    def call(self, function: Any, name: str, deps: object, **changes: Any) -> Answer:
        """Send a request to a function, as the customer whose id is an address."""
        event = api_event(name, **changes)
        path = event["rawPath"].replace("acct_1001", ADA)
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["headers"]["authorization"] = f"Bearer {KEY}"
        return read_answer(function.handler(event, LambdaContext(), deps))

    def take(self, document: Document) -> None:
        """Deliver a webhook."""
        body = encode(document)
        signature = sign_webhook(body, at=NOW)
        self.signatures.append(signature.rpartition("v1=")[2])
        intake = Intake(self.metering, "test", STORE_ID, (platform_key().public_key(),))
        event = {
            "requestContext": {"http": {"method": "POST"}},
            "headers": {"x-waffo-signature": signature},
            "body": body.decode(),
        }
        answer = webhook_intake.handler(event, LambdaContext(), IntakeDeps(intake, lambda: NOW))
        assert answer["statusCode"] == 200, answer

    @property
    def quota(self) -> QuotaDeps:
        """The gate, which gives links."""
        return QuotaDeps(self.metering, Offers(self.metering.catalog, "test", lambda: LINKS), lambda: NOW)

    @property
    def shop(self) -> CheckoutDeps:
        """The shop."""
        selling = Selling(self.metering, self.waffo.client(), "test", "https://app.example.com/", STORE_ID)
        return CheckoutDeps(selling, lambda: LINKS, lambda: NOW)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Whatever the functions' loggers write."""
    stream = io.StringIO()
    handlers = [each for each in logging.getLogger("test").handlers if isinstance(each, logging.StreamHandler)]
    changed = [(handler, handler.setStream(stream)) for handler in handlers]
    assert changed
    yield stream
    for handler, before in changed:
        handler.setStream(before)


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Stack:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    erasures = Erasures(ours, lambda: PSEUDONYMS)
    return Stack(Metering(ours, load_catalog(CATALOG), report_unprovisioned, erasures=erasures), FakeWaffo(), [])


def test_no_line_shows_a_key_a_token_a_signature_an_address_or_a_body(stack: Stack, lines: io.StringIO) -> None:
    # Given a customer who is refused, buys, and subscribes; an operator who looks; and trouble on the way
    refused = stack.call(
        quota_check, "holds_place", stack.quota, body={"meter": "tokens", "quantity": 10_000_000, "id": "h"}
    )
    assert refused.status == 402
    link = refused.body["purchase_url"].partition("/buy/")[2]
    pages = pages_deps(stack.shop, Site(stack.metering.catalog.brand), lambda: NOW)
    assert stack.call(customer_pages, "buy_link", pages, path=f"/buy/{link}").status == 200
    bought = stack.call(customer_pages, "buy_press", pages, path=f"/buy/{link}", body="")
    assert bought.status == 303
    token = bought.headers["Location"].partition("#token=")[2]
    stack.waffo.refuse = True
    stack.call(overage_checkout, "checkouts_subscription", stack.shop)
    stack.take(lifecycle("activated", "ORD_1", "2026-03-10", "2026-03-10", "2026-04-10", plan="pro", **BUYER))
    stack.take(payment("ORD_1", "PAY_1", "2026-03-10", amount="29.00", **BUYER))
    stack.take(payment("ORD_2", "PAY_2", "2026-03-10", **{**BUYER, "merchantProvidedBuyerIdentity": None}))
    usage = {"events": [{"id": "e1", "customer_id": ADA, "meter": "tokens", "quantity": 5}]}
    metering = MeteringDeps(stack.metering, lambda: NOW)
    assert stack.call(usage_recording, "usage_batch", metering, body=usage).status == 200
    stack.call(webhook_deliveries, "deliveries_parked", metering, query={"verdict": "parked"})
    later = NOW + timedelta(days=1)
    erasures = stack.metering.erasures
    assert erasures is not None
    assert stack.call(customer_data, "customer_export", CustomerDataDeps(erasures, lambda: later)).status == 200
    assert stack.call(customer_data, "customer_erase", CustomerDataDeps(erasures, lambda: later)).status == 200
    # Then
    printed = lines.getvalue()
    assert len([json.loads(line) for line in printed.splitlines()]) >= 5
    assert len(stack.signatures) == 3
    for secret in (KEY, link, token, LINKS, PSEUDONYMS, ADA, MAIL, NAME, *stack.signatures):
        assert secret not in printed
    for part in ("buyerEmail", "businessName", "authorization", "x-waffo-signature"):
        assert part not in printed
