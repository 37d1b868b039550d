"""Issue 11, points 7 and 8: add-ons and trials in the catalog."""

from decimal import Decimal

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.catalog.warnings import catalog_warnings
from tests.unit.catalog.catalogs import SMALL, edited, problems_of

BOOST = """
[plans.boost]
name = "Boost"
add_on = true

[plans.boost.allowances.tokens]
quantity = 50_000

[[products]]
name = "Boost monthly"
plan = "boost"
billing_period = "monthly"
product_id = { test = "PROD_0000000000000000000005", prod = "PROD_0000000000000000000006" }
price = { USD = "5.00" }
"""
PRO = 'name = "Pro"\nrank = 10\n'


def _with_boost(old: str = "", new: str = "") -> str:
    assert old in BOOST
    return SMALL + BOOST.replace(old, new, 1) if old else SMALL + BOOST


def test_issue_11_point_7_an_add_on_is_a_plan_without_rank() -> None:
    # When
    catalog = parse_catalog(_with_boost())

    # Then
    assert catalog.plans["boost"].add_on
    assert catalog.plans["boost"].allowances["tokens"].quantity == 50_000
    assert not catalog.plans["pro"].add_on
    assert catalog_warnings(catalog) == []


def test_a_plan_that_is_no_add_on_needs_a_rank() -> None:
    # When / Then
    assert problems_of(edited((PRO, 'name = "Pro"\n'))) == {"plans.pro.rank": "is missing"}


def test_an_add_on_is_no_default_plan() -> None:
    # Given
    text = _with_boost().replace('default_plan = "free"', 'default_plan = "boost"')

    # When / Then
    assert problems_of(text) == {"default_plan": "boost is an add-on: it comes on top of a plan, and is none itself"}


@pytest.mark.parametrize(
    ("old", "new", "path", "why"),
    [
        (
            "add_on = true\n",
            'add_on = true\npast_due = { policy = "block", grace_hours = 72 }\n',
            "past_due",
            "its units stay until its paid period has ended",
        ),
        (
            "add_on = true\n",
            'add_on = true\nquota_change = "reset"\n',
            "quota_change",
            "nobody moves to it from another plan",
        ),
        (
            "quantity = 50_000\n",
            'quantity = 50_000\ncadence = "month"\n',
            "allowances.tokens.cadence",
            "it grants once in each paid period",
        ),
        (
            "quantity = 50_000\n",
            'quantity = 50_000\noverage = "allowed"\nprices.USD = { model = "per_unit", unit_price = "0.02" }\n',
            "allowances.tokens.overage",
            "the plan beside it decides on overage",
        ),
        (
            "quantity = 50_000\n",
            "quantity = 50_000\nrollover_maximum = 100\n",
            "allowances.tokens.rollover_maximum",
            "its units end with its paid period",
        ),
    ],
)
def test_what_an_add_on_cannot_do_is_refused_with_its_reason(old: str, new: str, path: str, why: str) -> None:
    # When / Then
    assert problems_of(_with_boost(old, new)) == {f"plans.boost.{path}": f"is no setting of an add-on: {why}"}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("add_on = true\n", "add_on = true\nrank = 5\n", "plans.boost.rank"),
        (
            "quantity = 50_000\n",
            'quantity = 50_000\nalert_thresholds = ["0.5"]\n',
            "plans.boost.allowances.tokens.alert_thresholds",
        ),
        (
            "quantity = 50_000\n",
            'quantity = 50_000\nprices = { USD = { model = "per_unit", unit_price = "2" } }\n',
            "plans.boost.allowances.tokens.prices",
        ),
        ("\n[plans.boost.allowances.tokens]\nquantity = 50_000\n", "", "plans.boost.allowances"),
    ],
)
def test_what_decides_nothing_in_an_add_on_is_warned_of(old: str, new: str, path: str) -> None:
    # When / Then
    assert [warning.path for warning in catalog_warnings(parse_catalog(_with_boost(old, new)))] == [path]


def test_an_add_on_is_no_upgrade_even_where_it_has_a_rank() -> None:
    # Given
    catalog = parse_catalog(_with_boost("add_on = true\n", "add_on = true\nrank = 5\n"))

    # When
    upgrade = catalog.upgrade_of("free", "tokens", "test")

    # Then
    assert upgrade is not None
    assert upgrade.key == "pro"


def test_a_pack_finds_no_price_in_an_add_on() -> None:
    # Given: runs are granted by the add-on alone, so no customer's balance of them is ever under its prices
    runs = (
        '[meters.runs]\nname = "Runs"\nunit = "run"\ntop_up = { quantity = 10 }\n'
        "[plans.boost.allowances.runs]\nquantity = 5\n"
        'prices = { USD = { model = "per_unit", unit_price = "1" } }\n'
    )

    # When / Then
    assert "meters.runs.top_up.price" in problems_of(_with_boost() + runs)


@pytest.mark.parametrize(
    ("written", "fraction"),
    [('"full"', "1"), ('"none"', "0"), ("0.25", "0.25"), ('"0.25"', "0.25"), ("0", "0"), ("1", "1"), ("1.0", "1")],
)
def test_issue_11_point_8_a_plan_says_what_its_trial_grants(written: str, fraction: str) -> None:
    # When
    catalog = parse_catalog(edited((PRO, f"{PRO}trial = {written}\n")))

    # Then
    assert catalog.plans["pro"].trial == Decimal(fraction)
    assert catalog.plans["free"].trial is None


@pytest.mark.parametrize("written", ['"half"', "1.5", "-0.1", "true", '"25%"', "[1]", "nan", "inf", '""'])
def test_a_trial_that_is_no_fraction_is_refused(written: str) -> None:
    # When / Then
    assert problems_of(edited((PRO, f"{PRO}trial = {written}\n"))) == {
        "plans.pro.trial": 'must be "full", "none" or a fraction from 0 to 1, such as "0.25"'
    }


def test_an_add_on_may_have_a_trial() -> None:
    # When
    catalog = parse_catalog(_with_boost("add_on = true\n", 'add_on = true\ntrial = "0.5"\n'))

    # Then
    assert catalog.plans["boost"].trial == Decimal("0.5")
    assert catalog_warnings(catalog) == []


def test_a_trial_that_nobody_can_buy_is_warned_of() -> None:
    # Given
    catalog = parse_catalog(edited(('name = "Free"\nrank = 0\n', 'name = "Free"\nrank = 0\ntrial = "full"\n')))

    # When / Then
    assert [warning.path for warning in catalog_warnings(catalog)] == ["plans.free.trial"]


def test_a_number_that_is_none_is_refused_wherever_it_stands() -> None:
    # Given: TOML has "nan" and "inf"
    text = edited(('overage = "allowed"', 'overage = "allowed"\nalert_thresholds = [nan]'))

    # When / Then
    assert list(problems_of(text)) == ["plans.pro.allowances.tokens.alert_thresholds[0]"]
