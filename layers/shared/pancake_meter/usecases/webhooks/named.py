"""What an event names: the items that are read in one request before anything of it is decided."""

from collections.abc import Iterator

from pancake_meter.domain.customer import is_customer_id
from pancake_meter.store.keys import Key, subscription_key
from pancake_meter.store.selling.checkouts import checkout_keys
from pancake_meter.store.selling.order_actions import latest_keys
from pancake_meter.store.selling.payments import payment_keys
from pancake_meter.store.webhooks.deliveries import order_key
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.lifecycle import LEADS_TO
from pancake_meter.usecases.webhooks.purchase import named_checkouts
from pancake_meter.waffo.events import Order, PaymentFacts, RefundFacts, Unrecognised, WaffoEvent
from pancake_meter.waffo.redaction import CUSTOMER_METADATA


def named_keys(event: WaffoEvent, told: Told) -> list[Key]:
    """Return the keys of what is known of the order, its checkout and payment, and of the customers that may be meant.

    At most 20. Whose event it is may be known from the order or the checkout alone: then more is read once they are.
    """
    facts = event.facts
    if isinstance(facts, Unrecognised):
        return []
    order = facts.order
    keys = [order_key(order.id), *checkout_keys(named_checkouts(order))]
    if isinstance(facts, PaymentFacts | RefundFacts):
        keys += payment_keys([each for each in (facts.payment_id or told.payment_id,) if each])
    for customer_id in _named_customers(order, told):
        keys.append(subscription_key(customer_id))
        if facts.kind in LEADS_TO:
            keys += latest_keys(customer_id, order.id)
    return keys


def _named_customers(order: Order, told: Told) -> Iterator[str]:
    if told.customer_id is not None:
        yield told.customer_id
        return
    named = (order.buyer_identity, *(order.metadata.get(name) for name in CUSTOMER_METADATA))
    yield from dict.fromkeys(each for each in named if each is not None and is_customer_id(each))
