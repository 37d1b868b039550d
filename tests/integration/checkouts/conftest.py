"""The overage checkout handler with a fake Waffo behind it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from overage_checkout import handler
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.open_checkout import Selling
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.fake_waffo import FakeWaffo
from tests.support.webhook_world import STORE_ID

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

    def deps(self) -> CheckoutDeps:
        """Collaborators of their own for each call, as two Lambdas have."""
        selling = Selling(self.metering, self.waffo.client(), "test", "https://app.example.com/billing", STORE_ID)
        selling = replace(selling, on_lookup_failure=self.failed_lookups.append)
        return CheckoutDeps(selling, lambda: SECRET, lambda: self.now)

    def call(self, event: dict[str, Any]) -> Answer:
        """Send one request."""
        return read_answer(handler(event, LambdaContext(), self.deps()))

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
