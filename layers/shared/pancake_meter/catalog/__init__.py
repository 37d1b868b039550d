"""The catalog: the seller's meters, plans and prices, read once from ``catalog.toml`` (reference: docs/catalog.md)."""

from pancake_meter.catalog.catalog import Catalog, Meter, Product, ResolvedPlan, TopUp, UsageProduct
from pancake_meter.catalog.checkout import CheckoutSettings
from pancake_meter.catalog.errors import CatalogError, CatalogProblem
from pancake_meter.catalog.loading import load_catalog, parse_catalog

__all__ = [
    "Catalog",
    "CatalogError",
    "CatalogProblem",
    "CheckoutSettings",
    "Meter",
    "Product",
    "ResolvedPlan",
    "TopUp",
    "UsageProduct",
    "load_catalog",
    "parse_catalog",
]
