"""A plan is sold once: what is sold is decided when it is sold, from the customer's orders at that time."""

import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from pancake_meter.catalog.catalog import MetadataMark, NotOurs
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling import waffo_orders
from pancake_meter.usecases.selling.purchase_link import PurchaseLink, make_link
from pancake_meter.value import replace
from tests.integration.checkouts.conftest import NOW, SECRET, Shop
from tests.support.api import Answer
from tests.support.webhook_world import World, lifecycle

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
OTHER = "ORD_3yHn6bTg9vFr2cDe5xSw8Z"
PERIOD = ("2026-03-10", "2026-04-10")


def learn(
    shop: Shop,
    kind: str,
    order: str = ORDER,
    *,
    plan: str = "starter",
    at: str = "2026-03-10",
    currency: str | None = "USD",
) -> None:
    """Deliver one event of an order."""
    taken = World(shop.metering.table, NOW).take(lifecycle(kind, order, at, *PERIOD, plan=plan, currency=currency))
    assert taken.verdict == "applied"


def click(shop: Shop, kind: str = "plan") -> Answer:
    """Follow a link that was made for the tokens of the customer: see the page, and press its button where it has one."""
    made = make_link(SECRET, "https://api.example.com", PurchaseLink("acct_1001", kind, "tokens"), NOW)  # type: ignore[arg-type]
    return shop.press(made.removeprefix("https://api.example.com"))


def sold(shop: Shop) -> list[tuple[str, str, str | None]]:
    """What each session sells: kind, plan, and the order that it changes."""
    told = [(session["metadata"], session.get("originOrderId")) for session in shop.waffo.sessions]
    return [(metadata["kind"], metadata["plan"], origin) for metadata, origin in told]


@pytest.mark.parametrize("kind", ["plan", "subscription", "plan_change"])
def test_scenario_86_one_upgrade_link_followed_before_and_after_paying_sells_one_subscription(
    shop: Shop, kind: str
) -> None:
    # Given a link that a free customer follows and pays
    assert click(shop, kind).status == HTTPStatus.SEE_OTHER
    learn(shop, "activated")
    # When it is followed again
    assert click(shop, kind).status == HTTPStatus.SEE_OTHER
    # Then it changes the plan that there is now
    assert sold(shop) == [("subscription", "starter", None), ("plan_change", "pro", ORDER)]


@pytest.mark.parametrize("kind", ["plan", "subscription", "plan_change"])
def test_scenario_88_a_link_followed_after_a_cancellation_sells_a_subscription(shop: Shop, kind: str) -> None:
    learn(shop, "activated")
    learn(shop, "canceled", at="2026-03-11")
    assert click(shop, kind).status == HTTPStatus.SEE_OTHER
    assert sold(shop) == [("subscription", "starter", None)]


def test_scenario_86_a_customer_of_the_highest_plan_is_told_so_and_led_back(shop: Shop) -> None:
    learn(shop, "activated", plan="scale")
    page = click(shop)
    assert (page.status, shop.waffo.sessions) == (HTTPStatus.CONFLICT, [])
    assert "You already have the highest plan" in page.body
    assert 'href="https://app.example.com/"' in page.body


@pytest.mark.parametrize(
    ("status", "title", "text"),
    [
        ("past_due", "You already have the highest plan", "its last payment is overdue"),
        ("canceling", "You have cancelled your plan", "it ends on Apr 10, 2026, "),
    ],
)
def test_a_customer_of_the_highest_plan_is_told_what_becomes_of_it(
    shop: Shop, status: str, title: str, text: str
) -> None:
    # Given
    learn(shop, "activated", plan="scale")
    learn(shop, status, plan="scale", at="2026-03-11")
    shop.waffo.order(ORDER, "scale", status=status)
    # When
    page = click(shop)
    # Then
    assert (page.status, shop.waffo.sessions) == (HTTPStatus.CONFLICT, [])
    assert title in page.body
    assert text in page.body
    assert "goes on as it is" not in page.body


@pytest.mark.parametrize(
    ("status", "title"),
    [("past_due", "A payment for your plan is overdue"), ("canceling", "You have cancelled your plan")],
)
def test_an_order_that_waffo_does_not_change_is_explained_and_no_second_one_is_sold(
    shop: Shop, status: str, title: str
) -> None:
    # Given an order that Waffo refuses to change as it stands
    learn(shop, "activated")
    learn(shop, status, at="2026-03-11")
    shop.waffo.order(ORDER, "starter", status=status)
    # When
    page, refused = click(shop), shop.checkout(plan="pro")
    # Then
    assert title in page.body
    assert 'href="https://app.example.com/"' in page.body
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "plan_not_changeable")
    assert (refused.body["order_status"], refused.body["order_id"]) == (status, ORDER)
    assert shop.waffo.sessions == []


def test_scenario_88_an_order_whose_end_no_webhook_told_is_replaced_by_a_subscription(shop: Shop) -> None:
    learn(shop, "activated")
    shop.waffo.order(ORDER, "starter", status="canceled")
    assert click(shop).status == HTTPStatus.SEE_OTHER
    assert sold(shop) == [("subscription", "starter", None)]


def test_an_order_that_waffo_has_replaced_is_followed_to_the_one_in_its_place(shop: Shop) -> None:
    learn(shop, "activated")
    shop.waffo.order(ORDER, "starter", status="canceled", supersededByOrderId=OTHER)
    shop.waffo.order(OTHER, "pro", changeOriginOrderId=ORDER)
    assert click(shop).status == HTTPStatus.SEE_OTHER
    assert sold(shop) == [("plan_change", "scale", OTHER)]


def test_a_plan_asked_for_by_api_is_a_plan_change_where_there_is_an_order(shop: Shop) -> None:
    first = shop.checkout(plan="starter")
    learn(shop, "activated")
    change = shop.checkout(plan="pro")
    assert (first.body["kind"], change.body["kind"]) == ("subscription", "plan_change")
    assert (change.status, change.body["origin_order_id"]) == (HTTPStatus.CREATED, ORDER)


def test_an_explicit_second_subscription_is_refused_with_what_to_ask_for(shop: Shop) -> None:
    learn(shop, "activated")
    refused = shop.checkout(kind="subscription", plan="pro")
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "already_subscribed")
    assert refused.body["ask_for"] == {"kind": "plan_change", "plan": "pro"}
    assert (refused.body["order_id"], refused.body["plan"]) == (ORDER, "starter")
    assert shop.waffo.sessions == []
    assert shop.checkout(**refused.body["ask_for"]).status == HTTPStatus.CREATED


@pytest.mark.parametrize("asked", [{}, {"kind": "plan_change"}, {"kind": "subscription"}])
def test_scenario_87_the_plan_that_the_customer_has_is_not_sold(shop: Shop, asked: dict[str, str]) -> None:
    learn(shop, "activated")
    refused = shop.checkout(plan="starter", **asked)
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "already_subscribed")
    assert (refused.body["ask_for"], shop.waffo.sessions) == (None, [])


@pytest.mark.parametrize("status", ["active", "trialing", "past_due", "canceling"])
def test_an_order_that_only_waffo_knows_stops_a_second_subscription(shop: Shop, status: str) -> None:
    # Given a first payment whose webhook has not arrived
    shop.waffo.order(ORDER, "starter", status=status)
    # When
    refused = shop.checkout(kind="subscription", plan="pro")
    # Then
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "already_subscribed")
    assert refused.body["order_id"] == ORDER
    (asked,) = shop.waffo.queries
    assert asked["variables"]["buyer"] == "acct_1001"
    # And a link changes that order
    click(shop)
    assert all(origin == ORDER for _, _, origin in sold(shop))


@pytest.mark.parametrize(
    "fields",
    [
        {"merchantProvidedBuyerIdentity": "acct_2"},
        {"testMode": False},
        {"storeId": "STO_0000000000000000000000"},
        {"status": "canceled"},
        {"status": "pending"},
        {"productVersion": {"metadata": json.dumps({"plan": "another shop's"})}},
        {"supersededByOrderId": OTHER},
    ],
)
def test_an_order_of_others_or_of_other_things_stops_nothing(shop: Shop, fields: dict[str, Any]) -> None:
    shop.waffo.order(ORDER, "starter", **fields)
    assert shop.checkout(kind="subscription", plan="pro").status == HTTPStatus.CREATED


def test_a_question_that_fails_does_not_stop_the_sale_and_is_counted(shop: Shop) -> None:
    shop.waffo.graphql_fails = True
    assert shop.checkout(plan="pro").status == HTTPStatus.CREATED
    assert len(shop.failed_lookups) == 1


def test_a_question_that_takes_too_long_does_not_stop_the_sale(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waffo_orders, "LOOKUP_SECONDS_MAX", 0.05)
    shop.waffo.graphql_seconds = 0.5
    assert shop.checkout(plan="pro").status == HTTPStatus.CREATED
    assert len(shop.failed_lookups) == 1


def test_a_change_of_an_order_that_is_no_more_is_not_handed_out_again(shop: Shop) -> None:
    # Given an open change of an order, which another change has replaced since
    learn(shop, "activated")
    first = shop.checkout(plan="scale")
    learn(shop, "plan_changed", OTHER, plan="pro", at="2026-03-10T15:19:00")
    # When
    second = shop.checkout(plan="scale")
    # Then
    assert (second.status, second.body["checkout_id"] != first.body["checkout_id"]) == (HTTPStatus.CREATED, True)
    assert [origin for _, _, origin in sold(shop)] == [ORDER, OTHER]


def test_a_change_is_asked_for_in_the_currency_of_the_order(shop: Shop) -> None:
    # Given a customer who pays in yen; only Waffo knows
    shop.waffo.order(ORDER, "starter", currency="JPY")
    click(shop)
    assert [session["currency"] for session in shop.waffo.sessions] == ["JPY"]


def test_in_test_mode_every_payment_page_is_marked(shop: Shop) -> None:
    learn(shop, "activated")
    first, again = shop.checkout(plan="pro").body["url"], shop.checkout(plan="pro").body["url"]
    assert "?test=true#token=" in first
    assert "?test=true#token=" in again


@pytest.mark.parametrize("fields", [{"status": "canceled"}, {"supersededByOrderId": OTHER}, {"status": "expired"}])
def test_a_change_that_was_asked_for_before_its_order_ended_unheard_is_no_dead_end(
    shop: Shop, fields: dict[str, Any]
) -> None:
    # Given a link that was followed to the page of a plan change
    learn(shop, "activated")
    click(shop)
    # When its order ends at Waffo, no webhook tells of it, and the link is followed again
    shop.waffo.order(ORDER, "starter", **{"status": "canceled", **fields})
    assert click(shop).status == HTTPStatus.SEE_OTHER
    # Then it leads to a page that sells
    assert sold(shop) == [("plan_change", "pro", ORDER), ("subscription", "starter", None)]


@pytest.mark.parametrize("status", ["closed", "canceled", "expired"])
@pytest.mark.parametrize("is_named_by", ["orderMerchantExternalId", "metadata"])
def test_a_payment_page_that_was_submitted_in_vain_is_not_handed_out_again(
    shop: Shop, status: str, is_named_by: str
) -> None:
    # Given a page whose card was refused, or whose order ended at once, and of which no webhook told
    first = shop.checkout(plan="starter").body["checkout_id"]
    named = first if is_named_by == "orderMerchantExternalId" else json.dumps({"checkout_id": first})
    shop.waffo.order(ORDER, "starter", status=status, **{is_named_by: named})
    # When the plan is asked for again
    second = shop.checkout(plan="starter")
    # Then there is a page of its own, and that one is handed out from then on
    assert (second.status, second.body["checkout_id"] != first) == (HTTPStatus.CREATED, True)
    assert shop.checkout(plan="starter").body["checkout_id"] == second.body["checkout_id"]


def test_point_16_a_page_that_was_submitted_in_vain_is_found_behind_many_refused_cards(shop: Shop) -> None:
    # Given a buyer whose card was refused 99 times before
    first = shop.checkout(plan="starter").body["checkout_id"]
    for number in range(99):
        shop.waffo.order(f"ORD_{number:022d}", "starter", status="closed")
    shop.waffo.order(ORDER, "starter", status="closed", orderMerchantExternalId=first)

    # Then the page is not handed out again
    assert shop.checkout(plan="starter").body["checkout_id"] != first


def test_a_payment_page_whose_payment_is_still_under_way_stays_the_only_one(shop: Shop) -> None:
    first = shop.checkout(plan="starter").body["checkout_id"]
    shop.waffo.order(ORDER, "starter", status="pending", orderMerchantExternalId=first)
    assert shop.checkout(plan="starter").body["checkout_id"] == first


def test_an_open_payment_page_is_handed_out_where_waffo_does_not_say_how_its_order_stands(shop: Shop) -> None:
    learn(shop, "activated")
    first = shop.checkout(plan="pro").body["checkout_id"]
    shop.waffo.graphql_fails = True
    assert shop.checkout(plan="pro").body["checkout_id"] == first
    # One question: whether its page is used up. The currency of the order is known.
    assert len(shop.failed_lookups) == 1


@pytest.mark.parametrize(
    ("name", "metadata"), [("Blog", {"plan": "starter", "app": "blog"}), ("Sticker  pack", {"plan": "starter"})]
)
def test_promise_11_an_order_of_something_else_that_the_store_sells_is_no_plan_to_change(
    shop: Shop, name: str, metadata: dict[str, str]
) -> None:
    # Given another app of the seller's, whose product has the metadata of a plan of ours by chance
    not_ours = NotOurs(frozenset({"sticker pack"}), (MetadataMark("app", "blog"),))
    shop.metering = Metering(shop.metering.table, replace(shop.metering.catalog, not_ours=not_ours))
    shop.waffo.order(ORDER, "starter", productVersion={"metadata": json.dumps(metadata), "name": name})
    # When a plan of ours is asked for, and then the next one up
    assert shop.checkout(plan="starter").status == HTTPStatus.CREATED
    assert click(shop).status == HTTPStatus.SEE_OTHER
    # Then nothing of the other app is refused or changed
    assert {(kind, origin) for kind, _, origin in sold(shop)} == {("subscription", None)}


@pytest.mark.parametrize("asked", [{"plan": "starter"}, {"plan": "starter", "kind": "subscription"}, {"plan": "pro"}])
def test_promise_11_an_order_that_ended_unheard_bars_nothing(shop: Shop, asked: dict[str, Any]) -> None:
    learn(shop, "activated")
    shop.waffo.order(ORDER, "starter", status="canceled")
    assert shop.checkout(**asked).status == HTTPStatus.CREATED
    assert sold(shop) == [("subscription", asked["plan"], None)]


@pytest.mark.parametrize("graphql_fails", [False, True])
def test_promise_11_a_cancelled_order_whose_period_is_over_bars_nothing(shop: Shop, graphql_fails: bool) -> None:
    learn(shop, "activated")
    learn(shop, "canceling", at="2026-03-11")
    shop.waffo.graphql_fails = graphql_fails
    shop.wait(timedelta(days=40))
    assert shop.checkout(plan="starter").status == HTTPStatus.CREATED
    assert sold(shop) == [("subscription", "starter", None)]


def test_a_change_of_an_order_in_another_currency_has_one_page_however_often_it_is_asked_for(shop: Shop) -> None:
    # Given an order in yen, of which the events do not say so
    learn(shop, "activated", currency=None)
    shop.waffo.order(ORDER, "starter", currency="JPY")
    # When
    pages = {shop.checkout(plan="pro").body["checkout_id"] for _ in range(3)}
    for _ in range(3):
        click(shop)
    # Then Waffo was asked for one session, in yen
    assert (len(pages), [session["currency"] for session in shop.waffo.sessions]) == (1, ["JPY"])


def test_a_change_that_was_agreed_for_the_next_period_is_not_offered_on_its_used_page(shop: Shop) -> None:
    # Given a downgrade that was confirmed and takes effect later
    learn(shop, "activated", plan="pro")
    asked = {"kind": "plan_change", "plan": "starter", "timing": "next_period"}
    first = shop.checkout(**asked)
    learn(shop, "plan_change_scheduled", plan="starter", at="2026-03-10T15:21:00")
    # When it is asked for again
    shop.wait(timedelta(minutes=2))
    second = shop.checkout(**asked)
    # Then there is a new page
    assert (second.status, second.body["checkout_id"] != first.body["checkout_id"]) == (HTTPStatus.CREATED, True)


def test_a_change_that_was_agreed_is_to_the_plan_of_our_checkout_where_waffo_names_the_plan_there_is(
    shop: Shop,
) -> None:
    # Given
    learn(shop, "activated", plan="pro")
    asked = shop.checkout(kind="plan_change", plan="starter", timing="next_period").body["checkout_id"]
    # When, twice
    learn(shop, "plan_change_scheduled", plan="pro", at="2026-03-10T15:21:00")
    world = World(shop.metering.table, NOW)
    world.take(lifecycle("plan_change_scheduled", ORDER, "2026-03-10T15:21:00", *PERIOD, plan="pro", currency="USD"))
    # Then the change is known, and nothing is waited for in the checkout
    known, checkout = read_subscription(shop.metering.table, "acct_1001"), read_checkout(shop.metering.table, asked)
    assert known is not None
    assert known.orders[0].pending is not None
    assert known.orders[0].pending.plan_key == "starter"
    assert checkout is not None
    assert (checkout.status, checkout.payment_ids) == ("paid", (ORDER,))
    assert known.superseded == frozenset()


@pytest.mark.parametrize("asked", [(), ("starter", "scale")])
def test_an_agreed_change_that_no_checkout_tells_of_is_to_a_plan_that_nobody_knows(
    shop: Shop, asked: tuple[str, ...]
) -> None:
    learn(shop, "activated", plan="pro")
    for plan in asked:
        assert shop.checkout(kind="plan_change", plan=plan, timing="next_period").status == HTTPStatus.CREATED
    learn(shop, "plan_change_scheduled", plan="pro", at="2026-03-10T15:21:00")
    known = read_subscription(shop.metering.table, "acct_1001")
    assert known is not None
    assert known.orders[0].pending is not None
    assert known.orders[0].pending.plan_key == "pro"


@pytest.mark.parametrize("is_heard_of", [False, True])
def test_a_change_in_another_currency_than_the_orders_is_refused_with_the_one_to_ask_for(
    shop: Shop, *, is_heard_of: bool
) -> None:
    shop.waffo.order(ORDER, "starter", currency="JPY")
    if is_heard_of:
        learn(shop, "activated")
    refused = shop.checkout(plan="pro", currency="USD")
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "not_for_sale")
    assert refused.body["currency"] == "JPY"
    assert shop.waffo.sessions == []


def test_of_two_orders_for_one_meter_the_better_one_is_changed_and_no_plan_is_sold_that_either_has(shop: Shop) -> None:
    # Given Pro, and Starter bought beside it later
    learn(shop, "activated", ORDER, plan="pro")
    learn(shop, "activated", OTHER, plan="starter", at="2026-03-10T15:19:00")
    # When
    refused = [shop.checkout(plan=plan) for plan in ("pro", "starter")]
    click(shop)
    # Then
    assert [each.body["code"] for each in refused] == ["already_subscribed"] * 2
    assert [each.body["order_id"] for each in refused] == [ORDER, OTHER]
    assert sold(shop) == [("plan_change", "scale", ORDER)]


def test_a_sale_of_tokens_changes_the_order_that_grants_tokens_not_the_one_of_other_meters(shop: Shop) -> None:
    learn(shop, "activated", ORDER, plan="starter")
    learn(shop, "activated", OTHER, plan="agent", at="2026-03-10T15:19:00")
    click(shop)
    assert shop.checkout(plan="scale").body["origin_order_id"] == ORDER
    assert sold(shop) == [("plan_change", "pro", ORDER), ("plan_change", "scale", ORDER)]
