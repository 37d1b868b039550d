"""Issue 16, point 2: a customer cancels in the portal and takes it back, against the simulator."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.table import Table
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner
from tests.support.portal import BUY, READ, Browser, portal_deps
from tests.support.waffo_simulator import MERCHANT_ID, PRO, RunningSimulator
from tests.support.waffo_webhooks import platform_key
from tests.support.webhook_world import CUSTOMER, World, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
AT = "2026-03-10T15:14:30Z"


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    running.sim("clock", now=AT, stopped=True)
    return running


class Customer:
    """A customer of Pro in the portal, Waffo, and what its webhooks bring."""

    def __init__(self, world: World, sim: RunningSimulator, waffo: WaffoClient) -> None:
        self.world, self.sim = world, sim
        self.browser = Browser(portal_deps(world, NOW, waffo))
        self._told = 0
        self.order_id = str(sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER)["id"])
        self.told()
        self.browser.enter(BUY)

    def told(self) -> None:
        """Let the webhooks arrive."""
        events = self.sim.events()
        for event in events[self._told :]:
            self.world.take(event)
        self._told = len(events)

    @property
    def cancel(self) -> str:
        return f"/portal/subscriptions/{self.order_id}/cancel"

    @property
    def keep(self) -> str:
        return f"/portal/subscriptions/{self.order_id}/reactivate"

    @property
    def status(self) -> str:
        orders = self.sim.http.get("/_sim/state").json()["orders"]
        return str(next(order["status"] for order in orders if order["id"] == self.order_id))


@pytest.fixture
def customer(dynamodb: "DynamoDBClient", table: str, sim: RunningSimulator) -> Iterator[Customer]:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    world = World(ours, NOW, erasures=Erasures(ours, lambda: "a key of the tests"))
    signer = RequestSigner(MERCHANT_ID, platform_key())
    with WaffoClient(signer, api_url=sim.url, retry=RetryPolicy(attempts_max=1)) as client:
        yield Customer(world, sim, client)


def actions(customer: Customer) -> list[dict[str, object]]:
    items, _ = customer.world.table.query(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": f"CUSTOMER#{CUSTOMER}", ":prefix": "ORDER_ACTION#"},
        limit=10,
    )
    return [dict(item) for item in items]


def test_a_cancellation_asks_first_ends_with_the_period_and_can_be_taken_back(customer: Customer) -> None:
    browser = customer.browser
    # Looking changes nothing
    page = browser.get(customer.cancel)
    assert page.status == 200
    assert "Cancel Pro? Pro stays yours until Apr 10, 2026" in page.text
    assert (customer.status, actions(customer)) == ("active", [])
    # Pressing does
    done = browser.fill(customer.cancel, customer.cancel)
    assert (done.status, done.headers["Location"]) == (303, "/portal")
    assert "being cancelled" in browser.get("/portal").text
    # And says so once
    assert "being cancelled" not in browser.get("/portal").text
    assert "being cancelled" not in browser.get("/portal?done=cancel").text
    assert customer.status == "canceling"
    assert [(each["by"], each["status"]) for each in actions(customer)] == [("customer", "canceling")]
    # A second press before the webhook finds it done
    again = browser.fill(customer.cancel, customer.cancel)
    assert again.status == 303
    customer.told()
    home = browser.get("/portal")
    assert "Pro ends on Apr 10, 2026" in home.text
    assert customer.cancel not in home.html
    # And back
    kept = browser.fill(customer.keep, customer.keep)
    assert kept.headers["Location"] == "/portal"
    assert "being taken back" in browser.get("/portal").text
    assert customer.status == "active"
    customer.told()
    assert "ends on" not in browser.get("/portal").text.replace("Renews on", "")


def test_what_is_overdue_ends_at_once_and_the_page_says_so(customer: Customer) -> None:
    customer.sim.sim(f"orders/{customer.order_id}/past-due", period="unchanged")
    customer.told()
    page = customer.browser.get(customer.cancel)
    assert "it ends at once" in page.text
    assert customer.browser.fill(customer.cancel, customer.cancel).status == 303
    assert customer.status == "canceled"
    assert "is cancelled and has ended" in customer.browser.get("/portal").text
    customer.told()
    assert "You have no subscription" in customer.browser.get("/portal").text


@pytest.mark.parametrize("is_told", [True, False])
def test_a_cancellation_that_would_end_it_at_once_is_not_what_a_page_gone_stale_has_asked(
    customer: Customer, *, is_told: bool
) -> None:
    # Given a page that says that it stays until the end of the period
    browser = customer.browser
    form = browser.get(customer.cancel).form(customer.cancel)
    customer.sim.sim(f"orders/{customer.order_id}/past-due", period="unchanged")
    if is_told:
        customer.told()
    # When its button is pressed, whether or not the webhook has come
    page = browser.post(customer.cancel, form)
    # Then nothing is done
    assert (page.status, customer.status, actions(customer)) == (409, "past_due", [])
    assert "Nothing was done" in page.text
    # And the page asks again, by what holds now
    if is_told:
        assert "it ends at once" in page.text
        assert browser.post(customer.cancel, page.form(customer.cancel)).status == 303
        assert customer.status == "canceled"


def test_a_form_that_does_not_say_what_it_has_shown_asks_again(customer: Customer) -> None:
    mark = customer.browser.get("/portal").form("/portal/leave")
    page = customer.browser.post(customer.cancel, mark)
    assert (page.status, customer.status) == (409, "active")
    assert customer.browser.post(customer.cancel, page.form(customer.cancel)).status == 303


def test_what_does_not_fit_the_order_is_told_and_not_done(customer: Customer) -> None:
    browser = customer.browser
    mark = browser.get("/portal").form("/portal/leave")
    # There is no cancellation to take back, and no such action or order.
    assert browser.get(customer.keep).status == 409
    assert browser.post(customer.keep, mark).status == 409
    for path in (
        f"/portal/subscriptions/{customer.order_id}/refund",
        "/portal/subscriptions/ORD_9zZ9zZ9zZ9zZ9zZ9zZ9zZ9/cancel",
        "/portal/subscriptions/nonsense/cancel",
    ):
        assert browser.get(path).status == 404
        assert browser.post(path, mark).status == 404
    assert customer.status == "active"


def test_nobody_else_cancels_it(customer: Customer) -> None:
    other = Browser(customer.browser.deps)
    other.enter(BUY, customer_id="acct_2002")
    assert other.get(customer.cancel).status == 404
    assert other.post(customer.cancel, other.get("/portal").form("/portal/leave")).status == 404
    reader = Browser(customer.browser.deps)
    reader.enter(READ)
    assert reader.post(customer.cancel, reader.get("/portal").form("/portal/leave")).status == 403
    # A form without the mark, or sent by another site.
    assert customer.browser.post(customer.cancel, {}).status == 403
    mark = customer.browser.get("/portal").form("/portal/leave")
    assert customer.browser.post(customer.cancel, mark, sec_fetch_site="cross-site").status == 403
    assert (customer.status, actions(customer)) == ("active", [])


def test_while_waffo_is_away_nothing_is_done_and_the_page_asks_to_try_again(customer: Customer) -> None:
    form = customer.browser.get(customer.cancel).form(customer.cancel)
    away = Browser(portal_deps(customer.world, NOW), cookies=customer.browser.cookies)
    page = away.post(customer.cancel, form)
    assert page.status == 503
    assert "try again" in page.text
    assert customer.status == "active"
