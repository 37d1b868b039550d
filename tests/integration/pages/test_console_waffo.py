"""What an operator has Waffo do from the console, and says of payments, against the simulator (issue 16, point 3)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import Table
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner
from tests.integration.pages.test_console import HOME, Seller
from tests.support.waffo_simulator import MERCHANT_ID, PRO, USAGE, RunningSimulator, simulator
from tests.support.waffo_webhooks import platform_key
from tests.support.webhook_world import CUSTOMER

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AT = "2026-03-10T11:59:30Z"
PACK = 100_000


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with simulator() as started:
        yield started


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    running.sim("settings", refund_tickets="held", refund_payment_id=True)
    running.sim("clock", now=AT, stopped=True)
    return running


@pytest.fixture
def seller(dynamodb: "DynamoDBClient", table: str, sim: RunningSimulator) -> Iterator[Seller]:
    signer = RequestSigner(MERCHANT_ID, platform_key())
    with WaffoClient(signer, api_url=sim.url, retry=RetryPolicy(attempts_max=1)) as client:
        yield Seller(Table(dynamodb, table, sleep=lambda _: None), client)


class Webhooks:
    """The events that the simulator has told, which come one after the other."""

    def __init__(self, seller: Seller, sim: RunningSimulator) -> None:
        self.seller, self.sim, self.told = seller, sim, 0

    def arrive(self) -> None:
        events = self.sim.events()
        for event in events[self.told :]:
            self.seller.world.take(event)
        self.told = len(events)


def bought_pack(seller: Seller, sim: RunningSimulator, **metadata: Any) -> tuple[str, Webhooks]:
    """A customer who paid 3.00; the payment's id. With ``top_up_tokens`` it is a pack, without it fits nothing."""
    params = {
        "productId": USAGE,
        "currency": "USD",
        "priceSnapshot": {"amount": "3.00", "taxCategory": "saas"},
        "buyerIdentity": CUSTOMER,
        "metadata": {"kind": "usage"},
    }
    [made] = sim.sdk(("checkout.authenticated.create", params, {"idempotencyKey": "pack"}))
    sim.sim(f"checkout/{made['result']['sessionId']}/pay", buyer_identity=CUSTOMER, at=AT)
    (event,) = sim.events()
    event["data"]["productMetadata"] = metadata
    seller.world.take(event)
    webhooks = Webhooks(seller, sim)
    webhooks.told = 1
    return str(event["data"]["paymentId"]), webhooks


def test_a_refund_is_asked_for_once_and_takes_units_back_when_waffo_says_so(
    seller: Seller, sim: RunningSimulator
) -> None:
    payment_id, webhooks = bought_pack(seller, sim, top_up_tokens=str(PACK))
    before = seller.world.available()
    browser = seller.signed_in()
    form = browser.get(f"/console/payments/{payment_id}").form("/refund")
    page = browser.send(form, amount="1.50", reason="the wrong pack")
    browser.send(form, amount="1.50", reason="the wrong pack")
    (ticket,) = sim.http.get("/_sim/state").json()["refund_tickets"]
    assert ("the wrong pack" in page.text, "ada at the desk" in page.text) == (True, True)
    assert seller.world.available() == before

    sim.sim(f"refund-tickets/{ticket['id']}/finish")
    webhooks.arrive()

    assert seller.world.available() == before - PACK / 2
    assert "$1.50 refunded" in browser.get("/console/payments").text


@pytest.mark.parametrize("amount", ["3.01", "0", "-1", "1,50", "1e2", "\uff11"])
def test_what_is_no_refund_is_refused_and_waffo_hears_nothing(
    seller: Seller, sim: RunningSimulator, amount: str
) -> None:
    payment_id, _ = bought_pack(seller, sim, top_up_tokens=str(PACK))
    browser = seller.signed_in()
    page = browser.send(browser.get(f"/console/payments/{payment_id}").form("/refund"), amount=amount, reason="x")
    assert page.status in (409, 422)
    assert sim.http.get("/_sim/state").json()["refund_tickets"] == []


def test_a_flagged_payment_is_resolved_once_with_the_key_s_name(seller: Seller, sim: RunningSimulator) -> None:
    payment_id, _ = bought_pack(seller, sim)
    before = seller.world.available()
    browser = seller.signed_in()
    assert payment_id in browser.get("/console/payments?status=flagged").body
    page = browser.get(f"/console/payments/{payment_id}")
    units = next(each for each in page.forms if each.fields.get("as") == "units")
    done = browser.send(units, meter="tokens", quantity=str(PACK), reason="paid by hand")
    browser.send(units, meter="tokens", quantity=str(PACK), reason="paid by hand")
    assert seller.world.available() == before + PACK
    assert ("paid by hand" in done.text, "ada at the desk" in done.text) == (True, True)
    kept = read_payment(seller.table, payment_id)
    assert kept is not None
    assert kept.resolution is not None
    assert (kept.resolution.by, kept.resolution.reason) == ("ada at the desk", "paid by hand")
    assert payment_id not in browser.get("/console/payments?status=flagged").body


def test_a_subscription_is_cancelled_and_the_cancellation_taken_back(seller: Seller, sim: RunningSimulator) -> None:
    webhooks = Webhooks(seller, sim)
    sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER)
    webhooks.arrive()
    browser = seller.signed_in()
    page = browser.send(browser.get(HOME).form("/cancel"), reason="asked by phone")
    assert page.status == 200
    webhooks.arrive()
    page = browser.get(HOME)
    assert "canceling" in page.text
    assert browser.send(page.form("/reactivate")).status == 200
    webhooks.arrive()
    assert any(form.action.endswith("/cancel") for form in browser.get(HOME).forms)
