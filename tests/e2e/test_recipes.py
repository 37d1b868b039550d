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
    # Tokens are of the default plan; agents are run by one who has paid for them.
    runner = f"{customer_id}-runs"
    stack.simulate("subscriptions", {"product": "Agent", "buyer_identity": runner})
    stack.simulate("flush")
    for block in commands:
        who = runner if "agent_runs" in block else customer_id
        command = block.replace("acct_1001", who).replace("curl ", "curl --fail -sS ")
        key = stack.ready["api_key"] if '"scopes"' in command else stack.meter_key
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env={"PATH": os.environ["PATH"], "API": stack.ready["api_url"], "KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert stack.quota(runner, "agent_runs")["used"] == 1
