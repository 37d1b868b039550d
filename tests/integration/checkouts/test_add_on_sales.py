"""Issue 11, point 7: an add-on is sold beside whatever the customer has, and once."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.usecases.balance.metering import Metering
from tests.integration.checkouts.conftest import NOW, Shop
from tests.integration.checkouts.test_plan_sales import ORDER as BASE
from tests.integration.checkouts.test_plan_sales import OTHER, PERIOD, click, sold
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.webhook_world import World, lifecycle

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BOOST_ORDER = OTHER


@pytest.fixture
def shop(dynamodb: "DynamoDBClient", table: str) -> Shop:
    made = Shop(dynamodb, table)
    made.metering = Metering(made.metering.table, WITH_ADD_ONS)
    return made


def learn(shop: Shop, kind: str, order: str, plan: str, at: str = "2026-03-10T15:00:00") -> None:
    """Deliver one event of an order."""
    world = World(shop.metering.table, NOW, catalog=WITH_ADD_ONS)
    assert world.take(lifecycle(kind, order, at, *PERIOD, plan=plan)).verdict == "applied"


def check_already_subscribed(shop: Shop, order: str, **asked: Any) -> None:
    refused = shop.checkout(**asked)
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "already_subscribed")
    assert (refused.body["order_id"], refused.body["ask_for"]) == (order, None)


@pytest.mark.parametrize("asked", [{}, {"kind": "subscription"}])
@pytest.mark.parametrize("told_by", ["webhook", "waffo"])
def test_an_add_on_is_sold_beside_a_plan_as_a_subscription_of_its_own(
    shop: Shop, asked: dict[str, str], told_by: str
) -> None:
    # Given
    if told_by == "webhook":
        learn(shop, "activated", BASE, "pro")
    shop.waffo.order(BASE, "pro")
    # When
    made = shop.checkout(plan="boost", **asked)
    # Then
    assert (made.status, made.body["kind"], made.body["origin_order_id"]) == (HTTPStatus.CREATED, "subscription", None)
    assert sold(shop) == [("subscription", "boost", None)]


def test_an_add_on_is_sold_to_a_customer_without_a_plan(shop: Shop) -> None:
    assert shop.checkout(plan="boost").body["kind"] == "subscription"


def test_an_add_on_is_never_a_change_of_the_plan(shop: Shop) -> None:
    # Given
    learn(shop, "activated", BASE, "pro")
    # When
    refused = shop.checkout(kind="plan_change", plan="boost")
    # Then
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "not_for_sale")
    assert shop.waffo.sessions == []


@pytest.mark.parametrize("asked", [{}, {"kind": "subscription"}, {"kind": "plan_change"}])
@pytest.mark.parametrize("told_by", ["webhook", "waffo"])
def test_the_add_on_that_the_customer_has_is_not_sold_again(shop: Shop, asked: dict[str, str], told_by: str) -> None:
    # Given
    learn(shop, "activated", BASE, "pro")
    if told_by == "webhook":
        learn(shop, "activated", BOOST_ORDER, "boost")
    shop.waffo.order(BASE, "pro")
    shop.waffo.order(BOOST_ORDER, "boost")
    # When / Then
    check_already_subscribed(shop, BOOST_ORDER, plan="boost", **asked)
    assert shop.waffo.sessions == []


def test_an_add_on_that_has_ended_is_sold_again(shop: Shop) -> None:
    # Given: its end is known to Waffo alone
    learn(shop, "activated", BOOST_ORDER, "boost")
    shop.waffo.order(BOOST_ORDER, "boost", status="canceled")
    # When / Then
    assert shop.checkout(plan="boost").body["kind"] == "subscription"


def test_another_add_on_is_sold_beside_the_first(shop: Shop) -> None:
    # Given
    learn(shop, "activated", BOOST_ORDER, "boost")
    shop.waffo.order(BOOST_ORDER, "boost")
    # When / Then
    assert shop.checkout(plan="turbo").body["kind"] == "subscription"


@pytest.mark.parametrize("told_by", ["webhook", "waffo"])
def test_a_plan_is_sold_beside_an_add_on_as_a_subscription_of_its_own(shop: Shop, told_by: str) -> None:
    # Given
    if told_by == "webhook":
        learn(shop, "activated", BOOST_ORDER, "boost")
    shop.waffo.order(BOOST_ORDER, "boost")
    # When a plan is asked for by name, and then the next one up
    made = shop.checkout(kind="subscription", plan="pro")
    click(shop)
    # Then neither changes the add-on
    assert made.body["kind"] == "subscription"
    assert sold(shop) == [("subscription", "pro", None), ("subscription", "starter", None)]


@pytest.mark.parametrize("newer", ["starter", "boost"])
def test_an_upgrade_changes_the_plan_whichever_order_is_the_newer(shop: Shop, newer: str) -> None:
    # Given
    orders = [(BASE, "starter"), (BOOST_ORDER, "boost")]
    for order, plan in orders if newer == "boost" else reversed(orders):
        learn(shop, "activated", order, plan)
        shop.waffo.order(order, plan)
    # When
    click(shop)
    made = shop.checkout(plan="pro")
    # Then
    assert made.body["origin_order_id"] == BASE
    assert {origin for _, _, origin in sold(shop)} == {BASE}


def test_promise_11_a_plan_whose_order_ended_unheard_is_sold_anew_and_the_add_on_stays(shop: Shop) -> None:
    # Given
    learn(shop, "activated", BASE, "starter")
    learn(shop, "activated", BOOST_ORDER, "boost")
    shop.waffo.order(BASE, "starter", status="canceled")
    shop.waffo.order(BOOST_ORDER, "boost")
    # When
    click(shop)
    # Then: Waffo refuses the change, and the order that it has instead is no plan's
    assert sold(shop) == [("subscription", "starter", None)]


def test_no_link_offers_an_add_on(shop: Shop) -> None:
    # Given: boost has more tokens than free, and the lowest rank
    assert WITH_ADD_ONS.upgrade_of("free", "tokens", "test") is WITH_ADD_ONS.plans["starter"]
    # When
    click(shop)
    # Then
    assert sold(shop) == [("subscription", "starter", None)]
