"""The commands of docs/recipes.md work as they stand there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


def test_every_command_of_the_recipes_works(stack: Stack, customer_id: str) -> None:
    recipes = (ROOT / "docs" / "recipes.md").read_text()
    commands = re.findall(r"```sh\n(.*?)```", recipes, re.DOTALL)
    assert len(commands) >= 5
    # A customer who may run agents, and uses tokens of the default plan.
    stack.simulate("subscriptions", {"product": "Agent", "buyer_identity": customer_id})
    stack.simulate("flush")
    environment = {"PATH": os.environ["PATH"], "API": stack.ready["api_url"], "KEY": stack.meter_key}
    for block in commands:
        command = block.replace("acct_1001", customer_id).replace("curl ", "curl --fail -sS ")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env={**environment, "KEY": stack.ready["api_key"] if '"scopes"' in command else environment["KEY"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert stack.quota(customer_id, "agent_runs")["used"] == 1
