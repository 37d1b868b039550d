"""What happened to one customer's money: payments and webhooks of the customer's orders, the latest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.selling.payments import payment_ids_of_order, read_payment
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import Listed, deliveries_of_order

CHECKOUTS_MAX: Final = 20
ORDERS_MAX: Final = 10
PAYMENTS_MAX: Final = 20
DELIVERIES_MAX: Final = 20

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CustomerHistory:
    """The latest checkouts, payments and deliveries of a customer, each newest first.

    A payment is found by its checkout or by its subscription's order; one that fits neither is on the list of all payments.
    """

    checkouts: Sequence[Checkout]
    payments: Sequence[Payment]
    deliveries: Sequence[Listed]


def read_history(table: Table, customer_id: str, order_ids: Sequence[str]) -> CustomerHistory:
    """Return a customer's latest history: a query for checkouts, two for each of ten orders, a read for each payment.

    ``order_ids`` are those of the subscriptions, the oldest first.

    Raises:
        OrderTooLarge: an order has more payments than are looked through.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    checkouts, _ = list_checkouts(table, customer_id, limit=CHECKOUTS_MAX)
    latest_orders = list(reversed(order_ids))[:ORDERS_MAX]
    # Of a subscription the latest charges, of a checkout all that paid it.
    ids: dict[str, None] = {}
    for order_id in latest_orders:
        of_order = payment_ids_of_order(table, order_id)
        numbered = sorted(of_order, key=lambda each: (of_order[each] or 0, each), reverse=True)
        ids |= dict.fromkeys(numbered[:PAYMENTS_MAX])
    ids |= dict.fromkeys(payment_id for checkout in checkouts for payment_id in checkout.payment_ids)
    found = [payment for each in list(ids)[: 2 * PAYMENTS_MAX] if (payment := read_payment(table, each)) is not None]
    payments = sorted((each for each in found if each.customer_id == customer_id), key=_paid_at, reverse=True)
    orders = dict.fromkeys((*latest_orders, *(payment.order_id for payment in payments)))
    listed = [
        each
        for order_id in list(orders)[:ORDERS_MAX]
        for each in deliveries_of_order(table, order_id, limit=DELIVERIES_MAX).deliveries
    ]
    deliveries = sorted(listed, key=lambda each: each.occurred_at, reverse=True)[:DELIVERIES_MAX]
    return CustomerHistory(checkouts, payments[:PAYMENTS_MAX], deliveries)


def _paid_at(payment: Payment) -> datetime:
    charge = payment.told_charge
    return charge.paid_at if charge is not None else _BEFORE_ALL
