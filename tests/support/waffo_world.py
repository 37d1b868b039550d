"""A whole Waffo in this process: the simulator's own parts, without HTTP, waiting or chance, in front of a real intake.

Its webhooks are taken the moment they are sent; its GraphQL is asked through our own client. Time stands still until it is
moved.
"""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from local.waffo_simulator.actions import ACTIONS
from local.waffo_simulator.catalog_products import catalog_products
from local.waffo_simulator.checkout import Payer
from local.waffo_simulator.config import SimulatorConfig
from local.waffo_simulator.delivering import RETRIES
from local.waffo_simulator.envelope import ApiError, failure, success
from local.waffo_simulator.faults import Faults
from local.waffo_simulator.gateway import Call
from local.waffo_simulator.model import Delivery, Order, Payment, SubscriptionOrder
from local.waffo_simulator.money import taxed
from local.waffo_simulator.simulator import Simulator
from local.waffo_simulator.subscriptions import LIVE, Purchase
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.reconciliation.reconcile import Report, reconcile
from pancake_meter.usecases.reconciliation.run import Reconciling
from pancake_meter.usecases.selling.open_checkout import OpenedCheckout, Selling, open_checkout
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner
from tests.support.waffo_webhooks import platform_key, public_pem, signing_with_our_key
from tests.support.webhook_world import CATALOG, STORE_ID, World

MERCHANT_ID = "MER_1aB2cD3eF4gH5iJ6kL7mN8"
API_URL = "https://waffo.test"


@dataclass
class DirectDeliverer:
    """Hands each webhook to the intake at once. ``lost``: all four attempts fail, and it shows in GraphQL.

    ``outage``: from when to when everything is lost.
    """

    world: "WaffoWorld"
    lost: bool = False
    outage: tuple[datetime, datetime] | None = None
    faults: Faults = field(default_factory=Faults)

    def now(self) -> datetime:
        return self.world.now

    def send(self, delivery: Delivery) -> None:
        delivery.last_attempted_at = self.world.now
        if self.lost or (self.outage and self.outage[0] <= self.world.now < self.outage[1]):
            delivery.status, delivery.attempt_count = "failed", 1 + RETRIES
            return
        self.world.arrive(delivery)
        delivery.status, delivery.attempt_count = "success", 1

    def resend(self, delivery: Delivery) -> None:
        self.send(delivery)


@dataclass
class WaffoWorld:
    """One store, its customers, and the stack that meters them."""

    table: Table
    now: datetime
    seed: int = 7
    failing_pages: set[str] = field(default_factory=set)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[tuple[str, str, Exception]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        config = SimulatorConfig(
            merchant_id=MERCHANT_ID,
            merchant_public_key_pem=public_pem(platform_key()),
            store_id=STORE_ID,
            products=catalog_products(CATALOG, "test"),
            webhook_url="https://stack.test/webhooks",
            seed=self.seed,
        )
        with signing_with_our_key():
            self.waffo = Simulator(config)
        self.deliverer = DirectDeliverer(self)
        self.waffo.deliverer = self.deliverer  # type: ignore[assignment]
        self.waffo._begin()
        self.waffo.clock.set(self.now, stopped=True)
        self.stack = self.stack_on(self.table)

    def stack_on(self, table: Table) -> World:
        """A stack of ours on a table."""
        return World(table, self.now)

    # Time and the wire

    def at(self, now: datetime) -> None:
        """Move the time; Waffo renews and ends on the way what is due."""
        while self.now < now:
            ends = (order.period_end for order in self.waffo.state.subscriptions() if order.status in LIVE)
            self.now = min((end for end in ends if self.now < end), default=now)
            self.now = min(self.now, now)
            self.waffo.clock.set(self.now, stopped=True)
            self.waffo.subscriptions.run_until(self.now)

    def arrive(self, delivery: Delivery) -> None:
        """A webhook reaches the stack."""
        self.outcomes.append(self.stack.take_bytes(delivery.content, self.now))

    def forget_deliveries(self, event_type: str) -> None:
        """Waffo keeps no delivery of this type any more."""
        deliveries = self.waffo.state.deliveries
        for delivery in [each for each in deliveries.values() if each.event_type == event_type]:
            del deliveries[delivery.id]

    def client(self) -> WaffoClient:
        """Our client, connected to this Waffo; it never waits."""
        return WaffoClient(
            RequestSigner(MERCHANT_ID, platform_key()),
            api_url=API_URL,
            transport=httpx.MockTransport(self._answer),
            retry=RetryPolicy(attempts_max=2),
            sleep=lambda _: None,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        query = request.content.decode()
        self.asked.append(query)
        if self.is_down or any(name in query for name in self.failing_pages):
            return httpx.Response(503, json=failure(ApiError(503, "Upstream unavailable", "gateway")))
        try:
            answer = ACTIONS[request.url.path](self.waffo, Call(request.content, None, API_URL))
        except ApiError as error:
            return httpx.Response(error.status, json=failure(error))
        return httpx.Response(200, json=success(answer))

    # What customers do

    def subscribe(self, customer_id: str | None, product: str = "Starter", **given: Any) -> SubscriptionOrder:
        """A subscription begins."""
        return self.waffo.subscriptions.start(self.purchase(customer_id, product, **given), self.now)

    def purchase(self, customer_id: str | None, product: str, **given: Any) -> Purchase:
        """What is bought by whom."""
        sold = next(each for each in self.waffo.state.products.values() if each.name == product)
        price = taxed(sold.prices["USD"], "USD", self.waffo.state.settings.tax)
        return Purchase(product=sold, price=price, buyer_email="buyer@example.com", buyer_identity=customer_id, **given)

    def top_up(self, customer_id: str, quantity: int = 100_000) -> OpenedCheckout:
        """A checkout of a top-up, not paid yet."""
        selling = Selling(
            self.stack.metering, self.client(), "test", None, STORE_ID, new_id=lambda: f"chk_{next(self._numbers):032x}"
        )
        request = SaleRequest("top_up", "tokens", Decimal(quantity))
        return open_checkout(selling, customer_id, request, None, self.now)

    def pay(self, opened: OpenedCheckout, customer_id: str | None, *, rebuilt: bool = False) -> Order:
        """The buyer presses Pay."""
        session = self.waffo.state.sessions[opened.checkout.session_id or ""]
        return self.waffo.checkout.pay(session, Payer(identity=customer_id, rebuilt=rebuilt), self.now)

    def payment_of(self, order: Order) -> Payment:
        """The latest charge of an order."""
        return [payment for payment in self.waffo.state.payments.values() if payment.order is order][-1]

    def refund(self, order: Order, amount: str | None = None) -> None:
        """Money goes back: all of the latest charge that is left, or part of it."""
        self.waffo.checkout.refund(
            self.payment_of(order),
            Decimal(amount) if amount else None,
            self.now,
            reason="requested",
            external_id=None,
            fail=False,
        )

    def use(self, customer_id: str, units: int, meter: str = "tokens") -> None:
        """Usage is recorded."""
        event = UsageEvent(f"use-{next(self._numbers)}", Decimal(units), self.now)
        record_events(self.stack.metering, customer_id, meter, [event], self.now)

    def reconcile(self, *, may_go_on: Any = lambda: True) -> Report:
        """One run, now."""
        with self.client() as client:
            return reconcile(
                Reconciling(self.stack.metering, "test", STORE_ID, client, pause=lambda _: None),
                self.now,
                may_go_on=may_go_on,
                on_failure=lambda *failure: self.failures.append(failure),
            )

    def available(self, customer_id: str, meter: str = "tokens") -> int:
        """Units left now."""
        return self.stack.available(meter, self.now, customer_id)

    def plan(self, customer_id: str, meter: str = "tokens") -> str | None:
        """The plan that governs now."""
        return self.stack.plan(meter, self.now, customer_id)
