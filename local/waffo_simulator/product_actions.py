"""Products and product groups of a store: made, changed, published."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from local.waffo_simulator.body import TEXT_LENGTH_MAX, Body, parse
from local.waffo_simulator.clock import wire
from local.waffo_simulator.config import Kind, Product
from local.waffo_simulator.envelope import Answer, ApiError, Json
from local.waffo_simulator.gateway import Action, Call
from local.waffo_simulator.money import display
from local.waffo_simulator.product_group import ProductGroup
from local.waffo_simulator.simulator import Simulator

PRODUCT_NAME_LENGTH_MAX = 64
BILLING_PERIODS = ("weekly", "monthly", "quarterly", "yearly")
STATUSES = ("active", "inactive")
RULES = ("sharedTrial", "selfServicePlanChange")
TRIAL_DAYS_MAX = 730


def create_onetime_product(simulator: Simulator, call: Call) -> Answer:
    """A one-time product."""
    return _create_product(simulator, call, "onetime")


def create_subscription_product(simulator: Simulator, call: Call) -> Answer:
    """A subscription product."""
    return _create_product(simulator, call, "subscription")


def update_onetime_product(simulator: Simulator, call: Call) -> Answer:
    """Another version of a one-time product."""
    return _update_product(simulator, call, "onetime")


def update_subscription_product(simulator: Simulator, call: Call) -> Answer:
    """Another version of a subscription product. Orders that run keep theirs."""
    return _update_product(simulator, call, "subscription")


def publish_product(simulator: Simulator, call: Call) -> Answer:
    """Make the test version the production version."""
    _, product = _own_product(simulator, call)
    return _kept(simulator, replace(product, has_prod_version=True))


def update_status(simulator: Simulator, call: Call) -> Answer:
    """Let a product be sold, or not."""
    body, product = _own_product(simulator, call)
    body.required("status")
    return _kept(simulator, replace(product, status=body.choice("status", STATUSES) or product.status))


def create_group(simulator: Simulator, call: Call) -> Answer:
    """A group of subscription products, between which a buyer may change."""
    call.demand_merchant()
    body, now = parse(call.content, "product"), simulator.clock.now()
    if body.required_id("storeId", "STO") != simulator.config.store_id:
        raise ApiError(404, "Store not found", "store")
    group = ProductGroup(
        id=simulator.ids.uuid(),
        name=body.required("name", PRODUCT_NAME_LENGTH_MAX),
        description=body.text("description", TEXT_LENGTH_MAX),
        rules=dict.fromkeys(RULES, False) | _rules(body),
        product_ids=_product_ids(simulator, body) or [],
        created_at=now,
    )
    simulator.state.groups[group.id] = group
    return Answer({"group": group_detail(simulator, group)})


def update_group(simulator: Simulator, call: Call) -> Answer:
    """Change a group: its products are replaced, its rules are merged."""
    body, group = _own_group(simulator, call)
    group.name = body.text("name", PRODUCT_NAME_LENGTH_MAX) or group.name
    group.description = body.text("description", TEXT_LENGTH_MAX) or group.description
    group.rules |= _rules(body)
    wanted = _product_ids(simulator, body)
    group.product_ids = group.product_ids if wanted is None else wanted
    return Answer({"group": group_detail(simulator, group)})


def publish_group(simulator: Simulator, call: Call) -> Answer:
    """Take a group to production."""
    _, group = _own_group(simulator, call)
    group.is_published = True
    return Answer({"group": group_detail(simulator, group)})


def delete_group(simulator: Simulator, call: Call) -> Answer:
    """End a group; its products stay."""
    _, group = _own_group(simulator, call)
    del simulator.state.groups[group.id]
    return Answer({"group": group_detail(simulator, group)})


def _create_product(simulator: Simulator, call: Call, kind: Kind) -> Answer:
    call.demand_merchant()
    body = parse(call.content, "product")
    if body.required_id("storeId", "STO") != simulator.config.store_id:
        raise ApiError(404, "Store not found", "store")
    prices = body.nested("prices")
    if prices is None or not prices.values:
        raise body.refuse("Missing required field: prices")
    read = {currency: _price(prices, currency) for currency in prices.values}
    metadata = body.scalar_map("metadata")
    trial_days = _trial_days(body, metadata) if kind == "subscription" else None
    if kind == "subscription":
        body.required("billingPeriod")
    product = Product(
        id=simulator.ids.short("PROD"),
        name=body.required("name", PRODUCT_NAME_LENGTH_MAX),
        kind=kind,
        prices={currency: amount for currency, (amount, _) in read.items()},
        metadata=metadata,
        billing_period=body.choice("billingPeriod", BILLING_PERIODS) if kind == "subscription" else None,  # type: ignore[arg-type]
        description=body.text("description", TEXT_LENGTH_MAX),
        tax_category=next(iter(read.values()))[1],
        trial_days=trial_days,
        trial_prices=_trial_prices(prices, read, trial_days),
    )
    simulator.state.products[product.id] = product
    return Answer({"product": _product_detail(simulator, product)})


def _update_product(simulator: Simulator, call: Call, kind: Kind) -> Answer:
    body, product = _own_product(simulator, call)
    if product.kind != kind:
        raise ApiError(404, "Product not found", "product")
    metadata = body.scalar_map("metadata") if body.raw("metadata") is not None else product.metadata
    trial_days = _trial_days(body, metadata) if kind == "subscription" else None
    prices, changed = body.nested("prices"), replace(product, metadata=metadata, trial_days=trial_days)
    if prices is not None:
        read = {currency: _price(prices, currency) for currency in prices.values}
        changed = replace(
            changed,
            prices={currency: amount for currency, (amount, _) in read.items()},
            tax_category=next(iter(read.values()))[1],
            trial_prices=_trial_prices(prices, read, trial_days),
        )
    if kind == "subscription":
        period = body.choice("billingPeriod", BILLING_PERIODS) or product.billing_period
        changed = replace(changed, billing_period=period)  # type: ignore[arg-type]
    name, description = body.text("name", PRODUCT_NAME_LENGTH_MAX), body.text("description", TEXT_LENGTH_MAX)
    return _kept(simulator, replace(changed, name=name or product.name, description=description or product.description))


def _own_product(simulator: Simulator, call: Call) -> tuple[Body, Product]:
    call.demand_merchant()
    body = parse(call.content, "product")
    product = simulator.state.products.get(body.required_id("id", "PROD"))
    if product is None:
        raise ApiError(404, "Product not found", "product")
    return body, product


def _kept(simulator: Simulator, product: Product) -> Answer:
    simulator.state.products[product.id] = product
    return Answer({"product": _product_detail(simulator, product)})


def _own_group(simulator: Simulator, call: Call) -> tuple[Body, ProductGroup]:
    call.demand_merchant()
    body = parse(call.content, "product")
    group = simulator.state.groups.get(body.required("id"))
    if group is None:
        raise ApiError(404, "Product group not found", "product")
    return body, group


def _rules(body: Body) -> dict[str, bool]:
    rules = body.nested("rules")
    stated = {name: rules.boolean(name) for name in RULES} if rules is not None else {}
    return {name: value for name, value in stated.items() if value is not None}


def _product_ids(simulator: Simulator, body: Body) -> list[str] | None:
    wanted = body.raw("productIds")
    if wanted is None:
        return None
    known = {product.id for product in simulator.state.products.values() if product.kind == "subscription"}
    if not isinstance(wanted, list) or not all(each in known for each in wanted):
        raise body.refuse("Invalid productIds: expected subscription products of this store")
    return list(dict.fromkeys(wanted))


def _price(prices: Body, currency: str) -> tuple[Decimal, str]:
    price = prices.nested(currency)
    if price is None:
        raise prices.refuse(f"Missing required field: prices.{currency}")
    return price.price(currency)


def _trial_days(body: Body, metadata: Mapping[str, str]) -> int | None:
    text = metadata.get("trialDays")
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= TRIAL_DAYS_MAX:
        raise body.refuse(f"Invalid metadata.trialDays: expected a whole number from 1 to {TRIAL_DAYS_MAX}")
    return int(text)


def _trial_prices(prices: Body, read: Mapping[str, tuple[Decimal, str]], trial_days: int | None) -> dict[str, Decimal]:
    """What the trial costs, by currency."""
    trials: dict[str, Decimal] = {}
    for currency, (amount, _) in read.items():
        price = prices.nested(currency)
        trial = price.amount("trialAmount", currency) if price else None
        if trial is None:
            continue
        if trial_days is None:
            raise prices.refuse(f"prices.{currency}.trialAmount requires metadata.trialDays")
        if trial >= amount:
            raise prices.refuse(f"prices.{currency}.trialAmount must be lower than amount")
        trials[currency] = trial
    return trials


def _product_detail(simulator: Simulator, product: Product) -> Json:
    stamp = wire(simulator.clock.now())
    return {
        "id": product.id,
        "storeId": simulator.config.store_id,
        "name": product.name,
        "description": product.description,
        **({"billingPeriod": product.billing_period} if product.billing_period else {}),
        "prices": {
            currency: {
                "amount": display(amount, currency),
                "taxCategory": product.tax_category,
                **({"trialAmount": display(trial, currency)} if (trial := product.trial_prices.get(currency)) else {}),
            }
            for currency, amount in product.prices.items()
        },
        "media": [],
        "successUrl": None,
        "metadata": dict(product.metadata),
        "status": product.status,
        "createdAt": stamp,
        "updatedAt": stamp,
    }


def group_detail(simulator: Simulator, group: ProductGroup) -> Json:
    """A group as the API answers it."""
    stamp = wire(group.created_at)
    return {
        "id": group.id,
        "storeId": simulator.config.store_id,
        "name": group.name,
        "description": group.description,
        "rules": dict(group.rules),
        "productIds": list(group.product_ids),
        "environment": simulator.config.mode,
        "createdAt": stamp,
        "updatedAt": stamp,
    }


PRODUCT_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "/v1/actions/onetime-product/update-product": update_onetime_product,
        "/v1/actions/onetime-product/publish-product": publish_product,
        "/v1/actions/onetime-product/update-status": update_status,
        "/v1/actions/subscription-product/update-product": update_subscription_product,
        "/v1/actions/subscription-product/publish-product": publish_product,
        "/v1/actions/subscription-product/update-status": update_status,
        "/v1/actions/subscription-product-group/create-group": create_group,
        "/v1/actions/subscription-product-group/update-group": update_group,
        "/v1/actions/subscription-product-group/publish-group": publish_group,
        "/v1/actions/subscription-product-group/delete-group": delete_group,
    }
)
"""What is done to products and groups that are there."""
