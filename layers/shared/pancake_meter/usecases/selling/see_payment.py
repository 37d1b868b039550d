"""What a checkout's payment has brought, for the page that a customer comes to after paying."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.errors import CheckoutNotFound, CustomerErased
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.usecases.selling.open_checkout import Selling

PaymentState = Literal["waiting", "brought", "looked_at", "lapsed"]
"""``waiting``: nothing is known of a payment. ``brought``: it has brought what was sold. ``looked_at``: it is not the money
that was asked for, and a person decides. ``lapsed``: the payment page has closed, and no payment came.
"""

LATE_MAX: Final = timedelta(minutes=30)
"""So long after its page has closed a payment may yet be heard of: Waffo gives a webhook up after half an hour."""

_SHOWN_FOR: Final = timedelta(days=7)
_GAVE_NOTHING: Final = frozenset({"amount_differs", "currency_differs"})


@dataclass(frozen=True, slots=True)
class SeenPayment:
    """A checkout and what became of it. ``balance`` is the customer's of its meter, once units were bought."""

    checkout: Checkout
    state: PaymentState
    balance: Balance | None = None


def see_payment(selling: Selling, checkout_id: str, now: datetime) -> SeenPayment:
    """Return what a checkout's payment has brought. One read while it is waited for, two or three after that.

    Raises:
        CheckoutNotFound: there is no such checkout, or the time in which its page is shown is over.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    checkout = read_checkout(selling.metering.table, checkout_id)
    if checkout is None or checkout.expires_at + _SHOWN_FOR <= now:
        raise CheckoutNotFound("there is no such checkout")
    state = _state(checkout, now)
    is_known = state == "brought" and checkout.kind in UNIT_KINDS
    return SeenPayment(checkout, state, _balance(selling, checkout, now) if is_known else None)


def _state(checkout: Checkout, now: datetime) -> PaymentState:
    if checkout.flag in _GAVE_NOTHING:
        return "looked_at"
    if checkout.payment_ids:
        return "brought"
    return "waiting" if now < checkout.expires_at + LATE_MAX else "lapsed"


def _balance(selling: Selling, checkout: Checkout, now: datetime) -> Balance | None:
    """Return the balance; ``None`` where the customer has been erased since, and the checkout is a pseudonym's."""
    try:
        stored, change = selling.metering.current_change(checkout.customer_id, checkout.meter or "", now)
    except CustomerErased:
        return None
    return change.balance if stored is not None else None
