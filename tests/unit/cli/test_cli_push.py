"""``catalog``: checked, compared with Waffo, pushed there from an empty store. Issue 14, point 8."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cli_world import FakeWorld, Ran, SimulatedWaffo, run, simulated_waffo

CATALOG = """
# Comments stay.
default_plan = "free"

[meters.tokens]
name = "Tokens"
unit = "token"
top_up = { quantity = 100_000, price = { USD = "3.00" } }

[plans.free]
name = "Free"
rank = 0
allowances.tokens = { quantity = 10_000, cadence = "month" }

[plans.pro]
name = "Pro"
rank = 10
trial = "full"
allowances.tokens = { quantity = 1_000_000 }

[plans.scale]
name = "Scale"
rank = 20
allowances.tokens = { quantity = 9_000_000 }

[[products]]
name = "Pro"
plan = "pro" # the favourite
billing_period = "monthly"
trial_days = 14
price = { USD = "29.00", JPY = "4500" }

[[products]]
name = "Scale"
plan = "scale"
billing_period = "yearly"
product_id = { prod = "PROD_8mQ2wE4rT6yU8iO0pA2sD4" }
price = { USD = "990.00" }

[usage_product]
name = "Usage"
product_id = { prod = "PROD_9pUsageOneTime00000001" } # of the example
"""
Command = Callable[..., Ran]


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def waffo(world: FakeWorld, tmp_path: Path) -> Iterator[SimulatedWaffo]:
    with simulated_waffo(world, tmp_path, products=()) as started:
        yield started


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG)
    return file


@pytest.fixture
def command(world: FakeWorld, waffo: SimulatedWaffo, catalog: Path, tmp_path: Path) -> Command:
    def call(*arguments: str, **fields: Any) -> Ran:
        profile = replace(waffo.profile, catalog_path=str(catalog))
        return run(world, "catalog", *arguments, folder=tmp_path, **{"profile": profile, **fields})

    return call


def test_issue_14_8_an_empty_store_gets_every_product_and_the_catalog_its_ids(
    command: Command, waffo: SimulatedWaffo, catalog: Path
) -> None:
    # When
    before, pushed, after = command("diff"), command("push", "--json"), command("diff", "--json")
    # Then
    assert (before.status, pushed.status, after.status) == (1, 0, 0), pushed.err + after.out
    assert [each["do"] for each in pushed.json["steps"]] == ["create"] * 3
    written = tomllib.loads(catalog.read_text())
    made = waffo.simulator.state.products
    ids = [each["product_id"]["test"] for each in (*written["products"], written["usage_product"])]
    assert [made[each].name for each in ids] == ["Pro", "Scale", "Usage"]
    assert written["products"][1]["product_id"]["prod"] == "PROD_8mQ2wE4rT6yU8iO0pA2sD4"
    assert set(written["usage_product"]["product_id"]) == {"test"}, "an id of the example is no store's: it goes"
    pro = made[ids[0]]
    assert (pro.metadata, pro.trial_days, pro.billing_period) == ({"plan": "pro", "trialDays": "14"}, 14, "monthly")
    assert pro.prices == {"USD": Decimal("29.00"), "JPY": Decimal(4500)}
    assert "# Comments stay." in catalog.read_text()
    assert "# the favourite" in catalog.read_text()
    [group] = waffo.simulator.state.groups.values()
    assert (group.product_ids, group.rules["selfServicePlanChange"]) == (ids[:2], True)


def test_issue_14_8_a_second_push_has_nothing_to_do(command: Command, waffo: SimulatedWaffo) -> None:
    assert command("push").status == 0
    again = command("push", "--json")
    assert (again.json["steps"], len(waffo.simulator.state.products)) == ([], 3)


def test_issue_14_8_a_run_that_was_cut_off_makes_no_product_twice(
    command: Command, world: FakeWorld, waffo: SimulatedWaffo, catalog: Path
) -> None:
    # Given a run whose answer to the second product was lost
    [answer] = world.others
    seen = 0

    def lossy(request: httpx.Request) -> httpx.Response | None:
        nonlocal seen
        response = answer(request)
        if request.url.path.endswith("create-product"):
            seen += 1
            if seen == 2:
                raise httpx.ReadTimeout("lost", request=request)
        return response

    world.others[:] = [lossy]
    assert command("push").status == 3
    assert len(waffo.simulator.state.products) == 2
    # When
    again = command("push", "--json")
    # Then
    assert [each["do"] for each in again.json["steps"]] == ["adopt", "create"]
    assert len(waffo.simulator.state.products) == 3
    assert command("diff").status == 0


def test_issue_14_8_a_price_is_changed_after_a_yes_and_what_differs_is_updated(
    command: Command, waffo: SimulatedWaffo, catalog: Path
) -> None:
    # Given
    command("push")
    catalog.write_text(catalog.read_text().replace('"29.00"', '"35.00"'))
    state = waffo.simulator.state
    scale = next(each for each in state.products.values() if each.name == "Scale")
    state.products[scale.id] = replace(scale, status="inactive", metadata={"plan": "pro", "own": "kept"})
    # When
    diff = command("diff", "--json")
    asked = command("push")
    # Then nothing is done before somebody says yes
    assert {each["what"] for each in diff.json["differences"]} == {"price in USD", "status", "metadata.plan"}
    assert (asked.status, "confirmation_needed" in asked.err) == (2, True)
    assert state.products[scale.id].status == "inactive"
    # When
    pushed = command("push", "--yes", "--json")
    # Then
    assert [each["do"] for each in pushed.json["steps"]] == ["update", "activate", "update"]
    assert state.products[scale.id].metadata == {"plan": "scale", "own": "kept"}
    assert next(each for each in state.products.values() if each.name == "Pro").prices["USD"] == Decimal("35.00")
    assert command("diff").status == 0


def test_issue_14_8_publish_takes_products_and_group_to_production(
    command: Command, waffo: SimulatedWaffo, catalog: Path
) -> None:
    pushed = command("push", "--publish", "--json")
    assert pushed.json["published"] == ["Pro", "Scale", "Usage"]
    assert all(each.has_prod_version for each in waffo.simulator.state.products.values())
    assert [each.is_published for each in waffo.simulator.state.groups.values()] == [True]
    written = tomllib.loads(catalog.read_text())
    assert all(each["product_id"]["prod"] == each["product_id"]["test"] for each in written["products"])
    assert command("push", "--publish", "--json").json["published"] == []


def test_issue_14_8_a_dry_run_and_a_production_stack_change_nothing(
    command: Command, waffo: SimulatedWaffo, catalog: Path
) -> None:
    assert len(command("push", "--dry-run", "--json").json["steps"]) == 3
    ran = command("push", profile=replace(waffo.profile, catalog_path=str(catalog), waffo_environment="prod"))
    assert (ran.status, ran.err.startswith("production")) == (2, True)
    assert (catalog.read_text(), waffo.simulator.state.products) == (CATALOG, {})


def test_issue_14_8_a_dry_run_says_that_the_group_of_plans_is_missing(command: Command, waffo: SimulatedWaffo) -> None:
    command("push")
    assert command("push", "--dry-run", "--json").json["steps"] == []
    waffo.simulator.state.groups.clear()
    (step,) = command("push", "--dry-run", "--json").json["steps"]
    assert step["do"] == "group"


def test_issue_14_7_a_catalog_is_checked_and_shown_by_the_stacks_own_rules(command: Command, catalog: Path) -> None:
    faulty = command("check", "--json")
    assert faulty.status == 1
    assert "products[0].product_id: is missing" in faulty.err
    command("push")
    checked, shown = command("check", "--json"), command("show", "--json")
    assert (checked.status, checked.json["products"]) == (0, 2)
    assert [each["name"] for each in shown.json["products"]] == ["Pro", "Scale", "Usage"]
    assert "Scale" in command("show").out
    assert command("check", "nowhere.toml").status == 1
