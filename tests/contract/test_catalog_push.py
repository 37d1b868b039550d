"""``catalog push`` and ``connect`` send what the official SDK sends, and get what it gets. Issue 14, point 8."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cli_world import FakeWorld, SimulatedWaffo, run, simulated_waffo
from tests.support.node import run_node
from tests.support.waffo_simulator import MERCHANT_ID, MERCHANT_PRIVATE_PEM, STORE_ID, simulator

CATALOG = """
default_plan = "free"

[meters.tokens]
name = "Tokens"
unit = "token"

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
plan = "pro"
billing_period = "monthly"
trial_days = 14
price = { USD = "29.00", JPY = "4500" }

[[products]]
name = "Scale"
plan = "scale"
billing_period = "yearly"
price = { USD = "990.00" }

[usage_product]
name = "Usage"
product_id = {}
"""
METHODS = {
    "subscription-product/create-product": "subscriptionProducts.create",
    "subscription-product/update-product": "subscriptionProducts.update",
    "subscription-product/update-status": "subscriptionProducts.updateStatus",
    "subscription-product/publish-product": "subscriptionProducts.publish",
    "onetime-product/create-product": "onetimeProducts.create",
    "onetime-product/update-status": "onetimeProducts.updateStatus",
    "onetime-product/publish-product": "onetimeProducts.publish",
    "subscription-product-group/create-group": "subscriptionProductGroups.create",
    "subscription-product-group/update-group": "subscriptionProductGroups.update",
    "subscription-product-group/publish-group": "subscriptionProductGroups.publish",
    "store/add-webhook": "webhooks.add",
    "store/update-webhook": "webhooks.update",
}
"""Every action that the command asks of Waffo, and the SDK's method for it."""

Call = tuple[str, dict[str, Any], dict[str, Any]]


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[list[Call]]:
    """What the command sent and was answered, action by action: products made, changed, published, connected."""
    world = FakeWorld()
    with simulated_waffo(world, tmp_path, products=()) as waffo:
        made: list[Call] = []
        [answer] = world.others

        def recording(request: httpx.Request) -> httpx.Response | None:
            response = answer(request)
            if response is not None and "/v1/actions/" in request.url.path:
                name = request.url.path.removeprefix("/v1/actions/")
                made.append((name, json.loads(request.content), response.json()))
            return response

        world.others[:] = [recording]
        _history(world, waffo, tmp_path)
        yield made


def _history(world: FakeWorld, waffo: SimulatedWaffo, folder: Path) -> None:
    catalog = folder / "catalog.toml"
    catalog.write_text(CATALOG)
    profile = replace(waffo.profile, catalog_path=str(catalog))

    def command(*arguments: str) -> None:
        ran = run(world, *arguments, folder=folder, profile=profile)
        assert ran.status == 0, ran.err

    command("catalog", "push")
    catalog.write_text(
        catalog.read_text()
        .replace('"29.00"', '"35.00"')
        .replace('billing_period = "yearly"', 'billing_period = "monthly"')
    )
    for product in list(waffo.simulator.state.products.values()):
        waffo.simulator.state.products[product.id] = replace(product, status="inactive")
    next(iter(waffo.simulator.state.groups.values())).rules["selfServicePlanChange"] = False
    command("catalog", "push", "--yes", "--publish")
    url = "https://api.example.com/webhooks/waffo"
    command("connect", "--webhook-url", url)
    for webhook in waffo.simulator.state.webhooks.values():
        webhook.events = webhook.events[:3]
    command("connect", "--webhook-url", url)


def test_issue_14_8_the_official_sdk_sends_the_same_paths_and_bodies(calls: list[Call]) -> None:
    # Given every action that the command knows
    assert {name for name, _, _ in calls} == METHODS.keys()
    # When
    captured = run_node(
        "verify_request_sdk_capture.mjs",
        {
            "merchantId": MERCHANT_ID,
            "privateKey": MERCHANT_PRIVATE_PEM,
            "session": None,
            "calls": [(METHODS[name], body) for name, body, _ in calls],
        },
    )
    # Then
    for (name, body, _), entry in zip(calls, captured, strict=True):
        [request] = entry["requests"]
        assert request["path"] == f"/v1/actions/{name}"
        assert json.loads(base64.b64decode(request["body"])) == body, name


def test_issue_14_8_the_sdk_makes_the_same_store_with_the_same_calls(calls: list[Call]) -> None:
    # Given another store that is empty, of the same seed: it gives the same ids
    with simulator(products=(), store_id=STORE_ID) as other:
        # When
        answers = other.sdk(*((METHODS[name], body) for name, body, _ in calls))
    # Then the SDK takes every answer of the simulator's, and reads in it what the command read
    for (name, _, ours), theirs in zip(calls, answers, strict=True):
        assert "error" not in theirs, (name, theirs)
        [(kind, made)] = theirs["result"].items()
        [read] = ours["data"].values()
        same = [
            key
            for key in made
            if key in {"name", "prices", "billingPeriod", "metadata", "status", "rules", "events", "url"}
        ]
        assert {key: made[key] for key in same} == {key: read[key] for key in same}, (name, kind)
