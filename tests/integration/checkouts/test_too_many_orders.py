"""Issue 11, point 14: a plan or an add-on that would find no place among the customer's orders is not sold."""

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.deps.alerts import stack_bell
from pancake_meter.deps.quota import quota_deps
from pancake_meter.domain.standing.subscription import MAX_ORDERS, ORDERS_NOT_SOLD, Subscription
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.purchase_link import PurchaseLink, make_link
from tests.integration.checkouts.conftest import NOW, SECRET, Shop
from tests.integration.checkouts.test_plan_sales import ORDER, PERIOD, click, sold
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.webhook_world import CUSTOMER, World, lifecycle

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SOLD_MAX = MAX_ORDERS - ORDERS_NOT_SOLD
PLAN = ORDER


@pytest.fixture
def shop(dynamodb: "DynamoDBClient", table: str) -> Shop:
    made = Shop(dynamodb, table)
    made.metering = Metering(made.metering.table, WITH_ADD_ONS)
    return made


def learn(shop: Shop, order: str, plan: str, kind: str = "activated", *, minute: int = 0, **data: Any) -> str:
    """Deliver one event of an order, and return the verdict."""
    world = World(shop.metering.table, NOW + timedelta(hours=1), catalog=WITH_ADD_ONS)
    at = f"2026-03-10T15:{minute:02d}:00"
    return str(world.take(lifecycle(kind, order, at, *PERIOD, plan=plan, **data)).verdict)


def hold(shop: Shop, count: int, plan: str = "turbo") -> None:
    """Give the customer so many orders that stand."""
    for number in range(count):
        assert learn(shop, f"ORD_{number:02d}", plan, minute=number) == "applied"
        shop.waffo.order(f"ORD_{number:02d}", plan)


def subscription(shop: Shop) -> Subscription:
    known = read_subscription(shop.metering.table, CUSTOMER)
    assert known is not None
    return known


@pytest.mark.parametrize("wanted", ["boost", "starter"])
@pytest.mark.parametrize("kind", [{}, {"kind": "subscription"}])
def test_point_14_one_more_order_is_refused_before_anything_is_opened(
    shop: Shop, wanted: str, kind: dict[str, str]
) -> None:
    # Given
    hold(shop, SOLD_MAX)
    # When
    refused = shop.checkout(plan=wanted, **kind)
    # Then
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "too_many_orders")
    assert (refused.body["plan"], refused.body["limit"]) == (wanted, SOLD_MAX)
    assert (shop.waffo.sessions, shop.waffo.tokens) == ([], [])
    assert list_checkouts(shop.metering.table, CUSTOMER, limit=10)[0] == []


def test_point_14_the_last_order_that_is_sold_and_those_nobody_asked_about_are_all_delivered(shop: Shop) -> None:
    # Given a customer with one place left, who opens two payment pages before paying either
    hold(shop, SOLD_MAX - 1)
    opened = [shop.checkout(plan=plan) for plan in ("boost", "starter")]
    assert {each.status for each in opened} == {HTTPStatus.CREATED}
    # When both are paid, and Waffo sells as many more as have a place
    for number, plan in enumerate(["boost", "starter", *["turbo"] * (ORDERS_NOT_SOLD - 1)], start=SOLD_MAX - 1):
        assert learn(shop, f"ORD_{number:02d}", plan, minute=number) == "applied"
    # Then no money has come for an order that is not remembered
    assert len(subscription(shop).live_orders) == MAX_ORDERS
    assert learn(shop, "ORD_99", "turbo", minute=59) == "failed"


def test_an_order_that_has_ended_frees_its_place(shop: Shop) -> None:
    hold(shop, SOLD_MAX)
    assert shop.checkout(plan="boost").body["code"] == "too_many_orders"
    assert learn(shop, "ORD_03", "turbo", "canceled", minute=40) == "applied"
    assert shop.checkout(plan="boost").status == HTTPStatus.CREATED


def test_a_plan_change_takes_the_place_of_its_order_however_many_stand(shop: Shop) -> None:
    # Given as many orders as are remembered, one of which is a plan's
    hold(shop, MAX_ORDERS - 1)
    assert learn(shop, PLAN, "starter", minute=30) == "applied"
    shop.waffo.order(PLAN, "starter")
    # When
    made = shop.checkout(plan="pro")
    assert click(shop).status == HTTPStatus.SEE_OTHER
    # Then
    assert (made.status, made.body["kind"], made.body["origin_order_id"]) == (HTTPStatus.CREATED, "plan_change", PLAN)
    assert sold(shop)[0] == ("plan_change", "pro", PLAN)
    # And the order that Waffo makes of it is delivered
    metadata = shop.waffo.sessions[0]["metadata"]
    assert learn(shop, "ORD_NEW", "pro", "plan_changed", minute=40, orderMetadata=metadata) == "applied"
    live = subscription(shop).live_orders
    assert (len(live), live[0].order_id, live[0].replaces) == (MAX_ORDERS, "ORD_NEW", frozenset({PLAN}))


def test_a_plan_that_ended_unheard_is_not_sold_anew_beside_too_many(shop: Shop) -> None:
    # Given a plan whose end is known to Waffo alone
    hold(shop, SOLD_MAX)
    assert learn(shop, PLAN, "starter", minute=30) == "applied"
    shop.waffo.order(PLAN, "starter", status="canceled")
    # When Waffo refuses to change it
    refused = shop.checkout(plan="pro")
    # Then what would be sold in its place is refused
    assert (refused.status, refused.body["code"], shop.waffo.sessions) == (HTTPStatus.CONFLICT, "too_many_orders", [])


@pytest.mark.parametrize(
    ("lang", "title", "text"),
    [
        ("en", "You have as many subscriptions as your account can hold", "Please cancel a subscription"),
        ("zh-Hans", "您的账户已无法容纳更多订阅", "请取消一个不再需要的订阅"),
    ],
)
def test_the_page_of_a_link_says_that_no_plan_can_be_sold_now(shop: Shop, lang: str, title: str, text: str) -> None:
    # Given
    hold(shop, SOLD_MAX)
    path = make_link(SECRET, "", PurchaseLink(CUSTOMER, "plan", "tokens"), NOW)
    # When
    page = shop.see(path, lang=lang)
    # Then
    assert page.status == HTTPStatus.CONFLICT
    assert title in page.body
    assert text in page.body
    assert "<form" not in page.body
    assert shop.waffo.sessions == []


def test_a_page_that_was_seen_before_sells_no_plan_after_the_last_place_is_taken(shop: Shop) -> None:
    # Given
    hold(shop, SOLD_MAX - 1)
    path = make_link(SECRET, "", PurchaseLink(CUSTOMER, "plan", "tokens"), NOW)
    page = shop.see(path)
    assert page.status == HTTPStatus.OK
    learn(shop, "ORD_98", "boost", minute=50)
    # When
    pressed = shop.press(path, page)
    # Then
    assert pressed.status == HTTPStatus.CONFLICT
    assert "You have as many subscriptions as your account can hold" in pressed.body
    assert shop.waffo.sessions == []


def test_units_are_sold_however_many_orders_stand(shop: Shop) -> None:
    hold(shop, MAX_ORDERS)
    assert shop.checkout(kind="top_up", meter="tokens").status == HTTPStatus.CREATED


@pytest.mark.parametrize(("count", "is_offered"), [(SOLD_MAX - 1, True), (SOLD_MAX, False)])
def test_refusals_and_alerts_of_the_stack_offer_no_plan_that_would_be_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, count: int, *, is_offered: bool
) -> None:
    # Given the bell and the gate as they are in AWS, on this table
    for module in ("alerts", "quota"):
        monkeypatch.setattr(f"pancake_meter.deps.{module}.stack_metering", lambda: shop.metering)
    monkeypatch.setattr("pancake_meter.deps.alerts.Secret", lambda _: lambda: SECRET)
    monkeypatch.setenv("PURCHASE_LINK_SECRET_ID", "purchase-link")
    hold(shop, count)
    # Then
    balance = shop.metering.current_balance(CUSTOMER, "tokens", shop.now)
    for offers in (stack_bell().offers, quota_deps().offers):
        assert ("upgrade_url" in offers.links(balance, "https://api.example.com", shop.now)) is is_offered
        assert bool(offers.plans(CUSTOMER, "tokens", "https://api.example.com", shop.now)) is is_offered
