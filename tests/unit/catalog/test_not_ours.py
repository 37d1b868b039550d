"""``[not_ours]``: what else the store sells, by name or by metadata; what is ours cannot be called not ours."""

import pytest

from pancake_meter.catalog import parse_catalog
from tests.unit.catalog.catalogs import SMALL, problems_of

NOT_OURS = """
[not_ours]
product_names = ["Sticker  Pack", "E-book"]

[[not_ours.metadata]]
key = "app"
value = "blog"

[[not_ours.metadata]]
key = "shop_item"
"""


@pytest.mark.parametrize(
    ("name", "of_product", "of_order", "covered"),
    [
        ("Sticker pack", {}, {}, True),
        ("  STICKER   PACK ", {}, {}, True),
        ("Sticker", {}, {}, False),
        ("Sticker packs", {}, {}, False),
        ("Pro monthly", {}, {}, False),
        ("", {}, {}, False),
        ("Anything", {"app": "blog"}, {}, True),
        ("Anything", {}, {"app": "blog"}, True),
        ("Anything", {"app": "Blog"}, {}, False),
        ("Anything", {"app": ""}, {"app": "chat"}, False),
        ("Anything", {"shop_item": ""}, {}, True),
        ("Anything", {}, {"shop_item": "7"}, True),
        ("Anything", {"shop": "7"}, {}, False),
    ],
)
def test_an_order_is_not_ours_by_name_or_by_metadata(
    name: str, of_product: dict[str, str], of_order: dict[str, str], covered: bool
) -> None:
    assert parse_catalog(SMALL + NOT_OURS).not_ours.covers(name, of_product, of_order) is covered


def test_without_it_all_is_ours() -> None:
    not_ours = parse_catalog(SMALL).not_ours
    assert not_ours.is_empty
    assert not not_ours.covers("Sticker pack", {"app": "blog"}, {})


@pytest.mark.parametrize("name", ["Pro monthly", "PRO  MONTHLY", "pro", "Free", "Usage"])
def test_a_name_of_our_own_is_refused(name: str) -> None:
    problems = problems_of(f'{SMALL}\n[not_ours]\nproduct_names = ["Mug", "{name}"]\n')
    assert problems == {"not_ours.product_names[1]": f"{name!r} is the name of a product or a plan of the catalog"}


def test_a_name_of_spaces_is_refused() -> None:
    assert list(problems_of(f'{SMALL}\n[not_ours]\nproduct_names = ["  "]\n')) == ["not_ours.product_names[0]"]


@pytest.mark.parametrize(
    "mark",
    [
        'key = "plan"',
        'key = "planKey"',
        'key = "plan"\nvalue = "pro"',
        'key = "planKey"\nvalue = "free"',
        'key = "customer_id"',
        'key = "accountId"',
        'key = "checkout_id"',
        'key = "allowance_tokens"',
        'key = "top_up_tokens"',
        'key = "kind"',
    ],
)
def test_metadata_of_our_own_is_refused(mark: str) -> None:
    assert list(problems_of(f"{SMALL}\n[[not_ours.metadata]]\n{mark}\n")) == ["not_ours.metadata[0]"]


@pytest.mark.parametrize("mark", ['key = "plan"\nvalue = "sticker"', 'key = "kind"\nvalue = "book"', 'key = "app"'])
def test_metadata_of_something_else_is_taken(mark: str) -> None:
    assert problems_of(f"{SMALL}\n[[not_ours.metadata]]\n{mark}\n") == {}
