"""What GraphQL says of orders, deliveries and payments, typed. Used to find and heal what no webhook told us."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

from pancake_meter.value import Value, hiding
from pancake_meter.waffo.bounded_json import is_object
from pancake_meter.waffo.fields import Fields, InvalidField, PeriodBound

T = TypeVar("T")

TRIALING = "trialing"
"""Status of an order in its trial."""

LIVE_STATUSES = ("pending", "active", TRIALING, "past_due", "canceling")
"""Statuses of a subscription order that may still change what a customer may use."""


class Page(Value, Generic[T]):
    """One page of a list.

    ``received`` counts the entries Waffo sent (the next page starts after them), ``items`` are those of them that could
    be read: one odd entry must not hide the others. ``total`` is the length of the whole list, ``None`` when Waffo did
    not say.
    """

    items: tuple[T, ...]
    received: int
    total: int | None


class SubscriptionOrderSnapshot(Value):
    """A subscription order as it stood at ``updated_at``. A change known to be later is newer than this.

    ``store_id`` and ``is_test`` are as said, ``None`` when not: see ``check_snapshot_pinned``. ``is_in_trial`` proves a
    trial. That it is false proves nothing: Waffo clears it when the order is cancelled, and the trial goes on.
    """

    id: str
    store_id: str | None
    is_test: bool | None
    status: str
    currency: str | None
    buyer_email: str | None
    buyer_identity: str | None
    external_id: str | None
    metadata: Mapping[str, str]
    product_id: str | None
    product_name: str | None
    product_metadata: Mapping[str, str]
    billing_period: str | None
    period_start: PeriodBound | None
    period_end: PeriodBound | None
    period_number: int | None
    canceled_at: PeriodBound | None
    will_renew: bool | None
    updated_at: datetime | None
    origin_order_id: str | None
    superseded_by_order_id: str | None
    is_in_trial: bool = False

    @property
    def is_called_trial(self) -> bool:
        """Whether Waffo calls the current period a trial."""
        return self.is_in_trial or self.status == TRIALING


@hiding("payload")
class WebhookDelivery(Value):
    """A delivery as Waffo keeps it. ``payload`` is the body it sent: for ``parse_event``, no signature needed."""

    id: str
    event_type: str
    event_id: str
    status: str
    payload: bytes
    attempt_count: int | None
    last_attempted_at: datetime | None
    created_at: datetime | None


class PaymentSnapshot(Value):
    """A payment. ``charged`` is what the channel collected, ``list_total`` the order's price; each has its currency."""

    id: str
    is_test: bool | None
    order_id: str | None
    status: str
    external_id: str | None
    created_at: datetime | None
    charged: Decimal | None
    charged_currency: str | None
    list_total: Decimal | None
    list_subtotal: Decimal | None
    list_tax: Decimal | None
    list_currency: str | None


def read_subscription_order(order: Fields) -> SubscriptionOrderSnapshot:
    """One subscription order.

    Raises:
        InvalidField: a field that decides something is missing or ill-formed.
    """
    nothing = Fields({})
    product = order.object("subscriptionProduct") or nothing
    version = order.object("productVersion") or nothing
    return SubscriptionOrderSnapshot(
        id=order.id("id"),
        store_id=order.optional_id("storeId"),
        is_test=_flag(order, "testMode"),
        status=order.id("status"),
        currency=order.text("currency"),
        buyer_email=order.text("buyerEmail"),
        buyer_identity=order.given_id("merchantProvidedBuyerIdentity"),
        external_id=order.given_id("orderMerchantExternalId"),
        metadata=order.text_map("metadata"),
        product_id=product.optional_id("id"),
        product_name=product.text("name") or version.text("name"),
        product_metadata=version.text_map("metadata"),
        billing_period=order.text("billingPeriod"),
        period_start=order.bound("currentPeriodStart"),
        period_end=order.bound("currentPeriodEnd"),
        period_number=order.count("currentPeriodNumber"),
        canceled_at=order.bound("canceledAt"),
        will_renew=_flag(order, "willRenew"),
        updated_at=_instant(order, "updatedAt"),
        origin_order_id=order.optional_id("changeOriginOrderId"),
        superseded_by_order_id=order.optional_id("supersededByOrderId"),
        is_in_trial=order.values.get("isInTrial") is True,
    )


def read_webhook_delivery(delivery: Fields) -> WebhookDelivery:
    """One delivery.

    Raises:
        InvalidField: a field that decides something is missing or ill-formed.
    """
    return WebhookDelivery(
        id=delivery.id("id"),
        event_type=delivery.id("eventType"),
        event_id=delivery.id("eventId"),
        status=delivery.id("status"),
        payload=_payload(delivery),
        attempt_count=delivery.count("attemptCount"),
        last_attempted_at=_instant(delivery, "lastAttemptedAt"),
        created_at=_instant(delivery, "createdAt"),
    )


def read_payment(payment: Fields) -> PaymentSnapshot:
    """One payment.

    Raises:
        InvalidField: a field that decides something is missing or ill-formed.
    """
    nothing = Fields({})
    charged = payment.object("pspAmountDetails") or nothing
    listed = payment.object("snapshotAmountDetails") or nothing
    return PaymentSnapshot(
        id=payment.id("id"),
        is_test=_flag(payment, "testMode"),
        order_id=payment.optional_id("orderId"),
        status=payment.id("status"),
        external_id=payment.given_id("orderMerchantExternalId"),
        created_at=_instant(payment, "createdAt"),
        charged=charged.amount("amount"),
        charged_currency=charged.optional_id("currency"),
        list_total=listed.amount("total"),
        list_subtotal=listed.amount("subtotal"),
        list_tax=listed.amount("taxAmount"),
        list_currency=listed.optional_id("currency"),
    )


class OrderPayment(Value):
    """A payment as its order lists it. ``number`` counts a subscription's charges.

    ``charged`` with its ``currency`` and ``created_at`` are ``None`` when unknown.
    """

    id: str
    is_paid: bool
    number: int | None
    charged: Decimal | None
    refund_ids: frozenset[str] = frozenset()
    currency: str | None = None
    created_at: datetime | None = None


def read_order_payment(payment: Fields) -> OrderPayment:
    """One payment of an order.

    Raises:
        InvalidField: a field that decides something is missing or ill-formed.
    """
    charged = payment.object("pspAmountDetails") or Fields({})
    return OrderPayment(
        id=payment.id("id"),
        is_paid=payment.id("status") == "succeeded",
        number=payment.count("periodNumber"),
        charged=charged.amount("amount"),
        refund_ids=_refund_ids(payment),
        currency=charged.optional_id("currency"),
        created_at=_instant(payment, "createdAt"),
    )


def _refund_ids(payment: Fields) -> frozenset[str]:
    """Return the ids of a payment's refunds; none where there is no list of them."""
    listed = payment.values.get("refunds")
    refunds = [Fields(each).loose_id("id") for each in listed if is_object(each)] if isinstance(listed, list) else []
    return frozenset(refund_id for refund_id in refunds if refund_id is not None)


def _flag(fields: Fields, name: str) -> bool | None:
    value = fields.values.get(name)
    return value if isinstance(value, bool) else None


def _instant(fields: Fields, name: str) -> datetime | None:
    bound = fields.bound(name)
    return None if bound is None else bound.instant


def _payload(delivery: Fields) -> bytes:
    """The payload is a text of JSON; should the schema turn it into an object, that is as good."""
    value = delivery.values.get("payload")
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    )
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidField("payload", "has text that is not Unicode") from None
