"""The store's products at Waffo beside those of the catalog."""

from typing import Literal

from pancake_meter.catalog.comparing import (
    Difference,
    Store,
    amounts,
    differences,
    differences_of,
    is_example,
    metadata,
    price_fields,
    products_of,
)
from pancake_meter.waffo.queries import ONETIME_PRODUCTS, SUBSCRIPTION_PRODUCTS
from pancake_meter_cli.waffo import Waffo

__all__ = (
    "Difference",
    "Environment",
    "Store",
    "amounts",
    "differences",
    "differences_of",
    "is_example",
    "metadata",
    "price_fields",
    "products_of",
    "read_store",
)

Environment = Literal["test", "prod"]


def read_store(waffo: Waffo) -> Store:
    """Read every product. Raises ``Failure``."""
    return Store.of(
        waffo.listed("subscriptionProducts", SUBSCRIPTION_PRODUCTS), waffo.listed("onetimeProducts", ONETIME_PRODUCTS)
    )
