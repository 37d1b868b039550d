"""What is for sale: plans and packs, at the prices that a checkout would ask of this customer."""

from datetime import datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.errors import BelowMinimum, NotForSale
from pancake_meter.domain.selling.money import Money, currency_exponent
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import BillingPeriod
from pancake_meter.domain.standing.standing import plan_at
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.selling.customer_currency import CustomerCurrency
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.usecases.selling.quote_sale import SaleRequest, quote_top_up
from pancake_meter.value import Value


class PlanForSale(Value):
    """A plan, and what it costs for each billing period. ``is_current``: the customer has a live order for it."""

    plan: Plan
    price: Money
    billing_period: BillingPeriod | None
    is_current: bool


class PackForSale(Value):
    """Units of a meter that are bought ahead, for how much and for how long; ``None`` is for good."""

    meter: str
    quantity: Decimal
    price: Money
    expires_after: timedelta | None


class ForSale(Value):
    """All that is for sale: plans by rank, packs by meter. Each price has its own currency; ``currency`` is the usual one.

    ``is_guessed``: Waffo did not say the currency of an order, and a checkout may ask another price.
    """

    currency: str
    plans: tuple[PlanForSale, ...]
    packs: tuple[PackForSale, ...]
    is_guessed: bool


def list_for_sale(selling: Selling, customer_id: str | None, currency: str | None, now: datetime) -> ForSale:
    """Return what is for sale: to a customer, in the currencies in which a checkout would sell it, or else to anybody.

    Raises:
        UnknownCurrency: there is no such currency.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    if currency is not None:
        currency_exponent(currency)
    subscription = read_subscription(selling.metering.table, customer_id) if customer_id is not None else None
    currencies = selling.currency(customer_id, subscription, currency, now)
    plans, packs = _plans(selling, subscription, currencies), _packs(selling, subscription, currencies, now)
    return ForSale(currencies.usual, plans, packs, currencies.is_guessed)


def _plans(
    selling: Selling, subscription: Subscription | None, currencies: CustomerCurrency
) -> tuple[PlanForSale, ...]:
    """Return the plans that a checkout by key sells: a plan's first product is the one that is sold."""
    live = subscription.live_orders if subscription is not None else ()
    current = {order.paid.plan.key for order in live if order.paid is not None}
    offered = [
        product for product in selling.catalog.products if product.plan and selling.environment in product.product_ids
    ]
    # Of several products of a plan the first stays.
    sold = {product.plan: product for product in reversed(offered)}
    found: list[PlanForSale] = []
    for key, product in sold.items():
        plan = selling.catalog.plans[key or ""]
        price = next((product.prices[each] for each in currencies.of_plan(plan) if each in product.prices), None)
        if price is not None:
            found.append(PlanForSale(plan, price, product.billing_period, plan.key in current))
    return tuple(sorted(found, key=lambda each: (each.plan.add_on, each.plan.rank, each.plan.key)))


def _packs(
    selling: Selling, subscription: Subscription | None, currencies: CustomerCurrency, now: datetime
) -> tuple[PackForSale, ...]:
    catalog = selling.catalog
    packs: list[PackForSale] = []
    for meter in sorted(catalog.meters):
        plan = (plan_at(subscription, meter, now) if subscription is not None else None) or catalog.default_plan
        possible = currencies.of_units(meter)
        try:
            quote = quote_top_up(catalog, selling.environment, SaleRequest("top_up", meter), meter, plan, possible)
        except (NotForSale, BelowMinimum):
            continue
        packs.append(PackForSale(meter, quote.quantity, quote.amount, quote.expires_after))
    return tuple(packs)
