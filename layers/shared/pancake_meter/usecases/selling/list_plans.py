"""What is for sale: plans and packs, at the prices that a checkout would ask of this customer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.errors import BelowMinimum, NotForSale
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.held_order import HeldOrder, held_by
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.domain.standing.standing import plan_at
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.usecases.selling.quote_sale import SaleRequest, quote_top_up


@dataclass(frozen=True, slots=True)
class PlanForSale:
    """A plan, and what it costs for each billing period. ``is_current``: the customer has a live order for it."""

    plan: Plan
    price: Money
    billing_period: BillingPeriod | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class PackForSale:
    """Units of a meter that are bought ahead, for how much and for how long; ``None`` is for good."""

    meter: str
    quantity: Decimal
    price: Money
    expires_after: timedelta | None


@dataclass(frozen=True, slots=True)
class ForSale:
    """All that is for sale in one currency: plans by rank, packs by meter."""

    currency: str
    plans: tuple[PlanForSale, ...]
    packs: tuple[PackForSale, ...]


def list_for_sale(selling: Selling, customer_id: str | None, currency: str | None, now: datetime) -> ForSale:
    """Return what is for sale: to a customer, in the currency of the customer's order, or else to anybody.

    Where the catalog sells plans in several currencies and the customer has an order, Waffo is asked for its currency, as a
    checkout does. If it does not answer within two seconds, the prices are in the catalog's own currency.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    subscription = read_subscription(selling.metering.table, customer_id) if customer_id is not None else None
    held = held_by(subscription, None, (), now)
    used = currency or _currency_of(selling, customer_id, held) or selling.catalog.checkout.currency
    return ForSale(used, _plans(selling, subscription, used), _packs(selling, subscription, used, now))


def _currency_of(selling: Selling, customer_id: str | None, held: HeldOrder | None) -> str | None:
    if held is None or customer_id is None or not selling.catalog.sells_plans_in_several_currencies:
        return None
    standing = selling.orders.as_it_stands(held, customer_id)
    return standing.currency if standing is not None else None


def _plans(selling: Selling, subscription: Subscription | None, currency: str) -> tuple[PlanForSale, ...]:
    """Return the plans that a checkout by key sells: a plan's first product is the one that is sold."""
    live = subscription.live_orders if subscription is not None else ()
    current = {order.paid.plan.key for order in live if order.paid is not None}
    offered = [
        product for product in selling.catalog.products if product.plan and selling.environment in product.product_ids
    ]
    # Of several products of a plan the first stays.
    sold = {product.plan: product for product in reversed(offered)}
    found = [
        PlanForSale(selling.catalog.plans[key], product.prices[currency], product.billing_period, key in current)
        for key, product in sold.items()
        if key is not None and currency in product.prices
    ]
    return tuple(sorted(found, key=lambda each: (each.plan.add_on, each.plan.rank, each.plan.key)))


def _packs(
    selling: Selling, subscription: Subscription | None, currency: str, now: datetime
) -> tuple[PackForSale, ...]:
    catalog = selling.catalog
    packs: list[PackForSale] = []
    for meter in sorted(catalog.meters):
        plan = (plan_at(subscription, meter, now) if subscription is not None else None) or catalog.default_plan
        try:
            quote = quote_top_up(
                catalog, selling.environment, SaleRequest("top_up", meter, currency=currency), meter, plan
            )
        except (NotForSale, BelowMinimum):
            continue
        packs.append(PackForSale(meter, quote.quantity, quote.amount, quote.expires_after))
    return tuple(packs)
