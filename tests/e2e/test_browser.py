"""A refusal sells: what the customer of a seller sees in a browser, from the link in the refusal to the next call."""

import time
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.e2e.conftest import SHOP, Stack
from tests.support.node import run_node

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

BUY = Path(__file__).parent / "browser" / "buy.mjs"


def test_promise_9_the_link_of_a_refusal_leads_to_a_payment_and_the_next_hold_succeeds_within_a_second(
    stack: Stack, customer_id: str, chromium: str
) -> None:
    # Given a customer of the free plan who is refused
    stack.quota(customer_id)
    wanted = {"meter": "tokens", "quantity": 20_000, "id": "call-1"}
    holds = f"/v1/customers/{customer_id}/holds"
    refused = stack.api.post(holds, json=wanted)
    assert refused.status_code == HTTPStatus.PAYMENT_REQUIRED

    # When they click the link, and pay on the page that it leads to
    link = refused.json()["purchase_url"]
    seen = run_node(BUY, {"chromium": chromium, "link": link, "shop": SHOP, "email": "buyer@example.com"})
    assert seen["payment_page"].startswith(stack.ready["waffo_url"])
    assert "4.00" in seen["payment_text"]

    # Then they are back in the shop
    assert (seen["back_at"], seen["back_text"]) == (SHOP, "Welcome back")

    # And the same hold succeeds within a second
    deadline = time.monotonic() + 1
    while (placed := stack.api.post(holds, json=wanted)).status_code != HTTPStatus.CREATED:
        assert time.monotonic() < deadline, placed.text
        time.sleep(0.05)
