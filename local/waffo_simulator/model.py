"""What there is in the simulated Waffo: one dataclass a thing, all kept in `State`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from local.waffo_simulator.config import Product
from local.waffo_simulator.money import Price, Tax
from local.waffo_simulator.product_group import ProductGroup

EVENT_TYPES = (
    "order.completed",
    "subscription.activated",
    "subscription.payment_succeeded",
    "subscription.renewed",
    "subscription.recovered",
    "subscription.plan_changed",
    "subscription.plan_change_scheduled",
    "subscription.plan_change_failed",
    "subscription.canceling",
    "subscription.uncanceled",
    "subscription.canceled",
    "subscription.past_due",
    "refund.succeeded",
    "refund.failed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """The part of a checkout session that makes it a plan change."""

    origin_order_id: str
    timing: str | None
    amount: Decimal | None
    credit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The trial that a subscription begins with."""

    days: int
    price: Price


@dataclass(slots=True, kw_only=True)
class Session:
    """A hosted checkout."""

    id: str
    product: Product
    price: Price
    created_at: datetime
    expires_at: datetime
    success_url: str | None
    buyer_email: str | None
    billing_detail: Mapping[str, Any] | None
    external_id: str | None
    metadata: Mapping[str, str]
    dark_mode: bool | None
    plan_change: PlanChange | None
    with_trial: bool | None = None
    order_ids: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Order:
    """A one-time order; with its subclass, any order."""

    id: str
    product: Product
    price: Price
    status: str
    buyer_email: str
    buyer_identity: str | None
    billing_detail: Mapping[str, Any] | None
    external_id: str | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime

    @property
    def phase_price(self) -> Price:
        """The price of what is charged now."""
        return self.price


@dataclass(slots=True, kw_only=True)
class SubscriptionOrder(Order):
    """A subscription. Its period is the one with `index` counted from `anchor`, unless a test gave it other bounds.

    `trial` is the trial that it began with, and `is_trialing` says whether that still runs. `is_in_trial` is what GraphQL
    says of it: Waffo clears that when the order is cancelled, while the trial goes on. `has_unpaid_balance`: it was
    cancelled while a charge was overdue.
    """

    anchor: datetime
    index: int
    period_number: int
    period_start: datetime
    period_end: datetime
    canceled_at: datetime | None = None
    next_product: Product | None = None
    next_price: Price | None = None
    origin_order_id: str | None = None
    superseded_by_order_id: str | None = None
    trial: Trial | None = None
    is_trialing: bool = False
    is_in_trial: bool = False
    has_unpaid_balance: bool = False

    @property
    def phase_price(self) -> Price:
        """The trial's price while that runs."""
        return self.trial.price if self.trial and self.is_trialing else self.price


@dataclass(slots=True, kw_only=True)
class Payment:
    """One charge, made or failed. `charged` is what the channel collected."""

    id: str
    order: Order
    price: Price
    charged: Decimal
    status: Literal["succeeded", "failed"]
    created_at: datetime
    period_number: int | None
    failure_reason: str | None = None


@dataclass(slots=True, kw_only=True)
class Refund:
    """Money given back for a payment, or the failed attempt at it."""

    id: str
    payment: Payment
    amount: Decimal
    status: Literal["succeeded", "failed"]
    reason: str
    external_id: str | None
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class RefundTicket:
    """A refund that was asked for. `refund_id` is the refund that it became."""

    id: str
    payment: Payment
    amount: Decimal
    reason: str
    external_id: str | None
    created_at: datetime
    status: Literal["processing", "succeeded", "failed"] = "processing"
    refund_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Where events go."""

    id: str
    url: str
    events: tuple[str, ...]
    test_mode: bool
    created_at: datetime
    channel: str = "http"


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook. `content` and `signature` are fixed before the first attempt."""

    id: str
    event_type: str
    event_id: str
    url: str
    content: bytes = field(repr=False)
    signature: str = field(repr=False)
    created_at: datetime
    status: Literal["pending", "success", "failed"] = "pending"
    attempt_count: int = 0
    http_status: int | None = None
    response_body: str | None = None
    last_attempted_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Settings:
    """How the simulator writes what the documentation leaves open, or what was seen in the field. See `control`."""

    tax: Tax = field(default_factory=Tax)
    period_bounds: str = "instant"
    event_ids: str = "uuid"
    charged_amount: bool = True
    refund_payment_id: bool = False
    plan_change: str = "new_order"
    self_service_plan_change: bool = False
    trial_number: int = 0
    trial_status: str = "trialing"
    trial_conversion: str = "renewed"
    refund_tickets: str = "at_once"


@dataclass(slots=True)
class State:
    """Everything, by id, in the order in which it was made."""

    products: dict[str, Product] = field(default_factory=dict)
    groups: dict[str, ProductGroup] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    tickets: dict[str, RefundTicket] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)

    def subscriptions(self) -> list[SubscriptionOrder]:
        """The subscription orders."""
        return [order for order in self.orders.values() if isinstance(order, SubscriptionOrder)]
