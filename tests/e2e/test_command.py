"""``pancake-meter`` on the local stack: from the ready line to a day's work, by the command alone. Issue 14, point 7."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Stack
from tests.support.cli_here import run_here

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

Command = Callable[..., Any]


@pytest.fixture
def command(stack: Stack, tmp_path: Path) -> Command:
    """Run the command, logged in to the stack; return its JSON."""

    def run(*arguments: str, status: int = 0) -> Any:
        done = run_here(*arguments, folder=tmp_path, environ={})
        assert done.status == status, (arguments, done)
        return done.answer

    run("login", "--ready", f"ready {json.dumps(stack.ready)}")
    return run


def test_issue_14_7_a_day_by_the_command_alone(command: Command, customer_id: str) -> None:
    # Waffo reaches the stack, and the first subscription is sold.
    assert command("connect")["done"] == "nothing"
    sold = command("trigger", "subscription.activated", "--customer", customer_id, "--product", "Starter")
    assert {each["verdict"] for each in sold["deliveries"]} == {"applied"}
    quota = command("customers", "quota", customer_id)["quotas"]
    assert {each["plan"] for each in quota if each["meter"] == "tokens"} == {"starter"}

    # Webhooks that come twice and in another order change nothing twice.
    order = command("trigger", "subscription.renewed", "--customer", customer_id, "--duplicate", "1", "--shuffle")
    assert {each["status"] for each in order["deliveries"]} == {"success"}
    command("grants", "add", customer_id, "tokens", "50", "--id", "welcome", "--reason", "hello")
    assert command("ledger", customer_id, "tokens")["entries"][0]["cause"] == "given"
    assert "healed" in command("reconcile")

    # What Waffo has and what the catalog says are the same.
    assert command("catalog", "push")["group_id"], "the store gets its group of plans"
    assert command("catalog", "diff")["differences"] == []

    # The doctor finds no fault in key, clock, webhook, products and secrets.
    for check in ("key", "clock", "webhook", "webhooks_arrive", "products", "enforcement", "secrets", "queues"):
        found = command("doctor", "--only", check)
        assert found["counts"]["fault"] == 0, found
    assert command("deliveries", "show", "0" * 64, status=1)["code"] == "delivery_not_found"
