"""What GraphQL shows of each thing, as plain rows. What leads to another thing is a function, called when asked for."""

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from local.waffo_simulator.clock import wire
from local.waffo_simulator.config import Product
from local.waffo_simulator.model import Delivery, Order, Payment, Refund, RefundTicket, State, SubscriptionOrder
from local.waffo_simulator.money import Price, display
from local.waffo_simulator.product_group import ProductGroup
from local.waffo_simulator.simulator import Simulator
from local.waffo_simulator.webhook_actions import webhook_detail

Row = dict[str, Any]
WILL_RENEW = ("active", "past_due", "trialing")


class Rows:
    """Rows of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._config = simulator.config
        self._state: State = simulator.shown

    def store(self) -> Row:
        """The one store."""
        config = self._config
        names = {"id": config.store_id, "name": config.store_name, "slug": config.store_slug}
        status = {"status": "active", "prodEnabled": config.mode == "prod"}
        return {
            **names,
            **status,
            "storeWebhooks": lambda _info: [
                webhook_detail(each, config.store_id) for each in self._state.webhooks.values()
            ],
        }

    def product(self, product: Product) -> Row:
        """A product of either kind."""
        return {
            "id": product.id,
            "name": product.name,
            "description": product.description,
            "status": product.status,
            "hasProdVersion": product.has_prod_version,
            "metadata": json.dumps(dict(product.metadata)),
            "billingPeriod": product.billing_period,
            "prices": [
                {
                    "currency": currency,
                    "priceInfo": {
                        "amount": display(amount, currency),
                        "taxCategory": product.tax_category,
                        "trialAmount": _trial_amount(product, currency),
                    },
                }
                for currency, amount in product.prices.items()
            ],
        }

    def group(self, group: ProductGroup) -> Row:
        """A product group."""
        products = [self._state.products[each] for each in group.product_ids]
        return {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "rules": dict(group.rules),
            "environment": self._config.mode,
            "products": lambda _info: [self.product(product) for product in products],
        }

    def order(self, order: Order) -> Row:
        """An order of either kind."""
        product, price = order.product, order.price
        row = {
            "id": order.id,
            "storeId": self._config.store_id,
            "store": self.store(),
            "status": order.status,
            "currency": price.currency,
            "testMode": self._config.mode == "test",
            "buyerEmail": order.buyer_email,
            "merchantProvidedBuyerIdentity": order.buyer_identity,
            "orderMerchantExternalId": order.external_id,
            "metadata": json.dumps(dict(order.metadata)) if order.metadata else None,
            "billingDetail": order.billing_detail,
            "productVersion": {
                **self.product(product),
                "id": f"PVER_{product.id.removeprefix('PROD_')}",
                "productId": product.id,
                "versionNumber": 1,
            },
            "payments": lambda _info: self._payments(order),
            "createdAt": wire(order.created_at),
            "updatedAt": wire(order.updated_at),
        }
        if not isinstance(order, SubscriptionOrder):
            return {**row, "onetimeProduct": self.product(product), "priceSnapshot": _amounts(price, product)}
        return {
            **row,
            "subscriptionProduct": self.product(product),
            "priceSnapshot": {
                "currency": price.currency,
                "specialPhaseDays": order.trial.days if order.trial else None,
                "specialPhase": _amounts(order.trial.price, product) if order.trial else None,
                "regularPhase": _amounts(price, product),
            },
            "billingPeriod": product.billing_period,
            "isInTrial": order.is_in_trial,
            "willRenew": order.status in WILL_RENEW,
            "currentPeriodStart": wire(order.period_start),
            "currentPeriodEnd": wire(order.period_end),
            "currentPeriodNumber": order.period_number,
            "canceledAt": wire(order.canceled_at) if order.canceled_at else None,
            "changeOriginOrderId": order.origin_order_id,
            "supersededByOrderId": order.superseded_by_order_id,
        }

    def payment(self, payment: Payment) -> Row:
        """A payment."""
        order, price = payment.order, payment.price
        is_subscription = isinstance(order, SubscriptionOrder)
        refunds = [refund for refund in self._state.refunds.values() if refund.payment is payment]
        return {
            "id": payment.id,
            "orderId": order.id,
            "status": payment.status,
            "refundStatus": refunds[-1].status if refunds else None,
            "testMode": self._config.mode == "test",
            "periodNumber": payment.period_number,
            "orderMerchantExternalId": order.external_id,
            "failureReason": payment.failure_reason,
            "amount": _money(display(payment.charged, price.currency), price.currency),
            "snapshotAmountDetails": {
                **_amounts(price, order.product),
                "phase": "regular" if is_subscription else None,
            },
            "pspAmountDetails": _money(display(payment.charged, price.currency), price.currency),
            "createdAt": wire(payment.created_at),
            "onetimeOrder": lambda _info: None if is_subscription else self.order(order),
            "subscriptionOrder": lambda _info: self.order(order) if is_subscription else None,
            "refunds": lambda _info: [self.refund(refund) for refund in refunds],
        }

    def refund(self, refund: Refund) -> Row:
        """A refund."""
        currency = refund.payment.price.currency
        return {
            "id": refund.id,
            "status": refund.status,
            "reason": refund.reason,
            "payment": lambda _info: self.payment(refund.payment),
            "orderMerchantExternalId": refund.payment.order.external_id,
            "refundTicketMerchantExternalId": refund.external_id,
            "pspAmountDetails": _money(display(refund.amount, currency), currency),
            "createdAt": wire(refund.created_at),
        }

    def ticket(self, ticket: RefundTicket) -> Row:
        """A refund ticket."""
        currency = ticket.payment.price.currency
        return {
            "id": ticket.id,
            "status": ticket.status,
            "reason": ticket.reason,
            "payment": lambda _info: self.payment(ticket.payment),
            "requestedAmountDetails": {"amount": display(ticket.amount, currency), "currency": currency},
            "refundTicketMerchantExternalId": ticket.external_id,
            "createdAt": wire(ticket.created_at),
            "updatedAt": wire(ticket.created_at),
        }

    def delivery(self, delivery: Delivery) -> Row:
        """A webhook delivery, with what was sent."""
        return {
            "id": delivery.id,
            "storeId": self._config.store_id,
            "eventType": delivery.event_type,
            "eventId": delivery.event_id,
            "payload": delivery.content.decode(),
            "webhookUrl": delivery.url,
            "status": delivery.status,
            "httpStatus": delivery.http_status,
            "responseBody": delivery.response_body,
            "attemptCount": delivery.attempt_count,
            "lastAttemptedAt": wire(delivery.last_attempted_at) if delivery.last_attempted_at else None,
            "createdAt": wire(delivery.created_at),
        }

    def _payments(self, order: Order) -> list[Row]:
        payments = [payment for payment in self._state.payments.values() if payment.order is order]
        return [self.payment(payment) for payment in reversed(payments)]


def matches(row: Row, conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a row passes a filter. Nothing equals, or is less or more than, an absent value."""
    return all(
        _passes(row.get(name), comparison, wanted)
        for name, condition in conditions.items()
        for comparison, wanted in (condition or {}).items()
        if wanted is not None
    )


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, wanted: value in wanted,
    "contains": operator.contains,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def _passes(value: Any, name: str, wanted: Any) -> bool:
    return name == "ne" if value is None else _OPERATORS[name](value, wanted)


def _amounts(price: Price, product: Product) -> Row:
    return {
        "currency": price.currency,
        "subtotal": display(price.subtotal, price.currency),
        "taxAmount": display(price.tax, price.currency),
        "total": display(price.total, price.currency),
        "taxCategory": product.tax_category,
    }


def _trial_amount(product: Product, currency: str) -> str | None:
    amount = product.trial_prices.get(currency)
    return None if amount is None else display(amount, currency)


def _money(amount: str, currency: str) -> Row:
    return {"amount": amount, "currency": currency, "display": f"{currency} {amount}"}
