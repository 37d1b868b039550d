"""Reading the catalog: exact, once, and with every problem at its place."""

import hashlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import astuple

from pancake_meter.catalog import CatalogError, load_catalog, parse_catalog
from pancake_meter.catalog.loading import CATALOG_BYTES_MAX
from pancake_meter.domain.selling.plan import (
    OverageAllowed,
    OverageCapped,
    PastDueBlock,
    PastDueKeep,
    PastDuePolicy,
    PastDueReduce,
    PastDueThrottle,
)
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume
from tests.unit.catalog.catalogs import SMALL, edited, problems_of

USD_PRICE = '{ model = "per_unit", unit_price = "0.02", per = 1000 }'


def test_the_version_is_the_hash_of_the_file(tmp_path: Path) -> None:
    # Given: line ends and all
    path = tmp_path / "catalog.toml"
    raw = SMALL.replace("\n", "\r\n").encode()
    path.write_bytes(raw)

    # When / Then
    assert load_catalog(path).version == hashlib.sha256(raw).hexdigest()
    assert parse_catalog(SMALL).version == hashlib.sha256(SMALL.encode()).hexdigest()


def test_a_process_reads_the_file_once(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "catalog.toml"
    path.write_text(SMALL)
    first = load_catalog(path)

    # When
    path.unlink()

    # Then
    assert load_catalog(path) is first


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ('{ model = "per_unit", unit_price = "0.02", per = 1000 }', PerUnit(Decimal("0.00002"))),
        ('{ model = "per_unit", unit_price = "1.25", per = 1_000_000 }', PerUnit(Decimal("0.00000125"))),
        ('{ model = "per_unit", unit_price = 0.1 }', PerUnit(Decimal("0.1"))),
        ('{ model = "per_unit", unit_price = 2, flat = "5", free_units = 10 }', PerUnit(*map(Decimal, (2, 5, 10)))),
        ('{ model = "package", size = 1000, price = "0.03" }', Package(Decimal(1000), Decimal("0.03"))),
        (
            '{ model = "package", size = 100, price = "1", rounding = "down" }',
            Package(Decimal(100), Decimal(1), rounding="down"),
        ),
        (
            '{ model = "graduated", tiers = [{ up_to = 10, unit_price = "2", flat = "1" }, { unit_price = "1" }] }',
            Graduated((Tier(Decimal(10), Decimal(2), Decimal(1)), Tier(None, Decimal(1)))),
        ),
        ('{ model = "volume", per = 1000, tiers = [{ unit_price = "2" }] }', Volume((Tier(None, Decimal("0.002")),))),
    ],
)
def test_prices_are_read_exactly(price: str, expected: Price) -> None:
    # When
    catalog = parse_catalog(edited((USD_PRICE, price)))

    # Then
    assert catalog.plans["pro"].allowances["tokens"].prices["USD"] == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('{ policy = "keep" }', PastDueKeep()),
        ('{ policy = "reduce", fraction = "0.5" }', PastDueReduce(Decimal("0.5"))),
        ('{ policy = "throttle", rate_per_minute = 60 }', PastDueThrottle(60)),
        ('{ policy = "block", grace_hours = 72 }', PastDueBlock(timedelta(days=3))),
    ],
)
def test_past_due_policies_are_read(policy: str, expected: PastDuePolicy) -> None:
    # When
    catalog = parse_catalog(edited(("rank = 10", f"rank = 10\npast_due = {policy}")))

    # Then
    assert catalog.plans["pro"].past_due == expected


def test_overage_is_read() -> None:
    # When
    capped = parse_catalog(edited(('overage = "allowed"', 'overage = "capped"\noverage_limit = 500')))

    # Then
    assert capped.plans["pro"].allowances["tokens"].overage == OverageCapped(Decimal(500))
    assert parse_catalog(SMALL).plans["pro"].allowances["tokens"].overage == OverageAllowed()


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        # The whole
        ('default_plan = "free"', 'default_plan = "gratis"', "default_plan", "no plan 'gratis'"),
        ('default_plan = "free"', 'default_plna = "free"', "default_plna", "not a key that the catalog knows"),
        ('currency = "USD"', 'currency = "USX"', "checkout.currency", "USX is not an active ISO 4217 currency"),
        ("[usage_product]", "[unused]", "unused", "not a key"),
        # Meters and plans
        (
            "allowances.tokens = ",
            "allowances.tokns = ",
            "plans.free.allowances.tokns",
            "no meter 'tokns'; the catalog has tokens",
        ),
        ("[meters.tokens]", "[meters.Tokens]", "meters.Tokens", "must match"),
        ('unit = "token"', "", "meters.tokens.unit", "is missing"),
        ("rank = 10", "rank = 10.5", "plans.pro.rank", "must be a whole number"),
        ('name = "Pro"', 'name = " FREE "', "plans.pro.name", "also the name of plan free"),
        # Allowances
        ("quantity = 100_000", "quantity = -1", "plans.pro.allowances.tokens.quantity", "from 0 to 1000000000000000"),
        ("quantity = 100_000", "quantity = 0.0000001", "plans.pro.allowances.tokens.quantity", "6 decimal places"),
        ("quantity = 100_000", "quantity = true", "plans.pro.allowances.tokens.quantity", "plain decimal notation"),
        (
            "quantity = 100_000",
            'quantity = "100,000"',
            "plans.pro.allowances.tokens.quantity",
            "plain decimal notation",
        ),
        ('cadence = "month"', 'cadence = "fortnight"', "plans.free.allowances.tokens.cadence", "must be 'billing'"),
        ('overage = "allowed"', 'overage = "capped"', "plans.pro.allowances.tokens.overage_limit", "goes with"),
        (
            'overage = "allowed"',
            'overage = "allowed"\noverage_limit = 5',
            "plans.pro.allowances.tokens.overage_limit",
            "goes with",
        ),
        (
            'cadence = "month"',
            'overage = "allowed"',
            "plans.free.allowances.tokens.prices",
            "are needed where overage is allowed",
        ),
        (
            "quantity = 100_000",
            'quantity = 100_000\nalert_thresholds = ["1", "0.8"]',
            "plans.pro.allowances.tokens.alert_thresholds",
            "must rise",
        ),
        (
            "quantity = 100_000",
            'quantity = 100_000\nalert_thresholds = ["0", "1"]',
            "plans.pro.allowances.tokens.alert_thresholds[0]",
            "above 0 and at most 1",
        ),
        (
            "quantity = 100_000",
            "quantity = 100_000\nalert_thresholds = [0.8, 1.01]",
            "plans.pro.allowances.tokens.alert_thresholds[1]",
            "above 0 and at most 1",
        ),
        # Past due
        ("rank = 10", 'rank = 10\npast_due = { policy = "block" }', "plans.pro.past_due.grace_hours", "is needed by"),
        (
            "rank = 10",
            'rank = 10\npast_due = { policy = "keep", fraction = "0.5" }',
            "plans.pro.past_due.fraction",
            "not a setting of policy keep",
        ),
        # Products
        ('plan = "pro"', 'plan = "por"', "products[0].plan", "no plan 'por'"),
        ('name = "Pro monthly"', 'name = "free"', "products[0].name", "the name of plan free"),
        ('name = "Pro monthly"', 'name = "usage"', "products[0].name", "the name of another product"),
        ('name = "Pro monthly"', f'name = "{"x" * 65}"', "products[0].name", "at most 64 characters"),
        ("PROD_0000000000000000000001", "PROD_1", "products[0].product_id.test", "must match"),
        ("PROD_0000000000000000000003", "PROD_0000000000000000000001", "usage_product.product_id.test", "products[0]"),
        (
            'product_id = { test = "PROD_0000000000000000000001", prod = "PROD_0000000000000000000002" }',
            "product_id = {}",
            "products[0].product_id",
            "in test, in prod, or both",
        ),
        ('{ USD = "29.00" }', '{ USD = "29.001" }', "products[0].price.USD", "more decimal places than its currency"),
        ('{ USD = "29.00" }', '{ JPY = "29.50" }', "products[0].price.JPY", "more decimal places than its currency"),
        ('{ USD = "29.00" }', '{ DEM = "29.00" }', "products[0].price.DEM", "not an active ISO 4217 currency"),
        ('{ USD = "29.00" }', '{ usd = "29.00" }', "products[0].price.usd", "must match"),
        # Checkout
        (
            '"https://example.org"',
            '"http://example.org"',
            "checkout.success_urls[1]",
            "must be an https address",
        ),
        ('currency = "USD"', 'currency = "USD"\nsession_minutes = 10081', "checkout.session_minutes", "at most 10,080"),
        (
            'currency = "USD"',
            'currency = "USD"\ntax_category = "food"',
            "checkout.tax_category",
            "must be 'digital_goods'",
        ),
        # Top-ups
        (
            'unit = "token"',
            'unit = "token"\ntop_up = { quantity = 0 }',
            "meters.tokens.top_up.quantity",
            "more than nothing",
        ),
        (
            'unit = "token"',
            'unit = "token"\ntop_up = { quantity = 10, price = { EUR = "1.00" } }',
            "meters.tokens.top_up.price",
            "none in USD",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(old: str, new: str, path: str, message: str) -> None:
    # When
    problems = problems_of(edited((old, new)))

    # Then
    assert message in problems[path]


@pytest.mark.parametrize(
    ("price", "path", "message"),
    [
        ('{ model = "per_unit" }', ".unit_price", "is missing"),
        ('{ unit_price = "1" }', "", "needs a model"),
        ('{ model = "tiered", unit_price = "1" }', "", "per_unit"),
        ('{ model = "per_unit", unit_price = "-1" }', ".unit_price", "from 0"),
        ('{ model = "per_unit", unit_price = "1e-3" }', ".unit_price", "plain decimal notation"),
        ('{ model = "per_unit", unit_price = inf }', ".unit_price", "from 0"),
        ('{ model = "per_unit", unit_price = nan }', ".unit_price", "from 0"),
        ('{ model = "per_unit", unit_price = "0.0000000000001" }', ".unit_price", "at most 12 decimal places"),
        ('{ model = "per_unit", unit_price = "0.0000000001", per = 1000 }', ".unit_price", "at most 12 decimal places"),
        ('{ model = "per_unit", unit_price = "1", per = 10 }', ".per", "must be 1, 1000 or 1000000"),
        ('{ model = "per_unit", unit_price = "1", tiers = [] }', ".tiers", "not a key"),
        ('{ model = "package", size = 0, price = "1" }', ".size", "more than nothing"),
        ('{ model = "graduated", tiers = [] }', ".tiers", "at least 1 item"),
        ('{ model = "graduated", tiers = [{ up_to = 5, unit_price = "1" }] }', ".tiers[0].up_to", "the last tier"),
        (
            '{ model = "graduated", tiers = [{up_to = 5, unit_price = 1}, {up_to = 4, unit_price = 1}, {unit_price = 1}] }',
            ".tiers[1].up_to",
            "above 5",
        ),
        (
            '{ model = "volume", tiers = [{ up_to = 5, unit_price = "1" }, { unit_price = "one" }] }',
            ".tiers[1].unit_price",
            "plain decimal notation",
        ),
        (
            '{ model = "volume", tiers = [{ upto = 5, unit_price = "1" }, { unit_price = "1" }] }',
            ".tiers[0].upto",
            "not a key",
        ),
    ],
)
def test_a_faulty_price_is_named_with_its_place(price: str, path: str, message: str) -> None:
    # When
    problems = problems_of(edited((USD_PRICE, price)))

    # Then
    assert message in problems[f"plans.pro.allowances.tokens.prices.USD{path}"]


@pytest.mark.parametrize("currency", ["EUR", "DEM"])
def test_a_price_in_the_currency_of_checkout_is_needed(currency: str) -> None:
    # When
    problems = problems_of(edited((f"USD = {USD_PRICE}", f"{currency} = {USD_PRICE}")))

    # Then
    assert "none in USD" in problems["plans.pro.allowances.tokens.prices"]
    assert ("plans.pro.allowances.tokens.prices.DEM" in problems) is (currency == "DEM")


def test_a_pack_without_a_price_anywhere_is_refused() -> None:
    # When
    problems = problems_of(
        edited(
            ('unit = "token"', 'unit = "token"\ntop_up = { quantity = 100 }'),
            ('overage = "allowed"', 'overage = "blocked"'),
            (f"[plans.pro.allowances.tokens.prices]\nUSD = {USD_PRICE}", ""),
        )
    )

    # Then
    assert problems == {"meters.tokens.top_up.price": "is needed: no plan has a price for tokens to fall back on"}


def test_what_is_sold_needs_the_usage_product() -> None:
    # When
    problems = problems_of(SMALL[: SMALL.index("[usage_product]")])

    # Then
    assert problems == {"usage_product": "is missing: overage and top-ups are sold as this one-time product"}


def test_two_products_of_one_name_are_refused() -> None:
    # Given
    twin = """
[[products]]
name = "PRO  monthly"
plan = "pro"
billing_period = "yearly"
product_id = { test = "PROD_0000000000000000000009" }
"""

    # When
    problems = problems_of(SMALL + twin)

    # Then
    assert problems == {"products[1].name": "'PRO  monthly' is the name of another product"}


def test_all_problems_are_told_at_once() -> None:
    # When
    text = edited(
        ('default_plan = "free"', 'default_plan = "gratis"'),
        ("allowances.tokens = ", "allowances.tokns = "),
        ('plan = "pro"', 'plan = "por"'),
    )
    with pytest.raises(CatalogError) as refused:
        parse_catalog(text)

    # Then
    assert {problem.path for problem in refused.value.problems} == {
        "default_plan",
        "plans.free.allowances.tokns",
        "products[0].plan",
    }
    assert all(": ".join(astuple(problem)) in str(refused.value) for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a = ", "not TOML"),
        (b"a = 1\na = 2", "not TOML"),
        (b"\xff", "not UTF-8"),
        (b"# " + b"x" * CATALOG_BYTES_MAX, "larger than"),
        (b"a = " + b"[" * 5000, "not TOML"),
        (b"", "meters: is missing"),
    ],
)
def test_what_is_no_catalog_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    # Given
    path = tmp_path / "catalog.toml"
    path.write_bytes(raw)

    # When / Then
    with pytest.raises(CatalogError, match=message):
        load_catalog(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    # When / Then
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "none.toml")
