"""The walk-through of the docs is a script, and it works; so does the request in the README."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.mark.parametrize("typed", [True, False], ids=["after the two curls", "alone"])
def test_the_walkthrough_says_what_its_page_says(stack: Stack, customer_id: str, typed: bool) -> None:
    page = (ROOT / "docs" / "walkthrough.md").read_text().split("<!-- walkthrough -->")[1]
    environment = {
        "PATH": os.environ["PATH"],
        "API": stack.ready["api_url"],
        "WAFFO": stack.ready["waffo_url"],
        "KEY": stack.ready["api_key"],
    }
    # Given a new user who has typed the two requests above it, or has not
    curls = [line.strip() for line in page.splitlines() if line.startswith("    curl ")]
    assert len(curls) == 2
    for curl in curls if typed else []:
        command = ["bash", "-euo", "pipefail", "-c", f"{curl} --fail".replace("/ada/", f"/{customer_id}/")]
        subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)

    # When the script runs as they would run it
    script = [str(ROOT / "local" / "walkthrough.sh"), customer_id]
    walked = subprocess.run(script, env=environment, capture_output=True, text=True, check=True, timeout=240)

    # Then it prints what the page shows, line by line
    shown = page.split("```console\n")[1].split("```")[0].splitlines()
    # The stack of the tests has a success URL: who has paid is sent there, where a stack without one says thank you.
    shown = [line.replace("pay: 200", "pay: 303") for line in shown]
    said = [line for line in walked.stdout.replace(customer_id, "ada").splitlines() if line]
    assert [_masked(line) for line in said] == [_masked(line) for line in shown if line]


def test_issue_14_12_the_first_refusal_of_the_readme_has_a_link(stack: Stack, customer_id: str) -> None:
    readme = (ROOT / "README.md").read_text()
    (curl,) = (line for line in readme.splitlines() if line.startswith("curl "))
    shown = json.loads(readme.split("```json\n")[1].split("```")[0])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{curl} -sS".replace("/grace/", f"/{customer_id}/")],
        env={"PATH": os.environ["PATH"], "API": stack.ready["api_url"], "KEY": stack.meter_key},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    refusal = json.loads(done.stdout)
    assert {**refusal, **{name: shown[name] for name in ("status", "code", "reason")}} == refusal
    assert {**refusal["quota"], "plan": "free", "available": 10_000} == refusal["quota"]
    assert all("/buy/" in refusal[link] and "/buy/" in shown[link] for link in ("purchase_url", "upgrade_url"))


def _masked(line: str) -> str:
    """Leave out what differs from run to run: the signed link."""
    return line.partition(":")[0] if line.startswith("purchase_url") else line
