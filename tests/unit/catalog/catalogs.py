"""Catalogs to test with: the default one, and a small one that tests can add faults to."""

from pathlib import Path

from pancake_meter.catalog import CatalogError, parse_catalog

DEFAULT_CATALOG = Path(__file__).parents[3] / "layers" / "catalog" / "catalog.toml"

SMALL = """
default_plan = "free"

[checkout]
currency = "USD"
success_urls = ["https://app.example.com/billing", "https://example.org"]

[meters.tokens]
name = "Tokens"
unit = "token"

[plans.free]
name = "Free"
rank = 0
allowances.tokens = { quantity = 1000, cadence = "month" }

[plans.pro]
name = "Pro"
rank = 10

[plans.pro.allowances.tokens]
quantity = 100_000
overage = "allowed"
[plans.pro.allowances.tokens.prices]
USD = { model = "per_unit", unit_price = "0.02", per = 1000 }

[[products]]
name = "Pro monthly"
plan = "pro"
billing_period = "monthly"
product_id = { test = "PROD_0000000000000000000001", prod = "PROD_0000000000000000000002" }
price = { USD = "29.00" }

[usage_product]
name = "Usage"
product_id = { test = "PROD_0000000000000000000003", prod = "PROD_0000000000000000000004" }
"""


def edited(*replacements: tuple[str, str]) -> str:
    """The small catalog with each old part, which must be there, replaced by the new one."""
    text = SMALL
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


def problems_of(text: str) -> dict[str, str]:
    """Path and message of every problem that refuses ``text``; empty where nothing does."""
    try:
        parse_catalog(text)
    except CatalogError as error:
        return {problem.path: problem.message for problem in error.problems}
    return {}
