"""What an operator has Waffo do from the console, and says of payments, against the simulator (issue 16, point 3)."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import console_access_routes
import console_alert_routes
import console_catalog_routes
import console_customer_routes
import console_delivery_routes
import console_endpoint_routes
import console_gift_routes
import console_key_routes
import console_launch_routes
import console_link_routes
import console_order_routes
import console_overview_routes
import console_parked_routes
import console_payment_routes
from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.selling.payment import Credit
from pancake_meter.store.alerts.alerts import put_alert
from pancake_meter.store.selling.order_actions import Action, OrderAction, action_write, latest_write, list_actions
from pancake_meter.store.selling.payments import payment_write, read_payment
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import ParkedUsage, park
from pancake_meter.value import replace
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner
from tests.integration.pages.test_console import HOME, NOW, Seller
from tests.support.waffo_simulator import MERCHANT_ID, PRO, USAGE, RunningSimulator
from tests.support.waffo_webhooks import platform_key
from tests.support.webhook_world import CUSTOMER, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AT = "2026-03-10T11:59:30Z"
PACK = 100_000


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


@pytest.mark.parametrize("fault", [{"action_timeout_after_commit": 1, "hold_seconds": 0}, {"api_failures": 1}])
def test_a_refund_without_an_answer_is_asked_for_again_as_the_very_same_refund(
    seller: Seller, sim: RunningSimulator, fault: dict[str, int]
) -> None:
    payment_id, _ = bought_pack(seller, sim, top_up_tokens=str(PACK))
    page_of_payment = f"/console/payments/{payment_id}"
    browser = seller.signed_in()
    sim.sim("faults", **fault)
    form = browser.get(page_of_payment).form("/refund")
    unanswered = browser.send(form, amount="2.00", reason="the wrong pack")
    assert (unanswered.status, "Waffo did not answer" in unanswered.text) == (502, True)
    sim.sim("faults")

    # Whoever goes back finds that refund, and no form for another.
    (listed,) = [each for each in browser.get(page_of_payment).forms if each.action.endswith("/refund")]
    assert listed.fields["once"] in browser.get(page_of_payment).text
    assert {**listed.fields, "amount": ""} == {**unanswered.form("/refund").fields, "amount": ""}
    done = browser.send(unanswered.form("/refund"))
    assert "Waffo was asked for the refund." in done.text
    browser.send(listed)
    assert len(sim.http.get("/_sim/state").json()["refund_tickets"]) == 1
    assert browser.get(page_of_payment).form("/refund").fields["amount"] == ""
    kept = read_payment(seller.table, payment_id)
    assert kept is not None
    assert [each.amount for each in kept.requests.values()] == [Decimal(2)]


def test_a_flagged_payment_that_has_given_units_says_that_a_decision_takes_them_back(
    seller: Seller, sim: RunningSimulator
) -> None:
    payment_id, _ = bought_pack(seller, sim)
    browser = seller.signed_in()
    before = browser.get(f"/console/payments/{payment_id}")
    assert "has given no units that are still there" in before.text
    assert "somebody has to say what it is for" in before.text
    kept = read_payment(seller.table, payment_id)
    assert kept is not None
    credit = Credit("tokens", "top_up#1", Decimal(PACK))
    has_given = replace(kept, charge=kept.unmatched, unmatched=None, flag="paid_twice", credits=(credit,))
    seller.table.write(payment_write(has_given))
    after = browser.get(f"/console/payments/{payment_id}")
    assert "taken back first" in after.text
    assert "has given no units" not in after.text


def test_a_refund_of_a_subscription_s_charge_says_that_the_subscription_goes_on(seller: Seller) -> None:
    seller.subscribe()
    assert "does not end the subscription" in seller.signed_in().get("/console/payments/PAY_1").text


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
    seller.world.use(10)
    browser = seller.signed_in()
    page = browser.send(browser.get(HOME).form("/cancel"), reason="asked by phone")
    assert page.status == 200
    assert "ada at the desk asked Waffo to cancel" in page.text
    assert "asked by phone" in page.text
    webhooks.arrive()
    page = browser.get(HOME)
    assert "canceling" in page.text
    assert browser.send(page.form("/reactivate")).status == 200
    webhooks.arrive()
    assert any(form.action.endswith("/cancel") for form in browser.get(HOME).forms)
    # The webhooks that follow are of what the operator did.
    assert seller.ledger()[:2] == [
        ("subscription.uncanceled", "ada at the desk"),
        ("subscription.canceling", "ada at the desk"),
    ]


def test_a_form_to_cancel_what_is_cancelled_says_that_waffo_was_not_asked(
    seller: Seller, sim: RunningSimulator
) -> None:
    webhooks = Webhooks(seller, sim)
    sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER)
    webhooks.arrive()
    browser = seller.signed_in()
    first, other = (browser.get(HOME).form("/cancel") for _ in range(2))
    assert "Waffo was asked to cancel." in browser.send(first).text
    assert "Waffo had done that before" in browser.send(other).text
    webhooks.arrive()
    browser.send(browser.get(HOME).form("/reactivate"))
    assert "does nothing a second time" in browser.send(first).text


@pytest.mark.parametrize(
    ("action", "at", "by"),
    [
        ("cancel", "2026-03-10T12:00:30", "ada"),
        ("reactivate", "2026-03-10T12:00:30", None),
        ("cancel", "2026-03-20T12:00:00", None),
    ],
)
def test_the_ledger_names_who_cancelled_here_and_nobody_for_what_follows_long_after(
    seller: Seller, action: Action, at: str, by: str | None
) -> None:
    seller.subscribe()
    seller.world.use(10)
    wished = OrderAction("ORD_1", action, "a-1", NOW, "ada", "by phone")
    seller.table.transact([action_write(CUSTOMER, wished), latest_write(seller.table, CUSTOMER, wished)])
    seller.world.take(lifecycle("canceled", "ORD_1", at, "2026-03-01", "2026-04-01"), utc(at) + timedelta(minutes=1))
    assert seller.ledger()[0] == ("subscription.canceled", by)


def test_of_two_who_wished_the_same_the_ledger_names_the_one_whose_wish_the_event_follows(seller: Seller) -> None:
    # Given: one cancels, and another under another id ten minutes later
    seller.subscribe()
    seller.world.use(10)
    for number, by in enumerate(("ada", "bob")):
        at = NOW + timedelta(minutes=10 * number)
        seller.table.write(latest_write(seller.table, CUSTOMER, OrderAction("ORD_1", "cancel", f"a-{number}", at, by)))
    # When: the event is of the first
    told = NOW + timedelta(seconds=30)
    event = lifecycle("canceled", "ORD_1", f"{told:%Y-%m-%dT%H:%M:%S}", "2026-03-01", "2026-04-01")
    seller.world.take(event, told + timedelta(minutes=15))
    # Then
    assert seller.ledger()[0] == ("subscription.canceled", "ada")


def test_what_an_earlier_version_kept_of_an_action_is_listed_and_names_nobody_in_the_ledger(seller: Seller) -> None:
    # Given an action as an earlier version kept it, alone
    seller.subscribe()
    seller.world.use(10)
    seller.table.write(action_write(CUSTOMER, OrderAction("ORD_1", "cancel", "a-1", NOW, "ada", "by phone")))
    # When
    at = NOW + timedelta(seconds=30)
    event = lifecycle("canceled", "ORD_1", f"{at:%Y-%m-%dT%H:%M:%S}", "2026-03-01", "2026-04-01")
    seller.world.take(event, at)
    # Then
    assert seller.ledger()[0] == ("subscription.canceled", None)
    assert [each.by for each in list_actions(seller.table, CUSTOMER)] == ["ada"]


def test_to_cancel_a_subscription_whose_payment_is_overdue_says_that_it_ends_at_once(seller: Seller) -> None:
    seller.subscribe()
    assert "It runs to the end of the paid period" in seller.signed_in().get(HOME).text
    seller.world.take(lifecycle("past_due", "ORD_1", "2026-03-09", "2026-03-01", "2026-04-01"))
    page = seller.signed_in().get(HOME).text
    assert ("it ends at once" in page, "It runs to the end of the paid period" in page) == (True, False)


ROUTERS = (
    console_access_routes.router,
    console_alert_routes.router,
    console_catalog_routes.router,
    console_customer_routes.router,
    console_delivery_routes.router,
    console_endpoint_routes.router,
    console_gift_routes.router,
    console_key_routes.router,
    console_launch_routes.router,
    console_link_routes.router,
    console_order_routes.router,
    console_overview_routes.router,
    console_parked_routes.router,
    console_payment_routes.router,
)


class Everything:
    """A seller with something for each form of the console to act on, and all that a form can change."""

    def __init__(self, seller: Seller, sim: RunningSimulator) -> None:
        self.seller, self.sim = seller, sim
        self.payment_id, self.webhooks = bought_pack(seller, sim)
        sim.sim("subscriptions", product=PRO, buyer_identity=CUSTOMER)
        self.webhooks.arrive()
        seller.world.take(lifecycle("activated", "ORD_1", "2026-03-02", "2026-03-01", "2026-04-01", plan="scale"))
        seller.world.use(10_000_500)
        begun = ("2026-03-02", "2026-03-01", "2026-04-01")
        of_nobody = [
            lifecycle("activated", order_id, *begun, merchantProvidedBuyerIdentity=None)
            for order_id in ("ORD_8", "ORD_9")
        ]
        self.of_nobody = [f"/console/deliveries/{seller.world.take(each).digest}" for each in of_nobody]
        self.parked = [ParkedUsage("openmeter", f'{{"n": {n}}}', "unknown_meter", "no such meter", NOW) for n in (1, 2)]
        for each in self.parked:
            park(seller.table, each)
        self.alert = Alert("test#1", "overage.due", CUSTOMER, "tokens", NOW, {"units": 1})
        put_alert(seller.table, self.alert)
        self.browser = seller.signed_in()
        self.browser.send(self.browser.get("/console/alerts").form("/alert-endpoints"), url="http://127.0.0.1:9/a")

    def state(self, dynamodb: "DynamoDBClient", table: str) -> set[str]:
        """All that a form may change, beside the marks of forms and the session itself."""
        pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"] if not item["PK"]["S"].startswith("SESSION#")]
        tickets = self.sim.http.get("/_sim/state").json()["refund_tickets"]
        done = [f"tickets {tickets}", f"events {len(self.sim.events())}", f"sent {self.seller.queue.sent}"]
        return {*(json.dumps(item, sort_keys=True) for item in items), *done}


def forms(world: Everything) -> Mapping[str, tuple[str, str, Mapping[str, str]]]:
    """The page, the end of the action, and fields, for each form; each rule is of a route that takes POST."""
    home, payment_at = "/console/customers/<customer_id>", "/console/payments/<payment_id>"
    delivery, parked, alert = world.of_nobody, world.parked, f"/console/alerts/{world.alert.id}"
    first, second = f"/console/payments/{world.payment_id}", "/console/parked-usage"
    return {
        f"{home}/overage/<meter>/forgive": (HOME, "/forgive", {"quantity": "100"}),
        f"{home}/grants": (HOME, "/grants", {"meter": "tokens", "quantity": "5000"}),
        f"{home}/grants/<grant_id>/void": (HOME, "/void", {}),
        f"{home}/block": (HOME, "/block", {"meter": "", "reason": "stolen card"}),
        f"{home}/unblock": (HOME, "/unblock", {"meter": ""}),
        f"{home}/purchase-link": (HOME, "/purchase-link", {"kind": "top_up", "meter": "tokens"}),
        f"{home}/portal-link": (HOME, "/portal-link", {}),
        f"{home}/subscriptions/<order_id>/cancel": (HOME, "/cancel", {"reason": "by phone"}),
        f"{home}/subscriptions/<order_id>/reactivate": (HOME, "/reactivate", {}),
        f"{payment_at}/refund": (first, "/refund", {"amount": "1.00", "reason": "sorry"}),
        f"{payment_at}/resolve": (first, "/resolve", {"meter": "tokens", "quantity": "7", "reason": "by hand"}),
        "/console/deliveries/<delivery_id>/replay": (delivery[0], "/replay", {}),
        "/console/deliveries/<delivery_id>/dismiss": (delivery[0], "/dismiss", {"reason": "not ours"}),
        "/console/deliveries/<delivery_id>/assign": (delivery[1], "/assign", {"customer_id": CUSTOMER}),
        "/console/parked-usage/<parked_id>/replay": (second, f"/{parked[0].digest}/replay", {}),
        "/console/parked-usage/<parked_id>/dismiss": (second, f"/{parked[1].digest}/dismiss", {"reason": "a test"}),
        "/console/alerts/<alert_id>/replay": (alert, "/replay", {"endpoint_id": ""}),
        "/console/alert-endpoints": ("/console/alerts", "/alert-endpoints", {"url": "http://127.0.0.1:9/b"}),
        "/console/alert-endpoints/<endpoint_id>/rotate": ("/console/alerts", "/rotate", {}),
        "/console/alert-endpoints/<endpoint_id>/test": ("/console/alerts", "/test", {}),
        "/console/alert-endpoints/<endpoint_id>/enabled": ("/console/alerts", "/enabled", {}),
        "/console/alert-endpoints/<endpoint_id>/delete": ("/console/alerts", "/delete", {}),
        "/console/keys": ("/console/keys", "/console/keys", {"name": "backend", "role_meter": "yes"}),
        "/console/keys/<key_id>/rotate": ("/console/keys", "/rotate", {}),
        "/console/keys/<key_id>/revoke": ("/console/keys", "/revoke", {}),
    }


def test_every_form_that_has_done_what_it_asks_for_does_nothing_when_it_is_sent_again(
    seller: Seller, sim: RunningSimulator, dynamodb: "DynamoDBClient", table: str
) -> None:
    world = Everything(seller, sim)
    asked, browser = forms(world), world.browser
    rules = {rule for router in ROUTERS for rule, methods, *_ in router._routes if "POST" in methods}
    assert set(asked) == rules
    for rule, (page, action, fields) in asked.items():
        form = browser.get(page).form(action)
        before = world.state(dynamodb, table)
        done = browser.send(form, **fields, follow=False)
        assert done.status in (200, 201, 303), (rule, done.status, done.text)
        after = world.state(dynamodb, table)
        is_only_shown = action in ("/purchase-link", "/portal-link")
        assert (after == before) == is_only_shown, rule
        seller.now += timedelta(minutes=1)
        for _ in range(2):
            assert browser.send(form, **fields, follow=False).status == done.status, rule
            assert world.state(dynamodb, table) ^ after == set(), rule
        world.webhooks.arrive()
