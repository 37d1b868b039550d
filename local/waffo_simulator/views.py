"""What the control API shows of each thing."""

from dataclasses import asdict, fields
from typing import Any

from local.waffo_simulator.clock import wire
from local.waffo_simulator.config import Product
from local.waffo_simulator.envelope import Json
from local.waffo_simulator.faults import Faults
from local.waffo_simulator.model import (
    Delivery,
    Order,
    Payment,
    Refund,
    RefundTicket,
    Session,
    Settings,
    SubscriptionOrder,
)
from local.waffo_simulator.money import Price, display
from local.waffo_simulator.simulator import Simulator


def state_view(simulator: Simulator) -> Json:
    """Everything, oldest first."""
    config, state = simulator.config, simulator.state
    return {
        "now": wire(simulator.clock.now()),
        "mode": config.mode,
        "store_id": config.store_id,
        "store_slug": config.store_slug,
        "merchant_id": config.merchant_id,
        "products": [_product(product) for product in state.products.values()],
        "sessions": [session_view(session) for session in state.sessions.values()],
        "orders": [order_view(order) for order in state.orders.values()],
        "payments": [payment_view(payment) for payment in state.payments.values()],
        "refunds": [refund_view(refund) for refund in state.refunds.values()],
        "refund_tickets": [ticket_view(ticket) for ticket in state.tickets.values()],
        "webhooks": [{"id": hook.id, "url": hook.url, "events": list(hook.events)} for hook in state.webhooks.values()],
        "faults": faults_view(simulator.deliverer.faults),
        "settings": settings_view(state.settings),
    }


def faults_view(faults: Faults) -> Json:
    """The faults still in force."""
    return asdict(faults)


def settings_view(settings: Settings) -> Json:
    """How things are written."""
    names = (field.name for field in fields(settings) if field.name != "tax")
    tax = {
        "tax_rate_percent": float(settings.tax.rate_percent),
        "tax_name": settings.tax.name,
        "tax_inside": settings.tax.is_inside,
    }
    return {**tax, **{name: getattr(settings, name) for name in names}}


def session_view(session: Session) -> Json:
    """A checkout session."""
    change = session.plan_change
    return {
        "id": session.id,
        "product_id": session.product.id,
        **_price(session.price),
        "created_at": wire(session.created_at),
        "expires_at": wire(session.expires_at),
        "success_url": session.success_url,
        "external_id": session.external_id,
        "metadata": dict(session.metadata),
        "origin_order_id": change.origin_order_id if change else None,
        "order_ids": session.order_ids,
    }


def order_view(order: Order) -> Json:
    """An order; of a subscription with its period."""
    shown: dict[str, Any] = {
        "id": order.id,
        "kind": order.product.kind,
        "product_id": order.product.id,
        "product_name": order.product.name,
        **_price(order.price),
        "status": order.status,
        "buyer_identity": order.buyer_identity,
        "buyer_email": order.buyer_email,
        "external_id": order.external_id,
        "metadata": dict(order.metadata),
        "created_at": wire(order.created_at),
    }
    if isinstance(order, SubscriptionOrder):
        shown |= {
            "period_number": order.period_number,
            "period_start": wire(order.period_start),
            "period_end": wire(order.period_end),
            "canceled_at": wire(order.canceled_at) if order.canceled_at else None,
            "trial_days": order.trial.days if order.trial else None,
            "is_trialing": order.is_trialing,
            "next_product_id": order.next_product.id if order.next_product else None,
            "origin_order_id": order.origin_order_id,
            "superseded_by_order_id": order.superseded_by_order_id,
        }
    return shown


def payment_view(payment: Payment) -> Json:
    """A payment."""
    return {
        "id": payment.id,
        "order_id": payment.order.id,
        **_price(payment.price),
        "charged": display(payment.charged, payment.price.currency),
        "status": payment.status,
        "period_number": payment.period_number,
        "created_at": wire(payment.created_at),
    }


def refund_view(refund: Refund) -> Json:
    """A refund."""
    return {
        "id": refund.id,
        "payment_id": refund.payment.id,
        "order_id": refund.payment.order.id,
        "amount": display(refund.amount, refund.payment.price.currency),
        "status": refund.status,
    }


def ticket_view(ticket: RefundTicket) -> Json:
    """A refund ticket."""
    return {
        "id": ticket.id,
        "payment_id": ticket.payment.id,
        "amount": display(ticket.amount, ticket.payment.price.currency),
        "status": ticket.status,
        "reason": ticket.reason,
        "external_id": ticket.external_id,
        "refund_id": ticket.refund_id,
    }


def delivery_view(delivery: Delivery) -> Json:
    """A delivery, with its body and the header that signs it."""
    return {
        "id": delivery.id,
        "event_type": delivery.event_type,
        "event_id": delivery.event_id,
        "url": delivery.url,
        "status": delivery.status,
        "attempt_count": delivery.attempt_count,
        "http_status": delivery.http_status,
        "response_body": delivery.response_body,
        "signature": delivery.signature,
        "body": delivery.content.decode(),
    }


def _product(product: Product) -> Json:
    return {
        "id": product.id,
        "name": product.name,
        "kind": product.kind,
        "billing_period": product.billing_period,
        "prices": {currency: display(amount, currency) for currency, amount in product.prices.items()},
        "metadata": dict(product.metadata),
        "trial_days": product.trial_days,
    }


def _price(price: Price) -> Json:
    return {
        "currency": price.currency,
        "subtotal": display(price.subtotal, price.currency),
        "tax": display(price.tax, price.currency),
        "total": display(price.total, price.currency),
    }
