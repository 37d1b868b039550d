"""The plan of an order: product metadata, then order metadata, then the product's name."""

from decimal import Decimal

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.domain.selling.plan import MeterAllowance, OverageAllowed
from tests.unit.catalog.catalogs import SMALL

CATALOG = parse_catalog(SMALL)


@pytest.mark.parametrize(
    ("product_metadata", "order_metadata", "product_name", "plan", "source"),
    [
        ({"plan": "pro"}, {"plan": "free"}, "Free", "pro", "product_metadata"),
        ({"planKey": "pro"}, {}, "", "pro", "product_metadata"),
        ({"plan": "pro", "planKey": "free"}, {}, "", "pro", "product_metadata"),
        ({}, {"plan": "pro"}, "Free", "pro", "order_metadata"),
        ({}, {"planKey": "pro"}, "Free", "pro", "order_metadata"),
        ({}, {}, "Pro monthly", "pro", "product_name"),
        ({}, {}, " pro  MONTHLY ", "pro", "product_name"),
        ({}, {}, "Pro", "pro", "product_name"),
        ({"plan": "gold"}, {"plan": "pro"}, "Free", "pro", "order_metadata"),
        ({"planKey": "pro-monthly"}, {"planKey": "pro-monthly"}, "Pro monthly", "pro", "product_name"),
    ],
)
def test_the_first_that_names_a_known_plan_decides(
    product_metadata: dict[str, str], order_metadata: dict[str, str], product_name: str, plan: str, source: str
) -> None:
    # When
    resolved = CATALOG.resolve_plan(product_metadata, order_metadata, product_name)

    # Then
    assert resolved is not None
    assert (resolved.plan, resolved.source) == (CATALOG.plans[plan], source)


@pytest.mark.parametrize(
    ("product_metadata", "product_name"),
    [
        ({}, "Prowess"),
        ({}, ""),
        ({}, "Usage"),
        ({"plan": "PRO"}, "unknown"),
        ({"plan": ""}, "unknown"),
        ({"plan": "pro", "allowance_tokens": "many"}, "Pro"),
        ({"plan": "pro", "allowance_tokens": "-1"}, "Pro"),
        ({"plan": "pro", "allowance_images": "10"}, "Pro"),
    ],
)
def test_scenario_22_what_names_no_plan_is_left_to_be_parked_not_guessed(
    product_metadata: dict[str, str], product_name: str
) -> None:
    # When / Then
    assert CATALOG.resolve_plan(product_metadata, {}, product_name) is None


def test_a_product_may_state_its_own_allowance_of_a_plan() -> None:
    # When
    resolved = CATALOG.resolve_plan({"plan": "pro", "allowance_tokens": "250000"}, {}, "Pro for Initech")

    # Then: the quantity is its own, the rest is the plan's
    assert resolved is not None
    assert resolved.plan.key == "pro"
    assert resolved.plan.allowances["tokens"].quantity == 250_000
    assert resolved.plan.allowances["tokens"].overage == OverageAllowed()
    assert CATALOG.plans["pro"].allowances["tokens"].quantity == 100_000


@pytest.mark.parametrize(
    ("product_name", "key"),
    [("Initech: 2026 Deal!", "product-initech-2026-deal"), ("", "product"), ("x" * 64, f"product-{'x' * 24}")],
)
def test_a_product_that_only_states_allowances_is_a_plan_of_its_own(product_name: str, key: str) -> None:
    # When
    resolved = CATALOG.resolve_plan({"allowance_tokens": "250000.5"}, {}, product_name)

    # Then
    assert resolved is not None
    assert (resolved.plan.key, resolved.plan.name, resolved.source) == (key, product_name, "product_metadata")
    assert resolved.plan.allowances == {"tokens": MeterAllowance("tokens", Decimal("250000.5"))}
