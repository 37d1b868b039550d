"""The local stack, over real HTTP: started once for all tests, or the one that PANCAKE_METER_STACK names.

PANCAKE_METER_STACK holds the JSON of a running stack's ``ready`` line.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support import fake_litellm
from tests.support.chromium import chromium
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SHOP = "https://app.example.com/billing"
"""Where customers are sent after paying: an address that the catalog allows."""

STOP_SECONDS_MAX = 180.0
"""Long for a slow disk: what the workers unpacked is removed."""

CONFIGURATION = (
    "AWS_",
    "BROWSER_",
    "BODY_",
    "CATALOG_",
    "CHECKOUT_",
    "CUSTOMER_",
    "LITELLM_",
    "OPENMETER_",
    "POWERTOOLS_",
    "PSEUDONYM_",
    "PURCHASE_",
    "TABLE_",
    "WAFFO_",
)
"""Variables that configure a stack: other tests set them, and this one has to start as a new user's would."""


@dataclass(frozen=True)
class Stack:
    """A running stack: the API as the seller's backend sees it, and Waffo's side.

    ``meter_key`` is all that a client which only meters has: it may do nothing else.
    """

    ready: dict[str, Any]
    api: httpx.Client
    waffo: httpx.Client
    meter_key: str

    def simulate(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask something of the Waffo simulator; the answer's JSON."""
        response = self.waffo.post(f"/_sim/{path}", json=body or {})
        assert response.is_success, response.text
        return response.json()

    def quota(self, customer_id: str, meter: str = "tokens") -> dict[str, Any]:
        """One meter's quota."""
        response = self.api.get(f"/v1/customers/{customer_id}/quota/{meter}")
        assert response.status_code == httpx.codes.OK, response.text
        quota: dict[str, Any] = response.json()
        return quota

    def ledger(self, customer_id: str, meter: str = "tokens") -> list[dict[str, Any]]:
        """The whole ledger, newest first, page by page."""
        entries: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(100):
            params = {"meter": meter, "limit": "5", **({"cursor": cursor} if cursor else {})}
            page = self.api.get(f"/v1/customers/{customer_id}/ledger", params=params).raise_for_status().json()
            entries += page["entries"]
            cursor = page["next_cursor"]
            if cursor is None:
                return entries
        raise AssertionError("the ledger did not end")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    given = os.environ.get("PANCAKE_METER_STACK")
    if given:
        with _clients(json.loads(given)) as clients:
            yield clients
        return
    catalog = tmp_path_factory.mktemp("catalog") / "catalog.toml"
    catalog.write_text(_trusting_end_users())
    with started_stack(tmp_path_factory.mktemp("stack"), CATALOG_PATH=str(catalog)) as started:
        yield started


def _trusting_end_users() -> str:
    """The default catalog of a seller who is the proxy's only caller: calls of tests name theirs as ``user``."""
    text = (ROOT / "layers" / "catalog" / "catalog.toml").read_text()
    trusted = text.replace('"team_id"] #', '"team_id", "end_user"] #')
    assert trusted != text
    return trusted


@contextmanager
def started_stack(state: Path, **variables: str) -> Iterator[Stack]:
    """Start a stack of one's own, which keeps its state in ``state``; ``variables`` configure it further."""
    with fresh_stack(state, **variables) as ready, _clients(ready) as clients:
        yield clients


@contextmanager
def fresh_stack(state: Path, **variables: str) -> Iterator[dict[str, Any]]:
    """Start a stack as ``started_stack``; yield what its ready line says. Nothing has been asked of it yet."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(CONFIGURATION)},
        "PORT": str(free_port()),
        "LOCAL_STATE_DIR": str(state),
        "PYTHONUNBUFFERED": "1",
        # Each request at once takes a worker of its own, and each worker a second of processor time to start.
        "IN_FLIGHT_MAX": "8",
        "CHECKOUT_SUCCESS_URL": SHOP,
        "LITELLM_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "LITELLM_API_KEY": fake_litellm.KEY,
        **variables,
    }
    command = [sys.executable, "-m", "local"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next((line for line in process.stdout if line.startswith("ready ")), None)
            assert line is not None, f"the stack ended with status {process.wait()}"
            yield json.loads(line.removeprefix("ready "))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=STOP_SECONDS_MAX)


@pytest.fixture(autouse=True)
def _clock_put_right(request: pytest.FixtureRequest) -> Iterator[None]:
    """Put the stack's clock right after each test: one that has moved it must not move it for the next."""
    yield
    started = request.getfixturevalue("stack") if "stack" in request.fixturenames else None
    if isinstance(started, Stack):
        started.simulate("clock", {"now": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})


@pytest.fixture(scope="session", name="chromium")
def _chromium() -> str:
    """Path of a Chromium."""
    return chromium()


@pytest.fixture
def customer_id() -> str:
    """A customer of one's own for each test."""
    return f"acct-{uuid4().hex[:12]}"


@contextmanager
def _clients(ready: dict[str, Any]) -> Iterator[Stack]:
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    limits = httpx.Limits(max_connections=40)
    # Workers start cold: the first requests of a burst wait for Python to come up.
    with (
        httpx.Client(base_url=ready["api_url"], headers=headers, timeout=60, limits=limits) as api,
        httpx.Client(base_url=ready["waffo_url"], timeout=60) as waffo,
    ):
        made = api.post("/v1/keys", json={"name": "meter of the tests", "roles": ["meter"]}).raise_for_status()
        yield Stack(ready, api, waffo, made.json()["key"])
