"""Issue 14, point 3: a price may have tax inside it, by the catalog's own word."""

from decimal import Decimal

import pytest

from pancake_meter.catalog import Catalog, parse_catalog
from pancake_meter.usecases.selling.quote_sale import SaleRequest, quote_plan, quote_top_up
from tests.unit.catalog.catalogs import SMALL, edited, problems_of


def with_tax(tax: str) -> Catalog:
    return parse_catalog(edited(("[checkout]", f'[checkout]\ntax = "{tax}"')))


def test_tax_comes_on_top_unless_the_catalog_says_otherwise() -> None:
    catalog = parse_catalog(SMALL)
    assert catalog.checkout.tax == "exclusive"
    assert {product.tax for product in catalog.products} == {"exclusive"}


def test_the_setting_of_checkout_holds_for_every_product() -> None:
    catalog = with_tax("inclusive")
    assert {product.tax for product in catalog.products} == {"inclusive"}
    assert catalog.usage_product is None or catalog.usage_product.tax == "inclusive"


def test_another_word_is_refused() -> None:
    assert list(problems_of(edited(("[checkout]", '[checkout]\ntax = "included"')))) == ["checkout.tax"]


@pytest.mark.parametrize("tax", ["exclusive", "inclusive"])
def test_a_quote_says_where_its_tax_is(tax: str) -> None:
    catalog = with_tax(tax)
    plan = next(product.plan for product in catalog.products if product.plan)
    assert quote_plan(catalog, "test", SaleRequest("subscription", plan=plan), None, lambda _: ("USD",)).tax == tax
    units = quote_top_up(
        catalog, "test", SaleRequest("top_up", "tokens", Decimal(100_000)), "tokens", catalog.plans["pro"], ("USD",)
    )
    assert units.tax == tax


def test_a_product_may_say_otherwise() -> None:
    catalog = parse_catalog(edited(('name = "Usage"', 'name = "Usage"\ntax = "inclusive"')))
    assert catalog.usage_product is not None
    assert (catalog.usage_product.tax, catalog.products[0].tax) == ("inclusive", "exclusive")
