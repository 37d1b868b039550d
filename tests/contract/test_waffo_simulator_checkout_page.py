"""The hosted checkout page, as a browser's requests see it."""

import re
from typing import Any

import httpx
import pytest

from tests.support.waffo_simulator import PRO, SCALE, USAGE, RunningSimulator

DONE = "https://app.example.com/done?from=checkout"


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    return running


def open_checkout(sim: RunningSimulator, **fields: Any) -> tuple[str, str]:
    """URL and token of a checkout of acct_1001."""
    params = {"productId": PRO, "currency": "USD", "buyerIdentity": "acct_1001", "successUrl": DONE, **fields}
    [made] = sim.sdk(("checkout.authenticated.create", params))
    url, _, token = made["result"]["checkoutUrl"].partition("#token=")
    return url, token


def orders(sim: RunningSimulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sim.http.get("/_sim/state").json()["orders"]
    return found


def heading(page: httpx.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found is not None
    return found.group(1)


def test_the_page_shows_what_is_bought_and_paying_redirects_to_the_shop(sim: RunningSimulator) -> None:
    # Given
    url, token = open_checkout(sim, buyerEmail='"><b>@example.com')
    # When
    page = sim.http.get(url)
    paid = sim.http.post(url, data={"token": token, "email": "buyer@example.com"})
    # Then
    assert (page.status_code, heading(page)) == (200, "Checkout")
    assert "Pro monthly" in page.text
    assert "Pay USD 29.00" in page.text
    assert "<b>@" not in page.text
    assert re.search(r'<label for="email">.*<input id="email"', page.text, re.DOTALL)
    assert (paid.status_code, paid.headers["location"]) == (303, DONE)
    [order] = orders(sim)
    assert (order["buyer_identity"], order["buyer_email"], order["status"]) == (
        "acct_1001",
        "buyer@example.com",
        "active",
    )


def test_without_a_return_address_the_page_says_thank_you(sim: RunningSimulator) -> None:
    # Given
    url, token = open_checkout(sim, successUrl=None)
    # When
    paid = sim.http.post(url, data={"token": token})
    # Then
    assert (paid.status_code, heading(paid)) == (200, "Thank you")


def test_an_http_return_address_fails_at_payment(sim: RunningSimulator) -> None:
    # Given
    url, token = open_checkout(sim, successUrl="http://app.example.com/done")
    # When
    paid = sim.http.post(url, data={"token": token})
    # Then
    assert (paid.status_code, heading(paid)) == (400, "The payment did not go through")
    assert orders(sim) == []


def test_a_paid_session_is_paid_again_only_when_asked(sim: RunningSimulator) -> None:
    # Given: scenario 74, the buyer presses Back
    url, token = open_checkout(
        sim, productId=USAGE, priceSnapshot={"amount": "18.00", "taxCategory": "saas"}, orderMerchantExternalId="ovg:1"
    )
    sim.http.post(url, data={"token": token})
    # When
    page, refused = sim.http.get(url), sim.http.post(url, data={"token": token})
    # Then
    assert (page.status_code, refused.status_code) == (200, 409)
    assert heading(page) == heading(refused) == "Already paid"
    # When
    again = sim.http.get(url, params={"again": "1"})
    paid = sim.http.post(url, data={"token": token, "again": "1"})
    # Then: two orders for one external id
    assert 'name="again" value="1"' in again.text
    assert paid.status_code == 303
    assert [order["external_id"] for order in orders(sim)] == ["ovg:1", "ovg:1"]


def test_what_cannot_be_paid_is_said_in_plain_words(sim: RunningSimulator) -> None:
    # Given
    url, token = open_checkout(sim)
    long_url, long_token = open_checkout(sim, expiresInSeconds=7200)
    # When
    unknown = sim.http.get("/store/local-store/checkout/cs_0000000000000000000000")
    forged = sim.http.post(url, data={"token": token[:-2] + "xx"})
    sim.sim("clock", advance_seconds=2700)
    expired, too_late = sim.http.get(url), sim.http.post(url, data={"token": token})
    stale = sim.http.post(long_url, data={"token": long_token})
    # Then
    pages = (unknown, forged, expired, too_late, stale)
    assert [page.status_code for page in pages] == [404, 401, 410, 401, 401]
    assert [heading(page) for page in pages] == [
        "Not found",
        "Please sign in again",
        "Checkout expired",
        "Please sign in again",
        "Please sign in again",
    ]
    assert orders(sim) == []


def test_a_rebuilt_checkout_loses_the_merchants_ids(sim: RunningSimulator) -> None:
    # Given: scenario 39
    url, token = open_checkout(sim, metadata={"plan": "pro"}, orderMerchantExternalId="sub:1")
    session_id = url.partition("?")[0].rpartition("/")[2]
    # When
    sim.sim(f"checkout/{session_id}/pay", token=token, rebuilt=True)
    # Then
    data = sim.events()[-1]["data"]
    assert data["merchantProvidedBuyerIdentity"] == "acct_1001"
    assert not {"orderMetadata", "orderMerchantExternalId"} & data.keys()


def test_an_upgrade_is_confirmed_on_its_page_and_a_downgrade_waits_for_the_next_period(sim: RunningSimulator) -> None:
    # Given
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")["id"]
    change = {"originOrderId": order, "productId": SCALE, "currency": "USD", "successUrl": DONE}
    [up] = sim.sdk(("checkout.createPlanChangeSession", {**change, "changeCreditAmount": "9.00"}))
    # When
    unmarked = sim.http.get(up["result"]["checkoutUrl"])
    page = sim.http.get(up["result"]["checkoutUrl"] + "?test=true")
    paid = sim.http.post(up["result"]["checkoutUrl"] + "?test=true", data={})
    # Then
    assert unmarked.status_code == 404
    assert (heading(page), "Confirm USD 99.00" in page.text, paid.status_code) == ("Change your plan", True, 303)
    new = orders(sim)[-1]
    assert (new["product_id"], new["buyer_identity"]) == (SCALE, "acct_1001")
    assert sim.events()[2]["data"]["chargedAmount"] == "90.00"
    # When
    [down] = sim.sdk(("checkout.createPlanChangeSession", {**change, "originOrderId": new["id"], "productId": PRO}))
    sim.http.post(down["result"]["checkoutUrl"] + "?test=true", data={})
    # Then
    assert sim.events()[-1]["eventType"] == "subscription.plan_change_scheduled"
    assert (orders(sim)[-1]["product_id"], orders(sim)[-1]["next_product_id"]) == (SCALE, PRO)
