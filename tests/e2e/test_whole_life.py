"""A customer's whole life over real HTTP: subscribe, spend, be refused with a link, pay, spend again, renew."""

import html
import re
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import urldefrag

import httpx
import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

MONTH_SECONDS = 31 * 24 * 3600


def hold(stack: Stack, customer_id: str, quantity: int, hold_id: str) -> httpx.Response:
    body = {"meter": "tokens", "quantity": quantity, "id": hold_id}
    return stack.api.post(f"/v1/customers/{customer_id}/holds", json=body)


def settle(stack: Stack, customer_id: str, placed: httpx.Response, quantity: int) -> None:
    assert placed.status_code == HTTPStatus.CREATED, placed.text
    path = f"/v1/customers/{customer_id}/holds/{placed.json()['hold_id']}/settle"
    assert stack.api.post(path, json={"quantity": quantity}).json()["hold"] == "settled"


def click_and_pay(purchase_url: str) -> httpx.Response:
    """Do what a browser does: open the link, press its button, and pay on the page that it leads to."""
    with httpx.Client(timeout=30) as browser:
        page = browser.get(purchase_url)
        assert page.status_code == HTTPStatus.OK, page.text
        seen = re.search(r'name="seen" value="([^"]+)"', page.text)
        assert seen is not None
        link = browser.post(purchase_url, data={"seen": html.unescape(seen[1])})
    assert link.status_code == HTTPStatus.SEE_OTHER, link.text
    return pay_page(link.headers["location"])


def pay_page(url: str) -> httpx.Response:
    """Read the token from the page's fragment, and press its button."""
    page_url, fragment = urldefrag(url)
    with httpx.Client(timeout=30) as browser:
        page = browser.get(page_url)
        assert page.status_code == HTTPStatus.OK
        assert "<form" in page.text
        return browser.post(page_url, data={"token": fragment.removeprefix("token=")})


def total(entries: list[dict[str, Any]], kind: str) -> Decimal:
    movements = (movement for entry in entries for movement in entry["movements"])
    return sum((Decimal(movement["quantity"]) for movement in movements if movement["kind"] == kind), Decimal(0))


def test_subscribe_spend_be_refused_pay_spend_again_renew(stack: Stack, customer_id: str) -> None:
    # Given a customer who activates `starter` by a signed webhook
    subscription = {"product": "Starter", "buyer_identity": customer_id}
    order_id = stack.simulate("subscriptions", subscription)["id"]
    stack.simulate("flush")
    quota = stack.quota(customer_id)
    assert (quota["plan"], quota["available"]) == ("starter", 100_000)

    # When they spend to 80 %, the answers begin to sell
    settle(stack, customer_id, hold(stack, customer_id, 79_999, "call-1"), 79_999)
    assert "purchase_url" not in stack.quota(customer_id)
    event = {"id": "call-2", "customer_id": customer_id, "meter": "tokens", "quantity": 1}
    assert stack.api.post("/v1/usage", json={"events": [event]}).json()["counted"] == 1
    assert stack.quota(customer_id)["alert"] == 0.8
    assert "/buy/" in stack.quota(customer_id)["purchase_url"]

    # And at 100 % a hold is refused, with all there is to say
    settle(stack, customer_id, hold(stack, customer_id, 20_000, "call-3"), 20_000)
    refused = hold(stack, customer_id, 1, "call-4")
    assert refused.status_code == HTTPStatus.PAYMENT_REQUIRED
    problem = refused.json()
    assert (problem["code"], problem["quota"]["used"], problem["quota"]["available"]) == ("quota_exhausted", 100_000, 0)
    assert problem["resets_at"] == quota["period"]["end"]

    # When the link is clicked and the page paid
    paid = click_and_pay(problem["purchase_url"])
    assert paid.status_code in {HTTPStatus.OK, HTTPStatus.SEE_OTHER}, paid.text
    stack.simulate("flush")

    # Then the next hold succeeds
    settle(stack, customer_id, hold(stack, customer_id, 1, "call-4"), 1)
    checkouts = stack.api.get(f"/v1/customers/{customer_id}/checkouts").json()["checkouts"]
    assert [(checkout["kind"], checkout["status"], checkout["amount"]) for checkout in checkouts] == [
        ("top_up", "paid", "3.00")
    ]
    assert stack.quota(customer_id)["available"] == 99_999

    # When the clock moves past the period's end and every webhook comes three times, out of order
    stack.simulate("faults", {"duplicate": 2, "shuffle": True, "seed": 7})
    stack.simulate("clock", {"advance_seconds": MONTH_SECONDS})
    stack.simulate("flush")
    stack.simulate("faults", {})

    # Then exactly one reset has happened, and what was bought is still there
    renewed = stack.quota(customer_id)
    assert (renewed["used"], renewed["available"], renewed["plan"]) == (0, 199_999, "starter")
    assert renewed["period"]["start"] == quota["period"]["end"]
    entries = stack.ledger(customer_id)
    resets = [entry for entry in entries if entry["cause"] == "subscription.renewed"]
    assert [entry["reference"] for entry in resets] == [order_id]

    # And the ledger and the period summary add up
    assert [entry["segment"] for entry in entries] == list(range(len(entries), 0, -1))
    remaining = Decimal(renewed["available"])
    assert total(entries, "granted") == total(entries, "used") + total(entries, "expired") + remaining
    assert total(entries, "used") == 100_001
    report = stack.api.get(f"/v1/customers/{customer_id}/usage", params={"meter": "tokens"}).json()["periods"]
    assert [(period["open"], period["used"], period["overage"]) for period in report] == [
        (True, 0, 0),
        (False, 100_001, 0),
    ]
    assert sum(report[1]["days"].values()) == 100_001
