"""Whose event is it? The evidence for a customer, strongest first; the buyer's own e-mail address never decides alone."""

from pancake_meter.domain.customer import check_customer_id
from pancake_meter.domain.errors import InvalidCustomerId
from pancake_meter.store.standing.subscriptions import is_known_customer
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import read_order_customer
from pancake_meter.waffo.events import Order
from pancake_meter.waffo.redaction import CUSTOMER_METADATA


def resolve_customer(table: Table, order: Order, *, of_checkout: str | None = None) -> str | None:
    """Return the customer that an order belongs to, or ``None``.

    In order: the identity that an authenticated checkout carries; the checkout we made (``of_checkout``); the order as known
    from earlier events; the checkout's metadata; and last an identity that is the buyer's e-mail address, if the seller has
    given it to us as a customer id before. Waffo puts that address there when a checkout was not authenticated, so as
    evidence it is the weakest. An identity with an ``@`` that differs from ``buyerEmail`` is a customer id like any other.
    """
    identity = _customer_id(order.buyer_identity)
    if identity is not None and not _may_be_the_address(identity, order.buyer_email):
        return identity
    found = of_checkout or read_order_customer(table, order.id) or _of_metadata(order)
    if found is not None:
        return found
    return identity if identity is not None and is_known_customer(table, identity) else None


def _may_be_the_address(identity: str, buyer_email: str | None) -> bool:
    return "@" in identity and (buyer_email is None or identity.casefold() == buyer_email.strip().casefold())


def _of_metadata(order: Order) -> str | None:
    named = (_customer_id(order.metadata.get(name)) for name in CUSTOMER_METADATA)
    return next((customer_id for customer_id in named if customer_id), None)


def _customer_id(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return check_customer_id(text)
    except InvalidCustomerId:
        return None
