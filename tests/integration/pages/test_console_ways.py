"""Ways through the console: every link leads to the page it names, and every list says when it is not all (issue 16)."""

import re
import time
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import console_catalog_routes
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.grants import give_units, void_units
from pancake_meter.usecases.reports.launch_checklist import check_launch
from pancake_pages.console.desk import address
from tests.integration.pages.test_console import HOME, NOW, Seller
from tests.support.fake_waffo import FakeWaffo
from tests.support.webhook_world import event, lifecycle, payment

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ODD = "ac#me 5;=&x"
"""A customer's id with what means something in an address. One with % or ? has an address of another kind."""


@pytest.fixture
def seller(dynamodb: "DynamoDBClient", table: str) -> Seller:
    return Seller(Table(dynamodb, table, sleep=lambda _: None))


def links(body: str, text: str) -> list[str]:
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>([^<]*)<', body)
    return [href.replace("&amp;", "&") for href, shown in found if text in shown]


def test_older_entries_are_of_the_same_customer_whatever_its_id(seller: Seller) -> None:
    for number in range(15):
        gift = Gift("promotion", Decimal(1), NOW, NOW + timedelta(days=9))
        give_units(seller.world.metering, ODD, "tokens", f"gift-{number}", gift, NOW, by="ada")
        void_units(seller.world.metering, ODD, f"gift-{number}", NOW, by="ada")
    browser = seller.signed_in()
    home = address("customers", ODD)
    page = browser.get(f"{home}?meter=tokens")
    seen = page.text.count("given by hand") + page.text.count("voided")
    (older,) = links(page.body, "Older")
    assert urlsplit(older).path == urlsplit(home).path
    second = browser.get(older)
    assert ODD in second.text
    seen += second.text.count("given by hand") + second.text.count("voided")
    assert seen >= 30


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ({"list": "plan:starter"}, False),
        ({"list": "status:active", "prefix": "acct"}, True),
        ({"list": "status:owing", "prefix": "acct"}, False),
        ({"plan": "starter"}, False),
        ({"status": "past_due"}, False),
        ({"list": "plan:starter", "status": "owing"}, False),
    ],
)
def test_every_choice_that_the_filter_offers_is_a_list(seller: Seller, asked: dict[str, str], note: bool) -> None:
    seller.subscribe()
    browser = seller.signed_in()
    form = next(each for each in browser.get("/console/customers").forms if each.action == "/console/customers")
    assert {"prefix", "list"} <= form.fields.keys()
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    page = browser.get(f"/console/customers?{query}")
    assert (page.status, "is by time" in page.text) == (200, note)


@pytest.mark.parametrize(
    "where", ["/console/nope", "/console/deliveries/nope", "/console/alerts/nope", "/console/payments/nope"]
)
def test_what_is_not_there_is_a_404_with_a_way_into_the_console(seller: Seller, where: str) -> None:
    page = seller.signed_in().get(where)
    assert page.status == 404
    ways = re.findall(r'<a [^>]*href="(/console[^"]*)"', page.body)
    assert "/console" in ways
    for way in ways:
        assert seller.signed_in().get(way).status == 200 or "lang=" in way


@pytest.mark.parametrize(
    ("page", "form", "back"),
    [("/console/keys", "/console/keys", "/console/keys"), ("/console/alerts", "/alert-endpoints", "/console/alerts")],
)
def test_a_refused_form_leads_back_to_the_page_that_it_was_on(seller: Seller, page: str, form: str, back: str) -> None:
    browser = seller.signed_in()
    refused = browser.send(browser.get(page).form(form), name="", url="")
    assert refused.status == 422
    assert back in links(refused.body, "Back")


def test_an_endpoint_that_is_gone_leads_back_to_the_list(seller: Seller) -> None:
    browser = seller.signed_in()
    made = browser.get("/console/alerts").form("/alert-endpoints")
    browser.send(made, url="http://127.0.0.1:9/alerts")
    delete = browser.get("/console/alerts").form("/delete")
    browser.send(delete)
    gone = browser.send(delete, once="another form")
    assert gone.status == 404
    assert browser.get(links(gone.body, "Back")[0]).status == 200


def test_a_customer_nobody_has_seen_can_be_given_units(seller: Seller) -> None:
    browser = seller.signed_in()
    page = browser.get("/console/customers/brand-new")
    assert (page.status, "Nothing is kept of this customer yet" in page.text) == (200, True)
    assert seller.table.query("PK = :pk", {":pk": "CUSTOMER#brand-new"}, limit=1)[0] == []
    done = browser.send(page.form("/grants"), meter="tokens", quantity="500")
    assert (done.status, "Nothing is kept" in done.text) == (200, False)
    assert "500" in done.text


def test_what_is_not_a_customer_s_id_is_no_customer(seller: Seller) -> None:
    assert seller.signed_in().get("/console/customers/" + "x" * 129).status in (404, 422)


def test_of_a_long_history_the_page_says_that_it_is_not_all(seller: Seller) -> None:
    seller.subscribe()
    for number in range(2, 25):
        month = f"{2026 + (number + 1) // 12}-{(number + 1) % 12 + 1:02}-01"
        seller.world.take(payment("ORD_1", f"PAY_{number}", month, periodNumber=number))
    page = seller.signed_in().get(HOME)
    assert "These are the latest 20." in page.text
    assert any(urlsplit(way).path == f"{HOME}/checkouts" for way in links(page.body, "All checkouts"))
    assert seller.signed_in().get(f"{HOME}/checkouts").status == 200


def test_a_payment_that_fits_nothing_is_on_its_customer_s_page(seller: Seller) -> None:
    seller.subscribe()
    # A check of the card has no amount: one that was charged needs a person.
    charged = {"paymentId": "PAY_X", "chargedAmount": "4.00", "amount": "4.00", "total": "4.00"}
    outcome = seller.world.take(event("order.completed", "ORD_X", "2026-03-03", "PAY_X", **charged))
    assert outcome.verdict == "parked"
    page = seller.signed_in().get(HOME)
    assert "PAY_X" in page.body


def test_the_body_of_a_large_delivery_is_cut_and_the_page_says_so(seller: Seller) -> None:
    described = "x" * 180_000
    seller.world.take(
        lifecycle("activated", "ORD_1", "2026-03-02", "2026-03-01", "2026-04-01", productDescription=described)
    )
    browser = seller.signed_in()
    listed = browser.get("/console/deliveries")
    path = next(each for each in listed.body.split('"') if each.startswith("/console/deliveries/"))
    page = browser.get(path)
    assert (len(page.body) < 60_000, "The body goes on" in page.text) == (True, True)


def test_a_page_that_looks_again_by_itself_leads_to_the_sign_in_whole(seller: Seller) -> None:
    browser = seller.signed_in()
    seller.now += timedelta(hours=9)
    answer = browser.get("/console/live", follow=False)
    assert (answer.status, answer.headers["HX-Redirect"]) == (401, "/console/sign-in")


@pytest.mark.parametrize("path", ["/console/catalog", "/console/launch"])
def test_a_page_does_not_wait_long_for_waffo(seller: Seller, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_catalog_routes, "_SECONDS", 0.2)
    slow = Seller(seller.table, FakeWaffo(graphql_seconds=3).client())
    browser = slow.signed_in()
    began = time.monotonic()
    page = browser.get(path)
    assert (page.status, time.monotonic() - began < 2.5) == (200, True)


def test_a_launch_step_that_is_done_stays_done_after_many_webhooks(seller: Seller) -> None:
    seller.subscribe()
    seller.world.take(lifecycle("plan_changed", "ORD_1", "2026-03-04", "2026-03-01", "2026-04-01", plan="pro"))
    for number in range(60):
        seller.world.take(lifecycle("activated", f"ORD_{number}X", "2026-03-05", "2026-03-01", "2026-04-01"))
    findings = {each.step: each.state for each in check_launch(seller.table, seller.world.catalog, "test", None, NOW)}
    assert findings["plan_changes"] == "ok"
    assert findings["webhooks_arrive"] == "ok"
