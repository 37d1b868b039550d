"""What a catalog may well mean, but should be looked at."""

from collections.abc import Iterator, Mapping
from typing import get_args

from pancake_meter.catalog.catalog import Catalog, Product
from pancake_meter.catalog.errors import CatalogProblem
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.domain.selling.plan import DEFAULT_ALERT_THRESHOLDS, Environment, MeterAllowance, Plan
from pancake_meter.domain.selling.pricing import Price, Volume, cheaper_when_more

ONE_TIME_CURRENCIES = frozenset({"USD", "EUR", "GBP", "HKD", "JPY", "CNY"})
SUBSCRIPTION_CURRENCIES = frozenset({"USD", "EUR", "GBP", "HKD", "JPY"})
"""What Waffo sells in; it may come to sell in others, so another currency is no fault of the catalog."""


def catalog_warnings(catalog: Catalog) -> list[CatalogProblem]:
    """Return the places of ``catalog`` that are valid and yet surprising, in the order of the file."""
    return [
        *_ungranted_meters(catalog),
        *(warning for key, plan in catalog.plans.items() for warning in _of_plan(f"plans.{key}", plan, catalog)),
        *(
            warning
            for index, product in enumerate(catalog.products)
            for warning in _of_product(f"products[{index}]", product)
        ),
        *(_missing_ids("usage_product", catalog.usage_product) if catalog.usage_product else ()),
        *(
            warning
            for index, each in enumerate(catalog.usage_products)
            for warning in _missing_ids(f"usage_products[{index}]", each.product)
        ),
    ]


def _ungranted_meters(catalog: Catalog) -> Iterator[CatalogProblem]:
    granted = {meter for plan in catalog.plans.values() for meter in plan.allowances}
    for key, meter in catalog.meters.items():
        if key not in granted:
            yield CatalogProblem(f"meters.{key}", "no plan grants it")
        if meter.top_up:
            yield from _currencies(f"meters.{key}.top_up.price", meter.top_up.prices, ONE_TIME_CURRENCIES)


def _of_plan(path: str, plan: Plan, catalog: Catalog) -> Iterator[CatalogProblem]:
    if not plan.product_ids and plan.key != catalog.default_plan_key:
        yield CatalogProblem(path, "no product sells it")
    if plan.add_on and plan.rank:
        yield CatalogProblem(f"{path}.rank", "decides nothing: an add-on is bought beside a plan of any rank")
    if plan.add_on and not plan.allowances:
        yield CatalogProblem(f"{path}.allowances", "are none: the add-on grants only what its product states")
    if plan.trial is not None and not plan.product_ids and plan.key == catalog.default_plan_key:
        yield CatalogProblem(f"{path}.trial", "is never used: no product sells the plan")
    for meter, allowance in plan.allowances.items():
        if plan.add_on:
            yield from _unused_in_add_on(f"{path}.allowances.{meter}", allowance)
        prices_path = f"{path}.allowances.{meter}.prices"
        yield from _currencies(prices_path, allowance.prices, ONE_TIME_CURRENCIES)
        for currency, price in allowance.prices.items():
            yield from _drops(f"{prices_path}.{currency}", price, currency)


def _unused_in_add_on(path: str, allowance: MeterAllowance) -> Iterator[CatalogProblem]:
    why = "of an add-on decide nothing: those of the plan beside it count"
    if allowance.prices:
        yield CatalogProblem(f"{path}.prices", why)
    if allowance.alert_thresholds != DEFAULT_ALERT_THRESHOLDS:
        yield CatalogProblem(f"{path}.alert_thresholds", why)


def _of_product(path: str, product: Product) -> Iterator[CatalogProblem]:
    yield from _missing_ids(path, product)
    yield from _currencies(f"{path}.price", product.prices, SUBSCRIPTION_CURRENCIES)


def _missing_ids(path: str, product: Product) -> Iterator[CatalogProblem]:
    for environment in get_args(Environment):
        if environment not in product.product_ids:
            yield CatalogProblem(
                f"{path}.product_id", f"has no id for {environment}: a {environment} stack cannot sell it"
            )


def _currencies(path: str, prices: Mapping[str, object], sold: frozenset[str]) -> Iterator[CatalogProblem]:
    for currency in prices:
        if currency not in sold:
            yield CatalogProblem(f"{path}.{currency}", f"Waffo is not known to sell this in {currency}")


def _drops(path: str, price: Price, currency: str) -> Iterator[CatalogProblem]:
    for drop in cheaper_when_more(price) if isinstance(price, Volume) else ():
        yield CatalogProblem(
            path,
            f"more costs less: {format_quantity(drop.quantity)} units are {format_quantity(drop.total_at)} {currency}, "
            f"just above that the total is {format_quantity(drop.total_above)} {currency}",
        )
