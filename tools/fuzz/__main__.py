"""Runs schemathesis against a stack: one that it starts, or a running one.

Usage: ``python -m tools.fuzz [--api '<JSON of a ready line>'] [--examples 20] [--seconds 900] [--operations name,name]``.
The seed is fixed. The exit status is that of schemathesis.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from local.ports import free_port
from tools.cfn_template import ROOT

_SEED: Final = 13
_HERE: Final = Path(__file__).parent


def main() -> int:
    """Seed the stack, and run."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("--api", help="JSON with api_url and api_key of a running stack")
    parser.add_argument("--examples", type=int, default=20, help="at most so many of each operation and phase")
    parser.add_argument("--seconds", type=int, default=900, help="at most so long")
    parser.add_argument("--phases", default="examples,coverage,fuzzing")
    parser.add_argument("--operations", default="", help="only these operation ids")
    parser.add_argument("--without", default="", help="all but these operation ids")
    given = parser.parse_args()
    with _stack(given.api) as ready:
        return _run(ready, _seeded(ready), given)


def _run(ready: dict[str, Any], ids: dict[str, list[str]], given: argparse.Namespace) -> int:
    only = [f"--include-operation-id={name}" for name in given.operations.split(",") if name]
    only += [f"--exclude-operation-id={name}" for name in given.without.split(",") if name]
    command = [
        str(ROOT / ".venv-schemathesis" / "bin" / "schemathesis"),
        *("--config-file", str(_HERE / "schemathesis.toml"), "run", str(ROOT / "docs" / "openapi.json")),
        *("--url", ready["api_url"], "--header", f"Authorization: Bearer {ready['api_key']}"),
        *("--phases", given.phases, "--max-examples", str(given.examples), "--seed", str(_SEED)),
        *("--max-time", str(given.seconds), "--max-redirects", "0", "--request-timeout", "60", "--no-shrink"),
        *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
        *only,
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tools.fuzz.hooks", "FUZZ_IDS": json.dumps(ids), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **hooks}, check=False).returncode


def _seeded(ready: dict[str, Any]) -> dict[str, list[str]]:
    """Make customers, a hold, a checkout and a key; return the ids that paths may name."""
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    with httpx.Client(base_url=ready["api_url"], headers=headers, timeout=60) as api:
        customers = [f"fuzz-{uuid4().hex[:8]}" for _ in range(2)]
        holds, checkouts = [], []
        for customer in customers:
            order = {"meter": "tokens", "quantity": 1, "id": "call-1"}
            holds.append(_made(api, f"/v1/customers/{customer}/holds", order)["hold_id"])
            wanted = {"meter": "tokens", "quantity": 100_000}
            checkouts.append(_made(api, f"/v1/customers/{customer}/checkouts", wanted)["checkout_id"])
        key = _made(api, "/v1/keys", {"name": "fuzz", "roles": ["report"]})["key_id"]
        found = api.get("/v1/deliveries", params={"verdict": "parked"}).raise_for_status().json()["deliveries"]
        parked = api.get("/v1/usage/parked").raise_for_status().json()["parked"]
    return {
        "customer_id": customers,
        "meter": ["tokens", "requests", "agent_runs"],
        "hold_id": holds,
        "checkout_id": checkouts,
        "key_id": [key],
        "delivery_id": [each["delivery_id"] for each in found],
        "parked_id": [each["id"] for each in parked],
    }


def _made(api: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = api.post(path, json=body).raise_for_status().json()
    return made


@contextmanager
def _stack(api: str | None) -> Iterator[dict[str, Any]]:
    if api:
        yield json.loads(api)
        return
    with tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, "PORT": str(free_port(8000)), "LOCAL_STATE_DIR": state, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "local"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                lines = process.stdout or ()
                line = next((line for line in lines if line.startswith("ready ")), None)
                if line is None:
                    raise RuntimeError("the local stack did not start")
                yield json.loads(line.removeprefix("ready "))
            finally:
                process.terminate()
                process.wait(timeout=180)


if __name__ == "__main__":
    sys.exit(main())
