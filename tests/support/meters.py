"""Metering for tests: a small catalog of one plan, on a table."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pancake_meter.catalog import Catalog, parse_catalog
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
CUSTOMER = "acct_1001"


def catalog_of(quantity: int, *, cadence: str = "month", overage: str = 'overage = "blocked"') -> Catalog:
    """Return a catalog whose default plan grants so many tokens."""
    return parse_catalog(f"""
        default_plan = "free"
        [checkout]
        currency = "USD"
        session_minutes = 45
        tax_category = "saas"
        success_urls = ["https://app.example.com/"]
        [meters.tokens]
        name = "Tokens"
        unit = "token"
        [plans.free]
        name = "Free"
        rank = 0
        [plans.free.allowances.tokens]
        quantity = {quantity}
        cadence = "{cadence}"
        {overage}
        [usage_product]
        name = "Usage"
        product_id = {{ test = "PROD_9tUsageOneTime00000001", prod = "PROD_9pUsageOneTime00000001" }}
    """)


def metering(client: "DynamoDBClient", table: str, catalog: Catalog) -> Metering:
    """Return metering whose retries do not wait."""
    return Metering(Table(client, table, sleep=lambda _: None), catalog)
