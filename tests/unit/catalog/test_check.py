"""``python -m pancake_meter.catalog check``: what a seller runs before a deployment."""

from pathlib import Path

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.catalog.__main__ import main
from pancake_meter.catalog.warnings import catalog_warnings
from tests.unit.catalog.catalogs import DEFAULT_CATALOG, SMALL, edited

USD_PRICE = '{ model = "per_unit", unit_price = "0.02", per = 1000 }'


def test_the_default_catalog_has_nothing_to_remark(capsys: pytest.CaptureFixture[str]) -> None:
    # When
    status = main(["check", str(DEFAULT_CATALOG)])

    # Then
    written = capsys.readouterr()
    assert status == 0
    assert written.out.startswith("ok: 3 meters, 5 plans, 5 products, version ")
    assert not written.err


def test_warnings_are_printed_and_do_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    path = tmp_path / "catalog.toml"
    path.write_text(edited(('default_plan = "free"', "")))

    # When / Then
    assert main(["check", str(path)]) == 0
    assert "warning: plans.free: no product sells it\n" in capsys.readouterr().out


def test_problems_are_printed_and_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    path = tmp_path / "catalog.toml"
    path.write_text(edited(('plan = "pro"', 'plan = "por"')))

    # When / Then
    assert main(["check", str(path)]) == 1
    assert capsys.readouterr().err == "problem: products[0].plan: there is no plan 'por'; the catalog has free, pro\n"


@pytest.mark.parametrize("arguments", [[], ["check"], ["lint", "catalog.toml"], ["check", "a", "b"]])
def test_a_wrong_call_says_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    # When / Then
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        (
            USD_PRICE,
            '{ model = "volume", tiers = [{ up_to = 100, unit_price = "2", flat = "10" }, { unit_price = "1" }] }',
            "plans.pro.allowances.tokens.prices.USD",
            "more costs less: 100 units are 210 USD, just above that the total is 100 USD",
        ),
        (
            "[plans.free]",
            '[meters.images]\nname = "Images"\nunit = "image"\n\n[plans.free]',
            "meters.images",
            "no plan",
        ),
        (', prod = "PROD_0000000000000000000002"', "", "products[0].product_id", "no id for prod"),
        ('test = "PROD_0000000000000000000003", ', "", "usage_product.product_id", "no id for test"),
        ('{ USD = "29.00" }', '{ CNY = "200.00" }', "products[0].price.CNY", "not known to sell this in CNY"),
        (
            f"USD = {USD_PRICE}",
            f"USD = {USD_PRICE}\nKWD = {USD_PRICE}",
            "plans.pro.allowances.tokens.prices.KWD",
            "not known to sell this in KWD",
        ),
        (
            'unit = "token"',
            'unit = "token"\ntop_up = { quantity = 10, price = { USD = "1.00", KWD = "0.500" } }',
            "meters.tokens.top_up.price.KWD",
            "not known to sell this in KWD",
        ),
    ],
)
def test_a_surprise_is_pointed_out_with_its_place(old: str, new: str, path: str, message: str) -> None:
    # When
    warnings = {warning.path: warning.message for warning in catalog_warnings(parse_catalog(edited((old, new))))}

    # Then
    assert list(warnings) == [path]
    assert message in warnings[path]


def test_an_ordinary_catalog_has_no_warnings() -> None:
    # When / Then
    assert catalog_warnings(parse_catalog(SMALL)) == []
