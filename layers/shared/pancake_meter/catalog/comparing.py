"""The catalog beside the products that a store has at Waffo: in what they differ."""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

from pancake_meter.catalog.catalog import Catalog, Product
from pancake_meter.domain.selling.plan import Environment
from pancake_meter.value import Value

EXAMPLE_ID: Final = re.compile(r"PROD_\d[tp](Starter|Pro|Scale|Agent|Usage)(Monthly|Yearly|OneTime)0+1")
"""Ids of the catalog that is shipped: no store has them."""


class Difference(Value):
    """One thing in which a product at Waffo is not as the catalog says. Without a field the product is missing."""

    product: str
    field: str | None
    catalog: str | None
    waffo: str | None

    def __str__(self) -> str:
        """Say it."""
        if self.field is None:
            return f"{self.product}: {self.waffo}"
        ours, theirs = self.catalog or "not there", self.waffo or "not there"
        return f"{self.product}: {self.field} is {ours} in the catalog and {theirs} at Waffo"


class Store(Value):
    """The products of a store, by id."""

    subscriptions: dict[str, dict[str, Any]]
    onetime: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, subscriptions: Sequence[dict[str, Any]], onetime: Sequence[dict[str, Any]]) -> Self:
        """Return the products as GraphQL lists them."""
        return cls({each["id"]: each for each in subscriptions}, {each["id"]: each for each in onetime})

    def find(self, product: Product, product_id: str) -> dict[str, Any] | None:
        """Return the product that the catalog means."""
        return self.of_kind(product).get(product_id)

    def of_kind(self, product: Product) -> dict[str, dict[str, Any]]:
        """Return the products of the same kind, by id."""
        return self.onetime if product.plan is None else self.subscriptions


def is_example(product_id: str | None) -> bool:
    """Whether an id is one of the catalog that is shipped."""
    return product_id is not None and EXAMPLE_ID.fullmatch(product_id) is not None


def products_of(catalog: Catalog) -> list[Product]:
    """Return the catalog's products, those that carry usage among them."""
    return list(catalog.all_products)


def differences(catalog: Catalog, store: Store, environment: Environment) -> Iterator[Difference]:
    """Yield every difference between the catalog and the store, product by product."""
    for product in products_of(catalog):
        product_id = product.product_ids.get(environment)
        if product_id is None:
            yield Difference(product.name, None, None, f"it has no id for {environment}")
            continue
        found = store.find(product, product_id)
        if found is None:
            yield Difference(product.name, None, None, f"Waffo has no product {product_id}")
            continue
        yield from differences_of(product, found)


def amounts(found: dict[str, Any]) -> dict[str, str]:
    """Return a product's prices at Waffo, by currency."""
    return {each["currency"]: each["priceInfo"]["amount"] for each in found["prices"]}


def metadata(found: dict[str, Any]) -> dict[str, Any]:
    """Return a product's metadata, which GraphQL gives as a text."""
    stated = found.get("metadata")
    try:
        read = json.loads(stated) if isinstance(stated, str) else stated
    except ValueError:
        read = None
    return read if isinstance(read, dict) else {}


def differences_of(product: Product, found: dict[str, Any]) -> Iterator[Difference]:
    """Yield in what a product at Waffo is not as the catalog says."""
    name = product.name
    if found["name"] != name:
        yield Difference(name, "name", name, found["name"])
    if found["status"] != "active":
        yield Difference(name, "status", "active", found["status"])
    if product.plan is None:
        return
    if found["billingPeriod"] != product.billing_period:
        yield Difference(name, "billing period", product.billing_period, found["billingPeriod"])
    stated = metadata(found)
    plan = stated.get("plan", stated.get("planKey"))
    if plan is not None and plan != product.plan:
        yield Difference(name, "metadata.plan", product.plan, str(plan))
    if str(stated.get("trialDays", "")) != product.metadata.get("trialDays", ""):
        yield Difference(name, "trial days", product.metadata.get("trialDays"), stated.get("trialDays"))
    ours = {currency: price.display for currency, price in product.prices.items()}
    theirs = amounts(found)
    for currency in sorted(ours.keys() | theirs.keys()):
        if not _same(ours.get(currency), theirs.get(currency)):
            yield Difference(name, f"price in {currency}", ours.get(currency), theirs.get(currency))


def price_fields(catalog: Catalog, product: Product) -> dict[str, dict[str, str]]:
    """Return the catalog's prices as Waffo takes them."""
    category = catalog.checkout.tax_category
    return {currency: {"amount": price.display, "taxCategory": category} for currency, price in product.prices.items()}


def _same(one: str | None, other: str | None) -> bool:
    try:
        return Decimal(one or "") == Decimal(other or "")
    except InvalidOperation:
        return one == other
