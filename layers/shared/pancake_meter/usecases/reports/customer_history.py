"""What happened to one customer's money: payments and webhooks of the customer's orders, the latest first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.selling.payments import list_payments, payment_ids_of_order, read_payment
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import Listed, deliveries_of_order
from pancake_meter.value import Value

SHOWN_MAX: Final = 20
"""The latest checkouts, payments and deliveries: so many of each."""

ORDERS_MAX: Final = 10
FLAGGED_MAX: Final = 50

Part = Literal["checkouts", "payments", "deliveries"]

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


class CustomerHistory(Value):
    """The latest checkouts, payments and deliveries of a customer, each newest first.

    A payment is found by its checkout, by its subscription's order, or among the latest 50 that a person has to look at.
    ``has_more`` names the parts of which there are more.
    """

    checkouts: Sequence[Checkout]
    payments: Sequence[Payment]
    deliveries: Sequence[Listed]
    has_more: frozenset[Part]


def read_history(table: Table, customer_id: str, order_ids: Sequence[str]) -> CustomerHistory:
    """Return a customer's latest history: a query for checkouts, one for flagged payments, two for each of ten orders, and
    a read for each payment.

    ``order_ids`` are those of the subscriptions, the oldest first.

    Raises:
        OrderTooLarge: an order has more payments than are looked through.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    checkouts, older = list_checkouts(table, customer_id, limit=SHOWN_MAX)
    flagged = [
        each for each in list_payments(table, "flagged", limit=FLAGGED_MAX)[0] if each.customer_id == customer_id
    ]
    latest_orders = list(reversed(order_ids))[:ORDERS_MAX]
    # Of a subscription the latest charges, of a checkout all that paid it.
    ids: dict[str, None] = {}
    for order_id in latest_orders:
        of_order = payment_ids_of_order(table, order_id)
        numbered = sorted(of_order, key=lambda each: (of_order[each] or 0, each), reverse=True)
        ids |= dict.fromkeys(numbered[: SHOWN_MAX + 1])
    ids |= dict.fromkeys(payment_id for checkout in checkouts for payment_id in checkout.payment_ids)
    known = {each.payment_id for each in flagged}
    wanted = [each for each in ids if each not in known][: 2 * SHOWN_MAX]
    found = [*flagged, *(payment for each in wanted if (payment := read_payment(table, each)) is not None)]
    payments = sorted((each for each in found if each.customer_id == customer_id), key=_paid_at, reverse=True)
    orders = dict.fromkeys((*latest_orders, *(payment.order_id for payment in payments)))
    listed = [
        each
        for order_id in list(orders)[:ORDERS_MAX]
        for each in deliveries_of_order(table, order_id, limit=SHOWN_MAX + 1).deliveries
    ]
    deliveries = sorted(listed, key=lambda each: each.occurred_at, reverse=True)
    more: dict[Part, bool] = {
        "checkouts": older is not None,
        "payments": len(payments) > SHOWN_MAX or len(ids) > len(wanted) + len(known),
        "deliveries": len(deliveries) > SHOWN_MAX or len(orders) > ORDERS_MAX,
    }
    has_more = frozenset(part for part, is_so in more.items() if is_so)
    return CustomerHistory(checkouts, payments[:SHOWN_MAX], deliveries[:SHOWN_MAX], has_more)


def _paid_at(payment: Payment) -> datetime:
    charge = payment.told_charge
    return charge.paid_at if charge is not None else _BEFORE_ALL
