"""The bodies of webhooks: the field families that go with each kind of event."""

from datetime import datetime
from decimal import Decimal

from local.waffo_simulator.clock import wire
from local.waffo_simulator.envelope import Json
from local.waffo_simulator.model import Order, Payment, Refund, Settings, SubscriptionOrder
from local.waffo_simulator.money import Price, display

CARD_LAST4 = "0110"

WITHOUT_NUMBER = ("subscription.canceling", "subscription.uncanceled", "subscription.plan_change_failed")
"""Events of a subscription that are about no charge, and do not number one."""


def payment_event(payment: Payment, settings: Settings) -> Json:
    """`data` of order.completed and subscription.payment_succeeded: one charge; of a subscription, without status."""
    order, price = payment.order, payment.price
    is_subscription = isinstance(order, SubscriptionOrder)
    charged = display(payment.charged, price.currency)
    return {
        **_order(order, with_status=not is_subscription),
        **({"chargedAmount": charged} if settings.charged_amount else {}),
        **_flat(price),
        "amount": charged if settings.charged_amount else display(price.total, price.currency),
        "listPrice": breakdown(price),
        **_product(order),
        **_payment(payment),
        **({"periodNumber": payment.period_number} if is_subscription else {}),
    }


def subscription_event(event_type: str, order: SubscriptionOrder, settings: Settings) -> Json:
    """`data` of every other subscription event: the status, the plan's price, the period."""
    return {
        **_order(order, with_status=True),
        **_flat(order.phase_price),
        "planPrice": breakdown(order.phase_price),
        **_product(order),
        **({} if event_type in WITHOUT_NUMBER else {"periodNumber": order.period_number}),
        "billingPeriod": order.product.billing_period,
        "currentPeriodStart": _bound(order.period_start, settings),
        "currentPeriodEnd": _bound(order.period_end, settings),
        **({"canceledAt": wire(order.canceled_at)} if order.canceled_at else {}),
    }


def refund_event(refund: Refund, settings: Settings) -> Json:
    """`data` of refund.succeeded and refund.failed. A failed refund gave nothing back, and says no refundedAmount.

    The documentation names no payment in them: of a subscription it gives the number of the refunded charge.
    `settings.refund_payment_id` adds the payment.
    """
    payment = refund.payment
    currency = payment.price.currency
    refunded = display(refund.amount, currency)
    succeeded = refund.status == "succeeded"
    charged = {"originalChargedAmount": display(payment.charged, currency)} if settings.charged_amount else {}
    return {
        **_order(payment.order, with_status=True),
        **({"refundTicketMerchantExternalId": refund.external_id} if refund.external_id else {}),
        **({"refundedAmount": refunded} if succeeded else {}),
        **charged,
        **_flat(payment.price),
        "amount": refunded if succeeded else display(Decimal(0), currency),
        "originalPayment": breakdown(payment.price),
        **_product(payment.order),
        **(_payment(payment) if settings.refund_payment_id else {}),
        **({"periodNumber": payment.period_number} if isinstance(payment.order, SubscriptionOrder) else {}),
        "refundStatus": refund.status,
        "refundReason": refund.reason,
        "refundCreatedAt": wire(refund.created_at),
    }


def breakdown(price: Price) -> Json:
    """`listPrice`, `planPrice`, `originalPayment`."""
    return {
        "total": display(price.total, price.currency),
        "subtotal": display(price.subtotal, price.currency),
        "taxAmount": display(price.tax, price.currency),
        **_tax(price),
    }


def _flat(price: Price) -> Json:
    """The deprecated flat fields, still sent. Their tax rate is a fraction, where a block's is a percentage."""
    rate = {"taxRate": float(price.tax_rate / 100)} if price.tax_rate else {}
    return {"amount": display(price.total, price.currency), **breakdown(price), **rate}


def _tax(price: Price) -> Json:
    if not price.tax_rate:
        return {}
    rate = int(price.tax_rate) if price.tax_rate == int(price.tax_rate) else float(price.tax_rate)
    return {"taxRate": rate, "taxName": price.tax_name}


def _order(order: Order, *, with_status: bool) -> Json:
    optional = {
        "merchantProvidedBuyerIdentity": order.buyer_identity,
        "orderMerchantExternalId": order.external_id,
        "billingDetail": order.billing_detail,
        "orderMetadata": dict(order.metadata) or None,
    }
    return {
        "orderId": order.id,
        **({"orderStatus": order.status} if with_status else {}),
        "buyerEmail": order.buyer_email,
        "currency": order.price.currency,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _product(order: Order) -> Json:
    product = order.product
    return {
        "productName": product.name,
        **({"productDescription": product.description} if product.description else {}),
        **({"productMetadata": dict(product.metadata)} if product.metadata else {}),
    }


def _payment(payment: Payment) -> Json:
    return {
        "paymentId": payment.id,
        "paymentStatus": payment.status,
        "paymentMethod": "card",
        "paymentLast4": CARD_LAST4,
        "paymentDate": f"{payment.created_at:%Y-%m-%d}",
    }


def _bound(instant: datetime, settings: Settings) -> str:
    return f"{instant:%Y-%m-%d}" if settings.period_bounds == "date" else wire(instant)
