"""A customer who uses, is asked to pay, and pays, with every webhook delivered by hand."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.open_checkout import Selling, open_checkout
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.usecases.webhooks.take import take_webhook
from pancake_meter.value import replace
from tests.support.fake_waffo import FakeWaffo
from tests.support.waffo_webhooks import encode, sign_webhook
from tests.support.webhook_world import CUSTOMER, STORE_ID, Document, World, event, lifecycle, utc

BEGAN: Final = utc("2026-03-10T15:15:00")
ORDER: Final = "ORD_S"


@dataclass
class Billing:
    """A customer of ours: what they use, what they are asked to pay, what Waffo tells of it."""

    world: World
    metering: Metering
    now: datetime = BEGAN
    customer_id: str = CUSTOMER
    waffo: FakeWaffo = field(default_factory=FakeWaffo)
    names: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        """Sell through a Waffo that makes every session."""
        self.selling = Selling(self.metering, self.waffo.client(), "test", None, STORE_ID)

    @property
    def mine(self) -> dict[str, Any]:
        """What makes an event this customer's."""
        return {"merchantProvidedBuyerIdentity": self.customer_id}

    def subscribe(self, plan: str, kind: str = "activated", order: str = ORDER) -> None:
        """A paid month from now on."""
        end = f"{self.now + timedelta(days=31):%Y-%m-%d}"
        today = f"{self.now:%Y-%m-%d}"
        self.take(lifecycle(kind, order, today, today, end, plan=plan, **self.mine))

    def use(self, units: int) -> None:
        """Use tokens."""
        used = usage_event(f"e{next(self.names)}", Decimal(units), None, self.now)
        record_events(self.metering, self.customer_id, "tokens", [used], self.now)

    def wait(self, days: int) -> None:
        """Let days pass."""
        self.now += timedelta(days=days)

    def ask(self, currency: str = "USD", kind: str = "overage") -> Checkout:
        """Ask for a checkout of what is owed, or of a top-up."""
        sale = SaleRequest("top_up" if kind == "top_up" else "overage", "tokens", currency=currency)
        return open_checkout(self.selling, self.customer_id, sale, None, self.now).checkout

    def take(self, document: Document) -> str | None:
        """Deliver one event; return the reason or flag."""
        body = encode(document)
        headers = {"x-waffo-signature": sign_webhook(body, at=self.now)}
        outcome = take_webhook(replace(self.world.intake, metering=self.metering), body, headers, self.now)
        assert outcome.verdict in ("applied", "ignored", "duplicate"), outcome
        return outcome.reason

    def paid(self, checkout: Checkout, payment_id: str | None = None, amount: str | None = None) -> Document:
        """The event of a payment made now."""
        payment_id = payment_id or f"PAY_{next(self.names)}"
        price = amount or checkout.amount.display
        money = {"listPrice": {"total": price, "subtotal": price}, "chargedAmount": price, "amount": price}
        facts = {"paymentId": payment_id, "currency": checkout.amount.currency, "productMetadata": {"kind": "usage"}}
        at = f"{self.now:%Y-%m-%dT%H:%M:%S.000}"
        external = {"orderMerchantExternalId": checkout.id}
        return event(
            "order.completed", f"ORD_{payment_id}", at, payment_id, **{**money, **facts, **external, **self.mine}
        )

    def pay(self, checkout: Checkout) -> str | None:
        """Pay, and hear of it at once."""
        return self.take(self.paid(checkout))

    def owes(self) -> tuple[int, int, int]:
        """Units due, units of open overage, units available."""
        balance = self.metering.current_balance(self.customer_id, "tokens", self.now)
        return int(balance.overage_due), int(balance.current_overage), int(balance.available)
