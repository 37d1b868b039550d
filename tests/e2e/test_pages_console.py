"""Issue 16, point 3: an operator at the console, in headless Chromium."""

import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack
from tests.support.node import run_node

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CONSOLE = Path(__file__).parent / "browser" / "console.mjs"
SECONDS_MAX = 150.0


def test_an_operator_finds_a_customer_grants_units_sees_them_in_the_ledger_and_replays_a_parked_delivery(
    stack: Stack, customer_id: str, chromium: str
) -> None:
    # Given a customer who is listed, and a delivery that names nobody
    stack.simulate("subscriptions", {"product": "Starter", "buyer_identity": customer_id})
    stack.simulate("subscriptions", {"product": "Starter"})
    stack.simulate("flush")
    deadline = time.monotonic() + 60
    while not stack.api.get("/v1/customers", params={"prefix": customer_id}).raise_for_status().json()["customers"]:
        assert time.monotonic() < deadline, "the directory does not list the customer"
        time.sleep(0.5)

    # When
    asked = {
        "chromium": chromium,
        "api": stack.ready["api_url"],
        "key": stack.ready["api_key"],
        "customer": customer_id,
    }
    seen = run_node(CONSOLE, asked, SECONDS_MAX)

    # Then the grant is in the ledger, under the name of the key that signed in
    first = seen["ledger"].split("given by hand")[1]
    assert "granted 750" in first
    assert "local" in first
    entries = stack.api.get(f"/v1/customers/{customer_id}/ledger", params={"meter": "tokens"}).json()["entries"]
    assert (entries[0]["cause"], entries[0]["by"]) == ("given", "local")

    # And the delivery says why it waits, and what trying it again came to
    assert "Nobody knows whose it is" in seen["delivery"]
    assert seen["replayed"] == "It is still parked."
    assert seen["refused"] == []
