"""Issue 16, point 2: a customer in the portal, in headless Chromium, with scripts and without."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Stack
from tests.support.node import run_node

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECONDS_MAX = 150.0
PORTAL = Path(__file__).parent / "browser" / "portal.mjs"


def enter(stack: Stack, customer_id: str, *scopes: str) -> str:
    asked = {"scopes": list(scopes), "lifetime_seconds": 3600}
    made = stack.api.post(f"/v1/customers/{customer_id}/tokens", json=asked).raise_for_status()
    return f"{stack.ready['api_url']}/portal/enter/{made.json()['token']}"


@pytest.mark.parametrize("script", [True, False], ids=["with scripts", "without"])
def test_a_customer_looks_limits_cancels_and_takes_it_back(
    stack: Stack, customer_id: str, chromium: str, script: bool
) -> None:
    # Given a customer of Pro who has used a quarter
    order_id = stack.simulate("subscriptions", {"product": "Pro", "buyer_identity": customer_id})["id"]
    stack.simulate("flush")
    usage = {"events": [{"customer_id": customer_id, "meter": "tokens", "quantity": 250_000, "id": "1"}]}
    stack.api.post("/v1/usage", json=usage).raise_for_status()

    # When
    link = enter(stack, customer_id, "read", "buy")
    seen = run_node(PORTAL, {"chromium": chromium, "enter": link, "script": script}, SECONDS_MAX)

    # Then nothing is wrong with a page, and the token is not in the address
    assert seen["faults"] == []
    assert seen["address"] == f"{stack.ready['api_url']}/portal"
    steps = seen["steps"]
    assert "750,000" in steps["home"]
    assert "250,000 used · 25%" in steps["home"]
    if script:
        assert seen["progress"] == [250_000, 1_000_000]
        assert seen["charts"] == 1
    assert seen["rows"] >= 1

    # And each step says what it did
    assert "Please write a number" in steps["fault"]
    assert "Your limit is set" in steps["limit"]
    assert "$20.00 a period" in steps["limit"]
    assert "Cancel Pro?" in steps["confirm"]
    assert "being cancelled" in steps["cancelled"]
    assert "Pro ends on" in steps["ending"]
    assert "ends on" not in steps["kept"]
    assert "You are signed out" in steps["left"]
    assert seen["after"] == httpx.codes.UNAUTHORIZED

    # And it is so
    limits = stack.api.get(f"/v1/customers/{customer_id}/limits", params={"meter": "tokens"}).json()["limits"]
    assert limits[0]["spend_cap"]["amount"] == "20.00"
    orders = stack.waffo.get("/_sim/state").json()["orders"]
    assert [each["status"] for each in orders if each["id"] == order_id] == ["active"]
    assert seen["buy"].startswith(f"{stack.ready['api_url']}/buy/")


def test_a_token_that_only_reads_changes_nothing_and_one_of_another_customer_shows_nothing(
    stack: Stack, customer_id: str
) -> None:
    order_id = stack.simulate("subscriptions", {"product": "Pro", "buyer_identity": customer_id})["id"]
    stack.simulate("flush")
    with httpx.Client(base_url=stack.ready["api_url"], follow_redirects=True, timeout=60) as browser:
        home = browser.get(enter(stack, customer_id, "read"))
        assert home.status_code == httpx.codes.OK
        assert "/buy/" not in home.text
        cancel = f"/portal/subscriptions/{order_id}/cancel"
        assert browser.get(cancel).status_code == httpx.codes.FORBIDDEN
        assert browser.post(cancel, data={"form": "x"}).status_code == httpx.codes.FORBIDDEN
    with httpx.Client(base_url=stack.ready["api_url"], follow_redirects=True, timeout=60) as browser:
        browser.get(enter(stack, f"{customer_id}-other", "read", "buy"))
        assert browser.get(cancel).status_code == httpx.codes.NOT_FOUND
        assert order_id not in browser.get("/portal").text
