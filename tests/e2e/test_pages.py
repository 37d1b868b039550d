"""Issue 16: every page at 360 and 1,280 pixels, light and dark, in both languages, and without JavaScript."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Stack
from tests.e2e.pages_list import CUSTOMERS, pages_of
from tests.support.node import run_node

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]

CHECKS = Path(__file__).parent / "browser" / "page_checks.mjs"
CHECKS_SECONDS_MAX = 900.0
DEMO_SECONDS_MAX = 300.0
BYTES_MAX = 150_000


@pytest.fixture(scope="module")
def demo_stack(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack, once the first customers have lived through the demo month."""
    journal = tmp_path_factory.mktemp("demo") / "demo.json"
    command = [sys.executable, "-m", "local.demo", "--customers", str(CUSTOMERS), "--journal", str(journal)]
    for _ in range(2):  # A second run changes nothing
        subprocess.run(
            [*command, "--ready", json.dumps(stack.ready)],
            cwd=ROOT,
            env={**os.environ},
            check=True,
            timeout=DEMO_SECONDS_MAX,
        )
    return stack


def test_the_demo_month_leaves_something_of_each_kind(demo_stack: Stack) -> None:
    get = demo_stack.api.get
    customers = {each["customer_id"]: each for each in get("/v1/customers").raise_for_status().json()["customers"]}
    assert customers["north-robotics"]["plans"] == ["pro"]
    assert customers["atlas-freight"]["past_due"] is True
    verdicts = {each["verdict"] for each in get("/v1/deliveries").raise_for_status().json()["deliveries"]}
    assert {"applied", "parked", "failed"} <= verdicts
    flagged = get("/v1/payments", params={"status": "flagged"}).raise_for_status().json()["payments"]
    assert "harbor-legal" in {each["customer_id"] for each in flagged}
    assert len(get("/v1/usage/parked").raise_for_status().json()["parked"]) >= 2
    owed = get("/v1/customers/vista-health").raise_for_status().json()["owed"]
    assert [each["meter"] for each in owed] == ["tokens"]


def test_issue_16_no_page_has_a_fault_in_any_size_scheme_or_language(demo_stack: Stack, chromium: str) -> None:
    pages = pages_of(demo_stack.ready)
    asked = {"chromium": chromium, "bytes_max": BYTES_MAX, "pages": pages}
    seen = run_node(CHECKS, asked, CHECKS_SECONDS_MAX)
    # Every page was opened in every way.
    assert seen["bytes"].keys() == {page["name"] for page in pages}
    told = [f"{fault['page']} ({fault['variant']}): {fault['fault']}" for fault in seen["faults"]]
    assert not told, "\n".join(told)
