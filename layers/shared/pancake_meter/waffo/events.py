"""Waffo's webhook events: the envelope as it is, and for the types we know the facts in it, typed.

Lenient about what is unknown (types, fields), strict about what decides: ids, money and time. The raw ``data`` is
always kept.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from pancake_meter.domain.balance.ledger import EventCause
from pancake_meter.domain.standing.lifecycle import ToldBy
from pancake_meter.value import Value
from pancake_meter.waffo.bounded_json import UnreadableJson, is_object, read_json_object
from pancake_meter.waffo.errors import BodyTooLarge, MalformedEvent, ObsoleteEventShape
from pancake_meter.waffo.fields import Fields, InvalidField, PeriodBound

MAX_BODY_BYTES = 256 * 1024
"""About a hundred times a real event, and small enough to keep whole in one DynamoDB item (400 KB)."""


class EventKind(StrEnum):
    """The event types whose meaning we know."""

    ORDER_COMPLETED = "order.completed"
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    SUBSCRIPTION_PAYMENT_SUCCEEDED = "subscription.payment_succeeded"
    SUBSCRIPTION_RENEWED = "subscription.renewed"
    SUBSCRIPTION_RECOVERED = "subscription.recovered"
    SUBSCRIPTION_PLAN_CHANGED = "subscription.plan_changed"
    SUBSCRIPTION_PLAN_CHANGE_SCHEDULED = "subscription.plan_change_scheduled"
    SUBSCRIPTION_PLAN_CHANGE_FAILED = "subscription.plan_change_failed"
    SUBSCRIPTION_CANCELING = "subscription.canceling"
    SUBSCRIPTION_UNCANCELED = "subscription.uncanceled"
    SUBSCRIPTION_CANCELED = "subscription.canceled"
    SUBSCRIPTION_PAST_DUE = "subscription.past_due"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"


OLDER_NAMES: Mapping[str, EventKind] = MappingProxyType({"subscription.updated": EventKind.SUBSCRIPTION_PLAN_CHANGED})
"""Names that the platform used before (SDK < 0.20), and what they are called now."""

_PAYMENTS = frozenset({EventKind.ORDER_COMPLETED, EventKind.SUBSCRIPTION_PAYMENT_SUCCEEDED})
_REFUNDS = frozenset({EventKind.REFUND_SUCCEEDED, EventKind.REFUND_FAILED})


class Order(Value):
    """The order an event is about, and what leads from it to a customer and a plan. There is no product id in an event.

    ``buyer_identity`` is ours (``merchantProvidedBuyerIdentity``) when checkout was authenticated; ``external_id`` and
    ``metadata`` are what we gave at checkout, and are lost when the buyer rebuilds the checkout.
    """

    id: str
    status: str | None
    buyer_identity: str | None
    buyer_email: str | None
    external_id: str | None
    metadata: Mapping[str, str]
    product_name: str | None
    product_metadata: Mapping[str, str]


class PriceBreakdown(Value):
    """A price with its parts, in the event's currency. ``subtotal`` is before tax, ``total`` after it."""

    total: Decimal
    subtotal: Decimal | None
    tax: Decimal | None


class SubscriptionFacts(Value):
    """A change in a subscription's life. The bounds are ``None`` where the event carries none (or an empty one).

    ``period_number`` counts charges (1 = first) and is no key; ``plan_price`` is the list price of the plan's current phase:
    in a trial, the trial's. ``is_in_trial`` is GraphQL's: an event made of a snapshot has it, Waffo's own do not.
    """

    kind: EventKind
    order: Order
    billing_period: str | None
    period_start: PeriodBound | None
    period_end: PeriodBound | None
    canceled_at: PeriodBound | None
    period_number: int | None
    currency: str | None
    plan_price: PriceBreakdown | None
    is_in_trial: bool = False

    @property
    def is_called_trial(self) -> bool:
        """Whether Waffo itself calls the current period a trial. It may also call such an order ``active``."""
        return self.is_in_trial or (self.order.status or "").strip().casefold() == "trialing"


class PaymentFacts(Value):
    """One charge: a receipt. It carries no period, whatever older events put into it.

    ``charged`` is what the channel collected, ``None`` when Waffo does not know; ``list_price`` the price of the order.
    ``amount`` is the deprecated flat figure: ``charged`` where it is known, else the list price. ``period_number`` is of a
    subscription's charges: a one-time order has none, whatever it states.
    """

    kind: EventKind
    order: Order
    payment_id: str
    status: str | None
    currency: str
    charged: Decimal | None
    amount: Decimal | None
    list_price: PriceBreakdown | None
    paid_on: PeriodBound | None
    method: str | None
    failure_reason: str | None
    period_number: int | None

    @property
    def is_card_check(self) -> bool:
        """Whether this is the authorisation of a card: it pays for nothing. A charge of zero in a period is none, and
        neither is money that was collected, whatever its number says.
        """
        return self.period_number == 0 and not self.charged

    @property
    def is_free(self) -> bool:
        """Whether nothing was charged although there is a price: a full discount, or credit paid for it."""
        price = self.list_price.total if self.list_price else Decimal(0)
        return self.charged == 0 and price > 0


class RefundFacts(Value):
    """One refund, identified by the envelope's ``event_id``. ``refunded`` is its own amount, ``None`` when Waffo does
    not know.

    ``original_charged`` is what the refunded payment collected (the ceiling of all its refunds), ``original_price`` its
    list price. ``amount`` is the deprecated flat figure, all that older events have.
    """

    kind: EventKind
    order: Order
    payment_id: str | None
    period_number: int | None
    status: str | None
    reason: str | None
    created_at: PeriodBound | None
    currency: str
    refunded: Decimal | None
    amount: Decimal | None
    original_charged: Decimal | None
    original_price: PriceBreakdown | None
    ticket_external_id: str | None


class Unrecognised(Value):
    """An event of a type we do not know: to be kept, and to change nothing."""

    order_id: str | None


Facts = SubscriptionFacts | PaymentFacts | RefundFacts | Unrecognised


class WaffoEvent(Value):
    """One webhook event.

    ``id`` and ``event_id`` are opaque and **not** safe as keys: ``id`` was seen to be the order's, and two types may
    share an ``event_id``. ``event_type`` is the name as sent, ``facts.kind`` its present name. ``mode`` is as sent: see
    ``check_pinned``.
    """

    id: str
    timestamp: datetime
    event_type: str
    event_id: str
    store_id: str
    store_name: str | None
    mode: str
    data: Mapping[str, object]
    facts: Facts
    told_by: ToldBy = "webhook"

    @property
    def cause(self) -> EventCause:
        """What the ledger calls it: the type's present name, and that it was healed where no webhook told us."""
        name = self.event_type if isinstance(self.facts, Unrecognised) else self.facts.kind.value
        return EventCause(name if self.told_by == "webhook" else f"{self.told_by}:{name}")

    @property
    def order_id(self) -> str | None:
        """The order it is about; only an unrecognised event may lack one."""
        return self.facts.order_id if isinstance(self.facts, Unrecognised) else self.facts.order.id


def parse_event(body: bytes, told_by: ToldBy = "webhook") -> WaffoEvent:
    """The event in a **verified** body, or in the payload of a delivery read by GraphQL.

    Raises:
        BodyTooLarge: more than 256 KB.
        ObsoleteEventShape: ``{event, data}`` with minor units, from old docs.
        MalformedEvent: not JSON within the bounds, or a field that decides something is missing or ill-formed.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        document = read_json_object(body)
    except UnreadableJson as error:
        raise MalformedEvent("body", error.problem) from None
    if "event" in document and "eventType" not in document:
        raise ObsoleteEventShape
    try:
        return _event(Fields(document), told_by)
    except InvalidField as error:
        raise MalformedEvent(error.field, error.problem) from None


def _event(envelope: Fields, told_by: ToldBy) -> WaffoEvent:
    data = envelope.values.get("data")
    if not is_object(data):
        raise InvalidField("data", "is not a JSON object")
    event_type = envelope.id("eventType")
    return WaffoEvent(
        id=envelope.id("id"),
        timestamp=envelope.instant("timestamp"),
        event_type=event_type,
        event_id=envelope.id("eventId"),
        store_id=envelope.id("storeId"),
        store_name=envelope.text("storeName"),
        mode=envelope.id("mode"),
        data=MappingProxyType(dict(data)),
        facts=_facts(event_type, Fields(data, "data")),
        told_by=told_by,
    )


def _facts(event_type: str, data: Fields) -> Facts:
    kind = kind_of(event_type)
    if kind is None:
        return Unrecognised(order_id=data.loose_id("orderId"))
    if kind in _PAYMENTS:
        return _payment(kind, data)
    if kind in _REFUNDS:
        return _refund(kind, data)
    return _subscription(kind, data)


def kind_of(event_type: str) -> EventKind | None:
    """What an event type means to us: older names included, ``None`` when we do not know it."""
    try:
        return OLDER_NAMES.get(event_type) or EventKind(event_type)
    except ValueError:
        return None


def _order(data: Fields) -> Order:
    return Order(
        id=data.id("orderId"),
        status=data.text("orderStatus"),
        buyer_identity=data.given_id("merchantProvidedBuyerIdentity"),
        buyer_email=data.text("buyerEmail"),
        external_id=data.given_id("orderMerchantExternalId"),
        metadata=data.text_map("orderMetadata"),
        product_name=data.text("productName"),
        product_metadata=data.text_map("productMetadata"),
    )


def _subscription(kind: EventKind, data: Fields) -> SubscriptionFacts:
    return SubscriptionFacts(
        kind=kind,
        order=_order(data),
        billing_period=data.text("billingPeriod"),
        period_start=data.bound("currentPeriodStart"),
        period_end=data.bound("currentPeriodEnd"),
        canceled_at=data.loose_bound("canceledAt"),
        period_number=data.number("periodNumber"),
        currency=data.text("currency"),
        plan_price=_loose_price(data, "planPrice"),
        is_in_trial=data.values.get("isInTrial") is True,
    )


def _payment(kind: EventKind, data: Fields) -> PaymentFacts:
    return PaymentFacts(
        kind=kind,
        order=_order(data),
        payment_id=data.id("paymentId"),
        status=data.text("paymentStatus"),
        currency=data.currency("currency"),
        charged=data.amount("chargedAmount"),
        amount=_flat_amount(data, "chargedAmount"),
        list_price=_price(data, "listPrice"),
        paid_on=data.loose_bound("paymentDate"),
        method=data.text("paymentMethod"),
        failure_reason=data.text("paymentFailureReason"),
        period_number=None if kind is EventKind.ORDER_COMPLETED else data.number("periodNumber"),
    )


def _refund(kind: EventKind, data: Fields) -> RefundFacts:
    return RefundFacts(
        kind=kind,
        order=_order(data),
        payment_id=data.optional_id("paymentId"),
        period_number=data.number("periodNumber"),
        status=data.text("refundStatus"),
        reason=data.text("refundReason"),
        created_at=data.bound("refundCreatedAt"),
        currency=data.currency("currency"),
        refunded=data.amount("refundedAmount"),
        amount=_flat_amount(data, "refundedAmount"),
        original_charged=data.amount("originalChargedAmount"),
        original_price=_price(data, "originalPayment"),
        ticket_external_id=data.loose_given_id("refundTicketMerchantExternalId"),
    )


def _price(data: Fields, block: str) -> PriceBreakdown | None:
    """The price in ``block``, else in the deprecated flat fields, which say the same of it."""
    fields = data.object(block) or data
    total = fields.amount("total")
    if total is None:
        return None
    return PriceBreakdown(total=total, subtotal=fields.amount("subtotal"), tax=fields.amount("taxAmount"))


def _loose_price(data: Fields, block: str) -> PriceBreakdown | None:
    """The price in ``block``, or ``None`` where it cannot be read: where it decides nothing."""
    try:
        return _price(data, block)
    except InvalidField:
        return None


def _flat_amount(data: Fields, precise: str) -> Decimal | None:
    """The deprecated flat amount, which decides only where the precise one is absent."""
    return data.amount("amount") if data.amount(precise) is None else data.loose_amount("amount")
