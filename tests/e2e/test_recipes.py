"""The commands of the docs' pages work as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Stack
from tools.transcript import FOLDERS

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PAGES = ("access", "customers", "privacy", "recipes")
ELSEWHERE = ("tools.api_key",)
"""What a block needs that is not here: a stack in AWS."""
COMMAND_S_PAGE = (ROOT / "docs" / "cli.md").read_text()
LEFT_OUT = {
    "login": "its own test logs in",
    "--install-completion": "changes the shell's settings",
    "--signing-key": "needs a test stack that trusts the key",
    "refund.succeeded --order": "needs an order's id",
    "--publish": "publishes to production",
    "--fix": "repairs what other tests broke on purpose",
    "catalog push": "changes the store that other tests sell from; test_command.py pushes",
}


def blocks(page: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    return [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if not block.startswith("uvx")]


def run(command: str, environment: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(stack: Stack, customer_id: str, tmp_path: Path, page: str) -> None:
    commands = [block for block in blocks(page) if not any(word in block for word in ELSEWHERE)]
    assert commands
    # Tokens are of the default plan; agents are run, and overage is capped, by those who have paid for them.
    runner, pro = f"{customer_id}-runs", f"{customer_id}-pro"
    stack.simulate("subscriptions", {"product": "Agent", "buyer_identity": runner})
    stack.simulate("subscriptions", {"product": "Pro", "buyer_identity": pro})
    stack.simulate("flush")
    event = {"id": "job-1", "customer_id": customer_id, "meter": "tokens", "quantity": 1}
    stack.api.post("/v1/usage", json={"events": [event]}).raise_for_status()
    token = stack.api.post(f"/v1/customers/{pro}/tokens", json={"scopes": ["buy"]}).raise_for_status().json()["token"]
    for block in commands:
        who = runner if "agent_runs" in block else pro if "$TOKEN" in block else customer_id
        command = re.sub(r"\b(acct_1001|ada)\b", who, block).replace("curl ", "curl --fail -sS ")
        if "jq" in block and shutil.which("jq") is None:
            continue
        # A recipe needs the role meter and no other, except to make a token.
        key = stack.meter_key if page == "recipes" and '"scopes"' not in command else stack.ready["api_key"]
        done = run(command, {"API": stack.ready["api_url"], "KEY": key, "TOKEN": token}, tmp_path)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    if page == "recipes":
        assert stack.quota(runner, "agent_runs")["used"] == 1


def test_every_command_of_the_command_s_page_works(stack: Stack, customer_id: str, tmp_path: Path) -> None:
    program = tmp_path / "pancake-meter"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from pancake_meter_cli.main import main; main()" "$@"\n'
    )
    program.chmod(0o700)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "settings"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in FOLDERS),
    }
    login = run(f"pancake-meter login --ready '{json.dumps(stack.ready)}'", environment, ROOT)
    assert login.returncode == 0, login.stderr
    lines = [line for block in blocks("cli") for line in block.splitlines()]
    wanted = [line for line in lines if not any(word in line for word in LEFT_OUT)]
    assert len(wanted) >= 8
    for line in wanted:
        done = run(line.replace("acct_1001", customer_id), environment, ROOT)
        # A check that finds something ends with 1, and says so; nothing ends with a wrong use, or without an answer.
        found = 1 if "doctor" in line or "catalog diff" in line else 0
        assert done.returncode in {0, found}, (line, done.stdout, done.stderr)
        assert done.stdout, line
