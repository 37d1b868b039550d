"""What one verified event does: its owner is found, and the room's part for its subject decides."""

from datetime import datetime

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.store.webhooks.deliveries import each_of_order, read_order_customer
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.webhooks.customer import resolve_customer
from pancake_meter.usecases.webhooks.decision import NOTHING_TOLD, Effects, Told
from pancake_meter.usecases.webhooks.lifecycle import lifecycle_effects
from pancake_meter.usecases.webhooks.payment import payment_effects
from pancake_meter.usecases.webhooks.purchase import find_checkout
from pancake_meter.usecases.webhooks.reading import Parked
from pancake_meter.usecases.webhooks.refund import refund_effects
from pancake_meter.value import replace
from pancake_meter.waffo.events import (
    Order,
    PaymentFacts,
    RefundFacts,
    SubscriptionFacts,
    Unrecognised,
    WaffoEvent,
)


def effects_of(metering: Metering, event: WaffoEvent, now: datetime, told: Told = NOTHING_TOLD) -> Effects:
    """Return the effects of an event on the state as it is now.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    facts = event.facts
    if isinstance(facts, Unrecognised):
        return Effects("ignored", "unknown_event_type")
    if _is_not_ours(metering, facts.order) or (isinstance(facts, RefundFacts) and _refunds_not_ours(metering, facts)):
        return Effects("ignored", "not_ours")
    checkout = find_checkout(metering.table, facts.order)
    owner = _owner(metering, facts.order, checkout, told.customer_id)
    if isinstance(owner, Parked):
        return Effects("parked", owner.reason)
    if isinstance(facts, SubscriptionFacts):
        return lifecycle_effects(metering, event, facts, owner, checkout, now, told.by)
    if isinstance(facts, PaymentFacts):
        return payment_effects(metering, event, facts, owner, checkout, now, told.by)
    return refund_effects(metering, event, facts, owner, now, told)


def _is_not_ours(metering: Metering, order: Order) -> bool:
    """Whether the order is of something else that the store sells: by its own event, else by what others said of it."""
    not_ours = metering.catalog.not_ours
    if not_ours.is_empty:
        return False
    if order.product_name or order.metadata or order.product_metadata:
        return not_ours.covers(order.product_name or "", order.product_metadata, order.metadata)
    return any(each.reason == "not_ours" for each in each_of_order(metering.table, order.id))


def _refunds_not_ours(metering: Metering, facts: RefundFacts) -> bool:
    """Whether a refund that does not name the product is of an order which is known not to be ours."""
    bare = replace(facts.order, metadata={}, product_metadata={})
    return not facts.order.product_name and _is_not_ours(metering, bare)


def _owner(metering: Metering, order: Order, checkout: Checkout | None, assigned: str | None) -> str | Parked:
    """Return whose event it is; one that would move an order or a checkout to another customer is parked."""
    of_checkout = checkout.customer_id if checkout else None
    owner = assigned or resolve_customer(metering.table, order, of_checkout=of_checkout)
    if owner is None:
        return Parked("customer_unknown")
    if of_checkout not in (None, owner):
        return Parked("checkout_of_another_customer")
    if read_order_customer(metering.table, order.id) not in (None, owner):
        return Parked("order_of_another_customer")
    return owner
