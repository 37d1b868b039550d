"""What the rest of the code asks the catalog: upgrades, prices, minimums, success URLs."""

from datetime import timedelta
from decimal import Decimal

import pytest

from pancake_meter.catalog import load_catalog, parse_catalog
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY
from pancake_meter.domain.selling.money import Money, UnknownCurrency
from pancake_meter.domain.selling.plan import OverageAllowed, OverageBlocked, OverageCapped, Plan
from pancake_meter.domain.selling.pricing import Package, line_amount
from tests.unit.catalog.catalogs import DEFAULT_CATALOG, SMALL, edited

DEFAULT = load_catalog(DEFAULT_CATALOG)


def test_the_default_catalog_grants_what_the_design_says() -> None:
    # When
    tokens = {key: plan.allowances["tokens"] for key, plan in DEFAULT.plans.items() if "tokens" in plan.allowances}
    runs = DEFAULT.plans["agent"].allowances["agent_runs"]

    # Then
    assert {key: int(allowance.quantity) for key, allowance in tokens.items()} == {
        "free": 10_000,
        "starter": 100_000,
        "pro": 1_000_000,
        "scale": 10_000_000,
    }
    assert {key: type(allowance.overage) for key, allowance in tokens.items()} == {
        "free": OverageBlocked,
        "starter": OverageBlocked,
        "pro": OverageCapped,
        "scale": OverageAllowed,
    }
    assert runs.quantity == 500
    assert runs.overage == OverageAllowed()
    assert DEFAULT.default_plan is DEFAULT.plans["free"]
    assert set(DEFAULT.meters) == {"tokens", "requests", "agent_runs"}


def test_every_refusal_of_the_default_catalog_has_something_to_sell() -> None:
    # When / Then
    for plan in DEFAULT.plans.values():
        for meter, allowance in plan.allowances.items():
            assert allowance.prices.keys() == {"USD", "JPY"}
            assert DEFAULT.top_up_price(meter, plan, "USD") is not None


@pytest.mark.parametrize(
    ("plan", "meter", "quantity", "dollars", "yen"),
    [
        ("starter", "tokens", 1, "0.03", "5"),
        ("starter", "tokens", 120_350, "3.63", "545"),
        ("pro", "tokens", 120_350, "2.42", "363"),
        ("scale", "tokens", 120_350, "1.81", "271"),
        ("scale", "tokens", 12_000_000, "143.00", "21450"),
        ("agent", "agent_runs", 3, "0.75", "114"),
    ],
)
def test_overage_of_the_default_catalog_costs_the_hand_worked_figure(
    plan: str, meter: str, quantity: int, dollars: str, yen: str
) -> None:
    # When
    amounts = {
        currency: line_amount(price, Decimal(quantity), currency).display
        for currency in ("USD", "JPY")
        if (price := DEFAULT.overage_price(meter, DEFAULT.plans[plan], currency))
    }

    # Then
    assert amounts == {"USD": dollars, "JPY": yen}


def test_the_first_product_of_a_plan_is_the_one_that_sells_it() -> None:
    # Given
    yearly = next(product for product in DEFAULT.products if product.name == "Pro yearly")
    monthly = next(product for product in DEFAULT.products if product.name == "Pro")

    # When / Then
    assert DEFAULT.plans["pro"].product_ids == monthly.product_ids
    assert (monthly.billing_period, yearly.billing_period) == ("monthly", "yearly")
    assert monthly.prices["JPY"].display == "4500"
    assert monthly.metadata == yearly.metadata == {"plan": "pro"}
    assert DEFAULT.usage_product is not None
    assert DEFAULT.usage_product.metadata == {"kind": "usage"}


@pytest.mark.parametrize(
    ("plan_key", "meter", "upgrade"),
    [
        (None, "tokens", "starter"),
        ("free", "tokens", "starter"),
        ("starter", "tokens", "pro"),
        ("pro", "tokens", "scale"),
        ("scale", "tokens", None),
        ("free", "agent_runs", "agent"),
        ("agent", "agent_runs", None),
        ("agent", "tokens", "scale"),
        ("product-initech", "tokens", None),
        ("free", "images", None),
    ],
)
def test_an_upgrade_is_the_next_plan_for_sale_that_grants_more_of_the_meter(
    plan_key: str | None, meter: str, upgrade: str | None
) -> None:
    # When
    found = DEFAULT.upgrade_of(plan_key, meter, "test")

    # Then
    assert (found.key if found else None) == upgrade


def test_promise_7_a_plan_without_a_product_in_the_environment_is_no_upgrade() -> None:
    # Given
    catalog = parse_catalog(edited((', prod = "PROD_0000000000000000000002"', "")))

    # When / Then
    assert catalog.upgrade_of("free", "tokens", "test") == catalog.plans["pro"]
    assert catalog.upgrade_of("free", "tokens", "prod") is None


def test_a_packs_own_price_comes_before_the_plans() -> None:
    # Given
    agent, starter = DEFAULT.plans["agent"], DEFAULT.plans["starter"]

    # When / Then
    assert DEFAULT.top_up_price("agent_runs", agent, "USD") == Package(Decimal(100), Decimal(20))
    assert DEFAULT.top_up_price("agent_runs", None, "USD") == Package(Decimal(100), Decimal(20))
    assert DEFAULT.top_up_price("tokens", starter, "USD") == Package(Decimal(1000), Decimal("0.03"))
    assert DEFAULT.top_up_price("tokens", None, "USD") is None
    assert DEFAULT.top_up_price("tokens", starter, "EUR") is None
    assert DEFAULT.overage_price("agent_runs", starter, "USD") is None


def test_a_pack_says_how_much_it_holds_and_how_long() -> None:
    # Given
    top_up = DEFAULT.meters["tokens"].top_up

    # When / Then
    assert top_up is not None
    assert top_up.quantity == 100_000
    assert top_up.expires_after == timedelta(days=365)
    assert top_up.priority == DEFAULT_PRIORITY["top_up"]


@pytest.mark.parametrize(
    ("currency", "minimum"), [("USD", "0.50"), ("JPY", "50"), ("EUR", "0.50"), ("KRW", "1"), ("KWD", "0.001")]
)
def test_scenario_75_every_currency_has_a_minimum_charge(currency: str, minimum: str) -> None:
    # When / Then: the catalog's, else the default, else one minor unit
    assert DEFAULT.minimum_charge(currency) == Money(Decimal(minimum), currency)


def test_the_catalog_may_set_the_minimum_charge() -> None:
    # Given
    catalog = parse_catalog(edited(("[checkout]", '[minimum_charge]\nUSD = "2.00"\n\n[checkout]')))

    # When / Then
    assert catalog.minimum_charge("USD").display == "2.00"
    with pytest.raises(UnknownCurrency):
        catalog.minimum_charge("DEM")


def test_checkout_settings_are_read() -> None:
    # When
    checkout = DEFAULT.checkout

    # Then
    assert (checkout.currency, checkout.language, checkout.tax_category) == ("USD", "en", "saas")
    assert checkout.session_lifetime == timedelta(minutes=45)


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://app.example.com/billing", True),
        ("https://app.example.com/billing/done?checkout=1#top", True),
        ("https://APP.example.com:443/billing/", True),
        ("https://example.org", True),
        ("https://example.org/anything", True),
        ("https://app.example.com/billings", False),
        ("https://app.example.com/", False),
        ("https://app.example.com/billing/../admin", False),
        ("https://app.example.com/billing/%2e%2e/admin", False),
        ("https://app.example.com:8443/billing", False),
        ("http://app.example.com/billing", False),
        ("https://app.example.com.evil.test/billing", False),
        ("https://app.example.com@evil.test/billing", False),
        ("https://evil.test/https://app.example.com/billing", False),
        ("https://app.example.com\\@evil.test/billing", False),
        ("https://app.example.com/billing\n/x", False),
        ("//app.example.com/billing", False),
        ("https:///billing", False),
        ("https://app.example.com:port/billing", False),
        ("https://[app.example.com/billing", False),
        ("https://app.example.com/billing/é", False),
        ("https://app.example.com/billing?" + "x" * 2048, False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_a_success_url_lies_on_the_sellers_allow_list(url: str, is_allowed: bool) -> None:
    # Given
    checkout = parse_catalog(SMALL).checkout

    # When / Then
    assert checkout.allows_success_url(url) is is_allowed


def test_without_a_default_plan_nobody_gets_anything_for_nothing() -> None:
    # Given
    catalog = parse_catalog(edited(('default_plan = "free"', "")))
    default: Plan | None = catalog.default_plan

    # When / Then
    assert default is None
