"""A small Waffo for tests: it makes events of one customer's orders and hands them, signed, to the intake."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pancake_meter.catalog import Catalog, load_catalog
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.usecases.webhooks.take import Intake, take_webhook
from pancake_meter.value import Value, field
from tests.support.waffo_webhooks import encode, platform_key, sign_webhook

CATALOG = Path(__file__).parents[2] / "layers" / "catalog" / "catalog.toml"
STORE_ID = "STO_7hQ2mVb9KxT4cLr8WnZ3aE"
CUSTOMER = "acct_1001"

Document = dict[str, Any]
_numbers = itertools.count(1)


def utc(text: str) -> datetime:
    """An instant from ISO text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def event(kind: str, order_id: str, at: str, event_id: str | None = None, /, **data: object) -> Document:
    """A webhook event; ``data`` replaces or adds fields, ``None`` takes one away."""
    fields: Document = {
        "orderId": order_id,
        "buyerEmail": "buyer@example.com",
        "merchantProvidedBuyerIdentity": CUSTOMER,
        "currency": "USD",
        "productName": "Starter",
        **data,
    }
    return {
        "id": f"00000000-0000-4000-8000-{next(_numbers):012d}",
        "timestamp": f"{at}Z" if "T" in at else f"{at}T15:14:33.018Z",
        "eventType": kind,
        "eventId": event_id or order_id,
        "storeId": STORE_ID,
        "storeName": "Invented AI Store",
        "mode": "test",
        "data": {name: value for name, value in fields.items() if value is not None},
    }


def lifecycle(
    kind: str, order_id: str, at: str, start: str, end: str, *, plan: str = "starter", number: int = 1, **data: object
) -> Document:
    """An event of a subscription's life, with its period and plan."""
    period = {"currentPeriodStart": start, "currentPeriodEnd": end, "periodNumber": number, "billingPeriod": "monthly"}
    product = {"productName": plan.capitalize(), "productMetadata": {"plan": plan}}
    return event(f"subscription.{kind}", order_id, at, None, **{**period, **product, **data})


def payment(
    order_id: str, payment_id: str, at: str, *, amount: str = "9.00", number: int = 1, **data: object
) -> Document:
    """A subscription's charge."""
    charge = {
        "paymentId": payment_id,
        "chargedAmount": amount,
        "amount": amount,
        "total": amount,
        "periodNumber": number,
    }
    return event("subscription.payment_succeeded", order_id, at, payment_id, **{**charge, **data})


def refund(
    order_id: str, payment_id: str, refund_id: str, at: str, *, amount: str, of: str = "9.00", **data: object
) -> Document:
    """A refund of a charge."""
    fields = {
        "paymentId": payment_id,
        "refundedAmount": amount,
        "originalChargedAmount": of,
        "amount": amount,
        "refundStatus": "succeeded",
        "refundCreatedAt": f"{at}T10:00:00.000Z",
    }
    return event("refund.succeeded", order_id, at, refund_id, **{**fields, **data})


class World(Value):
    """An intake on a table, and the customer's side of it."""

    table: Table
    now: datetime
    mode: Any = "test"
    catalog: Catalog = field(default_factory=lambda: load_catalog(CATALOG))
    waits: list[float] = field(default_factory=list)
    erasures: Erasures | None = None

    @property
    def metering(self) -> Metering:
        """The catalog on the table."""
        return Metering(self.table, self.catalog, erasures=self.erasures)

    @property
    def intake(self) -> Intake:
        """The intake, with the test's own key in Waffo's place."""
        return Intake(self.metering, self.mode, STORE_ID, (platform_key().public_key(),), pause=self.waits.append)

    def take(self, document: Document, now: datetime | None = None) -> Outcome:
        """Deliver one event."""
        return self.take_bytes(encode(document), now)

    def take_bytes(self, body: bytes, now: datetime | None = None) -> Outcome:
        """Deliver raw bytes, signed."""
        at = now or self.now
        headers = {"x-waffo-signature": sign_webhook(body, at=at), "content-type": "application/json"}
        return take_webhook(self.intake, body, headers, at)

    def use(self, units: int, meter: str = "tokens", now: datetime | None = None) -> None:
        """Record usage."""
        at = now or self.now
        record_events(self.metering, CUSTOMER, meter, [UsageEvent(f"use-{next(_numbers)}", Decimal(units), at)], at)

    def available(self, meter: str = "tokens", now: datetime | None = None, customer_id: str = CUSTOMER) -> int:
        """Units left."""
        return int(self.metering.current_balance(customer_id, meter, now or self.now).available)

    def plan(self, meter: str = "tokens", now: datetime | None = None, customer_id: str = CUSTOMER) -> str | None:
        """Plan that governs the balance."""
        return self.metering.current_balance(customer_id, meter, now or self.now).policy.plan

    def meters(self) -> list[str]:
        """Meters with a written balance."""
        return [balance.meter for balance in read_balances(self.table, CUSTOMER)]


def days(number: int) -> timedelta:
    """Whole days."""
    return timedelta(days=number)
