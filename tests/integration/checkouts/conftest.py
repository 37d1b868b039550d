"""The handlers that sell, with a fake Waffo behind them: checkouts for programs, and purchase links for people."""

import html
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import customer_pages
import overage_checkout
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.value import replace
from pancake_pages.site import Site
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.fake_waffo import FakeWaffo
from tests.support.pages import pages_deps
from tests.support.webhook_world import STORE_ID, World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
SECRET = "a secret of the tests, of 32 characters or more"
CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")


class Shop:
    """A stack that sells: the handler, the balance behind it, and Waffo in front of it."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Start with nothing sold and nothing used."""
        self.waffo = FakeWaffo()
        self.metering = Metering(Table(client, table), CATALOG)
        self.now = NOW
        self.failed_lookups: list[Exception] = []

    @property
    def world(self) -> World:
        """Waffo's webhooks, taken now."""
        return World(self.metering.table, self.now)

    def deps(self) -> CheckoutDeps:
        """Collaborators of their own for each call, as two Lambdas have."""
        selling = Selling(self.metering, self.waffo.client(), "test", "https://app.example.com/billing", STORE_ID)
        selling = replace(selling, on_lookup_failure=self.failed_lookups.append)
        return CheckoutDeps(selling, lambda: SECRET, lambda: self.now)

    def call(self, event: dict[str, Any]) -> Answer:
        """Send one request to the function that has its route."""
        if "/buy/" in event["routeKey"]:
            deps = pages_deps(self.deps(), Site(self.metering.catalog.brand), lambda: self.now)
            return read_answer(customer_pages.handler(event, LambdaContext(), deps))
        return read_answer(overage_checkout.handler(event, LambdaContext(), self.deps()))

    def see(self, path: str, **query: str) -> Answer:
        """Open the page of a link."""
        return self.call(api_event("buy_link", path=path, query=query or None))

    def probe(self, path: str) -> Answer:
        """Ask for what the page of a link is answered, as scanners of mails do."""
        event = api_event("buy_link", path=path)
        event["requestContext"]["http"]["method"] = "HEAD"
        return self.call(event)

    def press(self, path: str, page: Answer | None = None) -> Answer:
        """Press the button of a page, or of the one that the link shows now. A page without a button is the answer."""
        page = page or self.see(path)
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)"', page.body)
        if not fields:
            return page
        form = {name: html.unescape(value) for name, value in fields}
        return self.call(api_event("buy_press", path=path, body=urlencode(form)))

    def paid(self, path: str, **query: str) -> Answer:
        """Open the page after a payment."""
        return self.call(api_event("buy_paid", path=path, query=query or None))

    def checkout(self, **body: object) -> Answer:
        """Ask for a checkout."""
        return self.call(api_event("checkouts_overage", body=body))

    def use(self, quantity: int, event_id: str = "e1", customer_id: str = "acct_1001") -> None:
        """Use tokens."""
        event = usage_event(event_id, Decimal(quantity), None, self.now)
        assert record_events(self.metering, customer_id, "tokens", [event], self.now)[event_id] == "counted"

    def wait(self, span: timedelta) -> None:
        """Let time pass."""
        self.now += span


@pytest.fixture
def shop(dynamodb: "DynamoDBClient", table: str) -> Shop:
    return Shop(dynamodb, table)
