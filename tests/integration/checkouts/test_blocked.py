"""Promise 11, issue 14, point 2: nothing is sold to a customer who was cut off and could not use it; debts can be paid."""

from http import HTTPStatus
from typing import Any

import pytest

from pancake_meter.usecases.balance.operate import block, block_customer
from pancake_meter.usecases.selling.purchase_link import LinkKind, PurchaseLink, make_link
from tests.integration.checkouts.conftest import NOW, SECRET, Shop
from tests.support.api import Answer, api_event
from tests.support.webhook_world import World, lifecycle

CUSTOMER = "acct_1001"
REASON = "card reported as stolen"
PACK: dict[str, Any] = {"kind": "top_up", "meter": "tokens"}
STARTER: dict[str, Any] = {"plan": "starter"}
OWED: dict[str, Any] = {"kind": "overage", "meter": "tokens"}


def cut_off(shop: Shop, meter: str | None = None, reason: str | None = REASON) -> None:
    if meter is None:
        block_customer(shop.metering, CUSTOMER, reason, shop.now)
    else:
        block(shop.metering, CUSTOMER, meter, reason, shop.now)


def click(shop: Shop, kind: LinkKind, event: str = "buy_press") -> Answer:
    made = make_link(SECRET, "https://api.example.com", PurchaseLink(CUSTOMER, kind, "tokens"), NOW)
    clicked = {**api_event(event, path=made.removeprefix("https://api.example.com")), "body": ""}
    return shop.call(clicked)


def owe(shop: Shop) -> None:
    World(shop.metering.table, NOW).take(
        lifecycle("activated", "ORD_4kPz8sYvN1qJ6tGwB2dXfR", "2026-03-10", "2026-03-10", "2026-04-10", plan="pro")
    )
    shop.use(1_500_000)


@pytest.mark.parametrize("wanted", [PACK, STARTER, {**STARTER, "kind": "subscription"}])
def test_who_is_cut_off_is_sold_nothing_until_access_is_open_again(shop: Shop, wanted: dict[str, Any]) -> None:
    cut_off(shop)
    refused = shop.checkout(**wanted)
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "customer_blocked")
    assert refused.body["reason"] == REASON
    assert shop.waffo.sessions == []
    cut_off(shop, reason=None)
    assert shop.checkout(**wanted).status == HTTPStatus.CREATED


def test_a_meter_that_is_cut_off_alone_stops_its_packs_and_nothing_else(shop: Shop) -> None:
    cut_off(shop, "tokens")
    assert shop.checkout(**PACK).body["code"] == "customer_blocked"
    assert click(shop, "plan").status == HTTPStatus.CONFLICT
    assert shop.checkout(kind="top_up", meter="agent_runs").status == HTTPStatus.CREATED


def test_a_plan_is_sold_while_one_of_its_meters_is_open(shop: Shop) -> None:
    cut_off(shop, "requests")
    assert shop.checkout(plan="agent").status == HTTPStatus.CREATED
    cut_off(shop, "agent_runs")
    refused = shop.checkout(plan="agent")
    assert (refused.body["code"], refused.body["meters"]) == ("customer_blocked", ["agent_runs", "requests"])


def test_a_meter_that_was_opened_alone_is_sold(shop: Shop) -> None:
    shop.use(1)
    cut_off(shop)
    cut_off(shop, "tokens", reason=None)
    assert shop.checkout(**PACK).status == HTTPStatus.CREATED


@pytest.mark.parametrize("kind", ["top_up", "plan"])
def test_a_link_that_is_clicked_while_access_is_off_leads_to_a_page_that_says_so(shop: Shop, kind: LinkKind) -> None:
    cut_off(shop)
    for event in ("buy_link", "buy_press"):
        page = click(shop, kind, event)
        assert (page.status, shop.waffo.sessions) == (HTTPStatus.CONFLICT, [])
        assert "Your access is" in page.body
        assert REASON not in page.body
    cut_off(shop, reason=None)
    assert click(shop, kind).status == HTTPStatus.SEE_OTHER


def test_what_is_owed_can_be_paid_while_access_is_off_and_no_pack_is_sold_in_its_place(shop: Shop) -> None:
    owe(shop)
    cut_off(shop)
    assert shop.checkout(**OWED).status == HTTPStatus.CREATED
    assert click(shop, "overage").status == HTTPStatus.SEE_OTHER


def test_a_link_to_overage_that_is_settled_sells_no_pack_while_access_is_off(shop: Shop) -> None:
    cut_off(shop)
    assert "Your access is" in click(shop, "overage").body
    assert shop.waffo.sessions == []


def test_a_repeat_under_the_same_key_hands_out_no_payment_page_while_access_is_off(shop: Shop) -> None:
    def asked() -> Answer:
        event = api_event("checkouts_overage", body=PACK)
        event["headers"]["idempotency-key"] = "once"
        return shop.call(event)

    first = asked()
    cut_off(shop)
    assert asked().body["code"] == "customer_blocked"
    cut_off(shop, reason=None)
    again = asked()
    assert (again.status, again.body["checkout_id"]) == (first.status, first.body["checkout_id"])
