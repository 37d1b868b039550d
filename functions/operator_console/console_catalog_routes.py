"""The catalog as customers see it, and in what Waffo's products differ from it."""

from collections.abc import Sequence
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.catalog.comparing import Difference
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.selling.plans import plans_body
from pancake_meter.usecases.briefly import briefly
from pancake_meter.usecases.selling.compare_catalog import compare_catalog
from pancake_meter.usecases.selling.list_plans import list_for_sale
from pancake_meter.waffo.errors import WaffoApiError
from pancake_pages.console.desk import ConsoleRouter, Desk

logger = Logger()
router = ConsoleRouter()

_SECONDS: Final = 3.0
"""Time that the page waits for Waffo: what it shows besides is here."""


@router.get("/console/catalog")
@tolerates_query
def get_catalog() -> Response[str]:
    """What is for sale, in the seller's usual currency or another; and the differences to Waffo, where it says."""
    desk = router.desk("GET /v1/plans")
    selling = desk.deps.shop.selling
    catalog = selling.catalog
    currencies = sorted({each for product in catalog.products for each in product.prices})
    asked = desk.parameters.get("currency", "")
    sale = list_for_sale(selling, None, asked if asked in currencies else None, desk.now)
    names = {meter.key: meter.name for meter in catalog.meters.values()}
    return desk.page(
        "console/catalog.html",
        "catalog",
        sale=plans_body(sale, names),
        catalog=catalog,
        currencies=currencies,
        environment=selling.environment,
        differences=differences_of(desk),
    )


def differences_of(desk: Desk) -> Sequence[Difference] | None:
    """Return the differences to Waffo's products, ``None`` where Waffo does not say them in a few seconds."""

    def compare() -> Sequence[Difference]:
        try:
            return compare_catalog(desk.deps.shop.selling)
        except WaffoApiError as error:
            logger.warning("products not read at Waffo", extra={"operation": error.operation, "reason": str(error)})
            raise

    return briefly(compare, _SECONDS)
