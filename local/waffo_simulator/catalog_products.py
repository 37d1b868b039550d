"""The products that the stack's catalog.toml sells, as they would stand in the store."""

from pathlib import Path

from local.waffo_simulator.config import Mode, Product
from pancake_meter.catalog.loading import load_catalog


def catalog_products(path: Path, mode: Mode) -> list[Product]:
    """The catalog's products that have an id in this mode. Raises `CatalogError`."""
    catalog = load_catalog(path)
    products = [
        Product(
            id=product.product_ids[mode],
            name=product.name,
            kind="subscription",
            prices={currency: price.amount for currency, price in product.prices.items()},
            metadata=product.metadata,
            billing_period=product.billing_period or "monthly",
            trial_days=product.trial_days,
        )
        for product in catalog.products
        if mode in product.product_ids
    ]
    products += [
        Product(usage.product_ids[mode], usage.name, "onetime", metadata=usage.metadata)
        for usage in catalog.one_time_products
        if mode in usage.product_ids
    ]
    return products
