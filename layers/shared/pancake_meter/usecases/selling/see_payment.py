"""What a checkout's payment has brought, for the page that a customer comes to after paying."""

from datetime import datetime, timedelta
from typing import Final, Literal

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.errors import CheckoutNotFound, CustomerErased
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.value import Value

PaymentState = Literal[
    "waiting",
    "brought",
    "partly_refunded",
    "refunded",
    "credited",
    "paid_twice",
    "replaced",
    "ended",
    "looked_at",
    "decided",
    "arriving",
    "lapsed",
    "unheard",
]
"""``waiting``: nothing is known of a payment. ``brought``: it has brought what was sold, and that is so still; but where
money went back (``partly_refunded``, ``refunded``), the plan is another one by now (``replaced``) or is over (``ended``),
nothing or less was owed (``credited``), or it was paid more than once (``paid_twice``).

``looked_at``: it is not the money that was asked for, and a person decides. ``decided``: a person has, and not that it pays
this. Where the payment page has closed, and we were told of no payment: ``arriving``: Waffo has one. ``lapsed``: Waffo has
none. ``unheard``: Waffo does not say.
"""

LATE_MAX: Final = timedelta(minutes=30)
"""So long after its page has closed a payment may yet be heard of: Waffo gives a webhook up after half an hour."""

_SHOWN_FOR: Final = timedelta(days=7)
_GAVE_NOTHING: Final = frozenset({"amount_differs", "currency_differs"})
_PAYMENTS_MAX: Final = 5
"""Payments of one checkout that are looked at, the first ones."""


class SeenPayment(Value):
    """A checkout and what became of it. ``balance`` is the customer's of its meter, once units were bought."""

    checkout: Checkout
    state: PaymentState
    balance: Balance | None = None


def see_payment(selling: Selling, checkout_id: str, now: datetime) -> SeenPayment:
    """Return what a checkout's payment has brought.

    One read while it is waited for, two or three after that, and one for each further payment of it. Waffo is asked once its
    page has closed and no payment was told of.

    Raises:
        CheckoutNotFound: there is no such checkout, its customer was erased, or the time is over in which its page is shown.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    checkout = read_checkout(selling.metering.table, checkout_id)
    if checkout is None or is_pseudonym(checkout.customer_id) or checkout.expires_at + _SHOWN_FOR <= now:
        raise CheckoutNotFound("there is no such checkout")
    if not checkout.payment_ids:
        return SeenPayment(checkout, _unpaid(selling, checkout, now))
    table = selling.metering.table
    if checkout.kind not in UNIT_KINDS:
        return SeenPayment(checkout, _state_of_plan(checkout, read_subscription(table, checkout.customer_id)))
    payments = [read_payment(table, payment_id) for payment_id in checkout.payment_ids[:_PAYMENTS_MAX]]
    state = _state_of_units(checkout, payments)
    gave_nothing = state in ("looked_at", "decided")
    return SeenPayment(checkout, state, None if gave_nothing else _balance(selling, checkout, now))


def _unpaid(selling: Selling, checkout: Checkout, now: datetime) -> PaymentState:
    if now < checkout.expires_at + LATE_MAX:
        return "waiting"
    has_paid = selling.orders.has_paid(checkout)
    if has_paid is None:
        return "unheard"
    return "arriving" if has_paid else "lapsed"


def _state_of_units(checkout: Checkout, payments: list[Payment | None]) -> PaymentState:
    """Return what became of a checkout of units. A payment of which nothing is kept has brought what it was for."""
    standing = [payment for payment in payments if payment is None or payment.refunded_share < 1]
    if not standing:
        return "refunded"
    if checkout.flag in _GAVE_NOTHING:
        is_decided = any(payment is not None and payment.resolution is not None for payment in standing)
        return "decided" if is_decided else "looked_at"
    if any(payment is not None and payment.refunded_share > 0 for payment in standing):
        return "partly_refunded"
    if checkout.flag == "paid_twice" and len(standing) > 1:
        return "paid_twice"
    return "credited" if checkout.flag == "no_longer_owed" else "brought"


def _state_of_plan(checkout: Checkout, subscription: Subscription | None) -> PaymentState:
    """Return what became of a checkout of a plan: its payment is known by the order that it made."""
    order = subscription.order(checkout.payment_ids[-1]) if subscription is not None else None
    if subscription is None or order is None or order.paid is None:
        return "ended"
    if order.order_id in subscription.superseded or order.paid.plan.key != checkout.plan:
        return "replaced"
    charges = order.charges_of(order.paid)
    if charges and all(charge.refunded and not charge.left for charge in charges):
        return "refunded"
    if order.ended_at is not None:
        return "ended"
    return "partly_refunded" if any(charge.refunded for charge in charges) else "brought"


def _balance(selling: Selling, checkout: Checkout, now: datetime) -> Balance | None:
    try:
        stored, change = selling.metering.current_change(checkout.customer_id, checkout.meter or "", now)
    except CustomerErased as erased:
        raise CheckoutNotFound("the customer was erased") from erased
    return change.balance if stored is not None else None
