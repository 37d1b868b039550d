"""Issue 16, point 1: the catalog names a usage product for a meter or a kind of sale."""

import pytest

from pancake_meter.catalog import Catalog, parse_catalog
from pancake_meter.catalog.warnings import catalog_warnings
from pancake_meter.domain.selling.checkout import UsageKind
from tests.unit.catalog.catalogs import SMALL, edited, problems_of


def product(number: int, name: str, rest: str) -> str:
    """Return a usage product of its own."""
    ids = f'{{ test = "PROD_{number:022d}", prod = "PROD_{number + 1:022d}" }}'
    return f'\n[[usage_products]]\nname = "{name}"\nproduct_id = {ids}\n{rest}\n'


OF_METER = product(11, "Tokens", 'meters = ["tokens"]')
OF_KIND = product(21, "Overage", 'kinds = ["overage"]')
OF_BOTH = product(31, "Token pack", 'meters = ["tokens"]\nkinds = ["top_up"]\ntax = "inclusive"')
GENERAL = SMALL[SMALL.index("[usage_product]") :]
RUNS = edited(("[meters.tokens]", '[meters.runs]\nname = "Runs"\nunit = "run"\n\n[meters.tokens]'))


def name_of(catalog: Catalog, meter: str, kind: UsageKind) -> str | None:
    found = catalog.usage_product_of(meter, kind, "test")
    return found.name if found else None


def test_the_narrowest_product_that_fits_sells_and_the_usage_product_is_the_rest() -> None:
    catalog = parse_catalog(RUNS + OF_KIND + OF_METER + OF_BOTH)
    assert name_of(catalog, "tokens", "top_up") == "Token pack"
    assert name_of(catalog, "tokens", "overage") == "Tokens", "a meter says more than a kind"
    assert name_of(catalog, "runs", "overage") == "Overage"
    assert name_of(catalog, "runs", "top_up") == "Usage"
    assert [each.name for each in catalog.one_time_products] == ["Overage", "Tokens", "Token pack", "Usage"]
    assert catalog.one_time_products[2].tax == "inclusive"


def test_a_catalog_without_them_is_what_it_was() -> None:
    catalog = parse_catalog(SMALL)
    assert catalog.usage_products == ()
    assert name_of(catalog, "tokens", "overage") == "Usage"


def test_a_product_without_an_id_in_an_environment_leaves_the_sale_to_the_next_one_there() -> None:
    text = SMALL + OF_METER.replace(', prod = "PROD_0000000000000000000012"', "")
    catalog = parse_catalog(text)
    found = catalog.usage_product_of("tokens", "overage", "prod")
    assert (name_of(catalog, "tokens", "overage"), found.name if found else None) == ("Tokens", "Usage")
    assert [each.path for each in catalog_warnings(catalog)] == ["usage_products[0].product_id"]


def test_the_usage_product_may_be_left_out_where_others_sell_all_there_is() -> None:
    assert problems_of(SMALL.replace(GENERAL, "") + OF_METER) == {}
    assert problems_of(SMALL.replace(GENERAL, "") + OF_BOTH) == {
        "usage_product": "is missing: none of usage_products sells overage of tokens"
    }


@pytest.mark.parametrize(
    ("added", "path", "message"),
    [
        (product(41, "All", ""), "usage_products[0]", "needs meters, kinds, or both"),
        (product(41, "Words", 'meters = ["words"]'), "usage_products[0].meters[0]", "there is no meter 'words'"),
        (product(41, "Gift", 'kinds = ["gift"]'), "usage_products[0].kinds[0]", "overage"),
        (OF_METER + product(41, "Again", 'meters = ["tokens"]'), "usage_products[1]", "too, as does usage_products[0]"),
        (product(41, "usage", 'kinds = ["top_up"]'), "usage_products[0].name", "is the name of another product"),
        (
            product(3, "Twin", 'kinds = ["top_up"]'),
            "usage_products[0].product_id.test",
            "is also the id of usage_product",
        ),
        (
            product(41, "Nothing", 'kinds = ["top_up"]').replace("test =", "tset ="),
            "usage_products[0].product_id.tset",
            "",
        ),
    ],
)
def test_a_product_that_could_not_be_told_from_another_is_refused(added: str, path: str, message: str) -> None:
    problems = problems_of(SMALL + added)
    assert path in problems
    assert message in problems[path]


def test_what_is_sold_as_one_of_them_is_not_called_not_ours() -> None:
    problems = problems_of(SMALL + OF_METER + '\n[not_ours]\nproduct_names = ["tokens"]\n')
    assert "is the name of a product or a plan" in problems["not_ours.product_names[0]"]
