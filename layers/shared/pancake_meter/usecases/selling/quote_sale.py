"""Quotes: what is to be sold, how much of it, and for how much. The seller's server computes it, never the caller."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final, cast, get_args

from pancake_meter.catalog import Catalog, Product
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY
from pancake_meter.domain.errors import AlreadySubscribed, BelowMinimum, HighestPlan, NotForSale, UnknownPlan
from pancake_meter.domain.quantity import InvalidQuantity, format_quantity, parse_quantity
from pancake_meter.domain.selling.checkout import ChangeTiming, CheckoutKind, Tax, UsageKind, WantedKind
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import SoldLine
from pancake_meter.domain.selling.plan import Environment, Plan
from pancake_meter.domain.selling.pricing import line_amount
from pancake_meter.domain.standing.held_order import HeldOrder
from pancake_meter.value import Value

_FACTS_SEEN: Final = 5
"""Facts of a ``Quote.seen`` beside its kind."""


class SaleRequest(Value):
    """What somebody wants to buy. ``meter`` is needed for units, ``plan`` or a ``meter`` that runs short for a plan.

    A ``kind`` of ``plan`` leaves open whether the plan is sold by subscription or as a change of the one there is.
    ``timing`` is of plan changes.
    """

    kind: WantedKind
    meter: str | None = None
    quantity: Decimal | None = None
    plan: str | None = None
    currency: str | None = None
    timing: ChangeTiming | None = None


class Quote(Value):
    """What a checkout will sell; ``tax`` says whether it is inside ``amount``.

    ``origin_order_id`` is the order that a plan change moves.
    """

    kind: CheckoutKind
    product_id: str
    amount: Money
    meter: str | None = None
    quantity: Decimal = ZERO
    plan: str | None = None
    priority: int = 0
    expires_after: timedelta | None = None
    lines: tuple[SoldLine, ...] = ()
    origin_order_id: str | None = None
    timing: ChangeTiming | None = None
    tax: Tax = "exclusive"

    @property
    def seen(self) -> str:
        """What a person who is shown the quote sees: what is sold, how much of it, and for how much."""
        subject = (self.meter if self.plan is None else self.plan) or ""
        figures = format_quantity(self.quantity), self.amount.display, self.amount.currency
        return " ".join((self.kind, subject, *figures, self.tax))

    @property
    def sets_price(self) -> bool:
        """Whether the checkout overrides the product's price; a plan sells at its own."""
        return self.plan is None


class SeenOffer(Value):
    """What a browser says that a person was shown: ``text`` is a ``Quote.seen``, ``quantity`` the units in it.

    It is only a claim. What is sold is a quote that says the same.
    """

    text: str
    kind: CheckoutKind
    subject: str
    quantity: Decimal

    @classmethod
    def read(cls, text: str) -> "SeenOffer | None":
        """Return the offer of a text; ``None``: no quote says such a thing."""
        kind, *facts = text.split(" ")
        if kind not in get_args(CheckoutKind) or len(facts) != _FACTS_SEEN:
            return None
        try:
            return cls(text, cast("CheckoutKind", kind), facts[0], parse_quantity(facts[1]))
        except InvalidQuantity:
            return None


def quote_overage(
    catalog: Catalog, environment: Environment, meter: str, sold: tuple[SoldLine, ...], currency: str
) -> Quote:
    """Quote overage that is owed: the lines ``sold``, priced in a currency.

    Raises:
        NotForSale: nothing that is owed has a price, or there is no product for it.
        BelowMinimum: the amount is too small to charge; it stays owed.
    """
    if not sold:
        raise _no_price(meter, currency)
    amount = sum((part.amount for part in sold[1:]), start=sold[0].amount)
    quantity = sum((part.quantity for part in sold), ZERO)
    return _quote_units(catalog, environment, "overage", meter, quantity, amount, sold)


def quote_top_up(
    catalog: Catalog,
    environment: Environment,
    request: SaleRequest,
    meter: str,
    plan: Plan | None,
    currencies: Sequence[str],
) -> Quote:
    """Quote units ahead, in the first of the currencies that has a price. ``plan`` is the customer's, as it was sold.

    Raises:
        NotForSale: the catalog has no price, no pack or no product for it.
        BelowMinimum: the amount is too small to charge.
    """
    top_up = catalog.meters[meter].top_up
    quantity = request.quantity or (top_up.quantity if top_up else None)
    if quantity is None:
        raise NotForSale("this meter is not sold ahead; a quantity may help", meter=meter)
    prices = ((currency, catalog.top_up_price(meter, plan, currency)) for currency in currencies)
    currency, price = next((each for each in prices if each[1] is not None), (currencies[0], None))
    if price is None:
        raise _no_price(meter, currency)
    return _quote_units(catalog, environment, "top_up", meter, quantity, line_amount(price, quantity, currency))


def _quote_units(
    catalog: Catalog,
    environment: Environment,
    kind: UsageKind,
    meter: str,
    quantity: Decimal,
    amount: Money,
    lines: tuple[SoldLine, ...] = (),
) -> Quote:
    product = catalog.usage_product_of(meter, kind, environment)
    if product is None:
        raise _no_price(meter, amount.currency)
    minimum = catalog.minimum_charge(amount.currency)
    if amount.amount < minimum.amount:
        raise BelowMinimum(
            "the amount is below the least that is charged; it stays owed",
            amount=amount.display,
            minimum=minimum.display,
            currency=amount.currency,
        )
    top_up = catalog.meters[meter].top_up
    return Quote(
        kind=kind,
        product_id=product.product_ids[environment],
        amount=amount,
        meter=meter,
        quantity=quantity,
        priority=top_up.priority if top_up else DEFAULT_PRIORITY["top_up"],
        expires_after=top_up.expires_after if top_up else None,
        lines=lines,
        tax=product.tax,
    )


def _no_price(meter: str, currency: str) -> NotForSale:
    return NotForSale("the catalog has no price for it", meter=meter, currency=currency)


def quote_plan(
    catalog: Catalog,
    environment: Environment,
    request: SaleRequest,
    held: HeldOrder | None,
    currencies: Callable[[Plan], Sequence[str]],
) -> Quote:
    """Quote a plan by key, or else the next one up that grants more of the meter.

    ``currencies`` are those of a plan where neither the request nor the order that is changed says it: the first that has a
    price counts.

    A customer who has an order is sold a change of it, anybody else a subscription: nobody is sold a second one.

    Raises:
        UnknownPlan: the catalog has no such plan.
        AlreadySubscribed: a subscription is wanted beside ``held``, or the plan of ``held``.
        NotForSale: no plan is wanted by name or found, or it has no product or price, or there is no order to change, or
            it is wanted in another currency than the order's.
    """
    plan = _wanted_plan(catalog, environment, request, held)
    if held is not None:
        _check_not_held(request, plan, held)
    known = request.currency or (held.currency if held else None)
    product = _product(catalog, plan, environment)
    prices = product.prices if product else {}
    possible = (known,) if known else currencies(plan)
    currency = next((each for each in possible if each in prices), possible[0])
    if held is not None and held.currency not in (None, currency):
        message = "a subscription keeps its currency when its plan changes; ask for that one, or leave it out"
        raise NotForSale(message, plan=plan.key, currency=held.currency)
    amount = prices.get(currency)
    if product is None or amount is None:
        raise NotForSale("the plan has no product with a price for it", plan=plan.key, currency=currency)
    if request.kind == "plan_change" and held is None:
        raise NotForSale("there is no subscription to change; ask for a subscription", plan=plan.key)
    return Quote(
        kind="plan_change" if held else "subscription",
        product_id=product.product_ids[environment],
        amount=amount,
        meter=request.meter,
        plan=plan.key,
        origin_order_id=held.order_id if held else None,
        timing=request.timing if held else None,
        tax=product.tax,
    )


def _check_not_held(request: SaleRequest, plan: Plan, held: HeldOrder) -> None:
    facts = {"order_id": held.order_id, "plan": held.plan.key, "order_status": held.status}
    if plan.key == held.plan.key:
        raise AlreadySubscribed("the customer has this plan already", **facts, ask_for=None)
    if request.kind == "subscription":
        ask_for = {"kind": "plan_change", "plan": plan.key}
        message = "the customer has a subscription already; ask for a plan_change of it, or leave out the kind"
        raise AlreadySubscribed(message, **facts, ask_for=ask_for)


def _wanted_plan(catalog: Catalog, environment: Environment, request: SaleRequest, held: HeldOrder | None) -> Plan:
    if request.plan is not None:
        plan = catalog.plans.get(request.plan)
        if plan is None:
            raise UnknownPlan("the catalog has no such plan", plans=sorted(catalog.plans))
        return plan
    current = held.plan if held else catalog.default_plan
    upgrade = (
        catalog.upgrade_of(current.key if current else None, request.meter, environment) if request.meter else None
    )
    if upgrade is None:
        standing = {"order_status": held.status, "ends_at": held.ends_at_text} if held else {}
        raise HighestPlan("name a plan: there is no next one up for this meter", meter=request.meter, **standing)
    return upgrade


def _product(catalog: Catalog, plan: Plan, environment: Environment) -> Product | None:
    """A plan's first product is the one that is sold by key."""
    sold = (product for product in catalog.products if product.plan == plan.key and environment in product.product_ids)
    return next(sold, None)
