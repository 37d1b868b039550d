"""Issue 11, points 12 and 16: a customer's orders fit into one item, whatever plans the catalog may have."""

from datetime import UTC, datetime, timedelta

import pytest

from pancake_meter.catalog import CatalogError, parse_catalog
from pancake_meter.catalog.model import METERS_MAX, PRICES_OF_PLAN_MAX
from pancake_meter.domain.errors import SubscriptionTooLarge
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import PaidPeriod, Sale
from pancake_meter.domain.standing.subscription import MAX_ORDERS, Subscription
from pancake_meter.store.standing import subscriptions
from pancake_meter.store.standing.subscriptions import subscription_item, subscription_write
from pancake_meter.store.table import ITEM_BYTES_MAX, stored_bytes
from pancake_meter.value import replace

BEGAN = datetime(2026, 3, 10, tzinfo=UTC)
LONGEST = "123456789012345.123456"
PRICE = "123456789.123456789012"
HEAD = """
usage_product = { name = "Usage", product_id = { test = "PROD_9tUsageOneTime00000001" } }
[checkout]
currency = "USD"
"""


def fullest(meters: int, tiers: int, *currencies: str, unit_price: str = PRICE) -> str:
    """A catalog of one plan, with the longest names, numbers and lists."""
    names = [f"{number:03d}".rjust(32, "m") for number in range(meters)]
    paid = f'unit_price = "{unit_price}"' + (f', flat = "{PRICE}"' if unit_price == PRICE else "")
    last_places = ".123456" if unit_price == PRICE else ""
    steps = [f'{{ up_to = "{number}000{last_places}", {paid} }}' for number in range(1, tiers)]
    price = f'{{ model = "graduated", tiers = [ {", ".join([*steps, f"{{ {paid} }}"])} ] }}'
    allowances = [
        f"[plans.{'p' * 32}.allowances.{name}]\n"
        f'quantity = "{LONGEST}"\noverage = "capped"\noverage_limit = "{LONGEST}"\nrollover_maximum = "{LONGEST}"\n'
        f"alert_thresholds = {[f'0.{step}23456' for step in range(10)]}\n"
        f"prices = {{ {', '.join(f'{currency} = {price}' for currency in currencies)} }}"
        for name in names
    ]
    listed = [f'[meters.{name}]\nname = "Meter"\nunit = "unit"' for name in names]
    plan = (
        f'[plans.{"p" * 32}]\nname = "{"P" * 64}"\nrank = 1\npast_due = {{ policy = "reduce", fraction = "0.123456" }}'
    )
    return "\n".join([HEAD, *listed, plan, *allowances])


def bought(plan: Plan, orders: int) -> Subscription:
    """A customer with so many orders, each of its own version of a plan."""
    subscription = Subscription("c" * 128)
    for number in range(orders):
        at = BEGAN + number * timedelta(days=40)
        period = StatedPeriod(Bound(at, is_day=False), Bound(at + timedelta(days=31), is_day=False), 1)
        paid = PaidPeriod.of(period, Sale(replace(plan, rank=number), at, None, None))
        subscription = subscription.learn(OrderFacts(f"ORD_{number:022d}", (at, at), periods=(paid,), ended_at=at))
    return subscription


@pytest.mark.parametrize(
    "catalog",
    [
        fullest(37, 1, "USD", "JPY"),
        fullest(METERS_MAX, 2, "USD"),
        fullest(3, 49, "USD"),
        fullest(1, 49, "USD", "EUR", "JPY"),
    ],
    ids=["two currencies", "many meters", "many tiers", "many currencies"],
)
def test_point_12_as_many_orders_as_are_remembered_of_the_fullest_plans_are_one_item(catalog: str) -> None:
    (plan,) = parse_catalog(catalog).plans.values()
    subscription = bought(plan, MAX_ORDERS + 1)
    item = subscription_item(subscription)
    assert len([order for order in subscription.orders if not order.is_outline]) == MAX_ORDERS
    assert stored_bytes(item) <= ITEM_BYTES_MAX


def test_point_12_the_catalog_check_holds_a_plan_to_so_many_prices() -> None:
    # Given a plan at the bound, one beyond it, and 50 meters with 50 tiers each in two currencies
    assert parse_catalog(fullest(3, PRICES_OF_PLAN_MAX // 3 - 1, "USD")).plans
    beyond = fullest(4, 37, "USD")
    far_beyond = fullest(METERS_MAX, 50, "USD", "JPY", unit_price="1")

    # Then
    for catalog, prices in ((beyond, PRICES_OF_PLAN_MAX + 2), (far_beyond, 5_100)):
        with pytest.raises(CatalogError, match=f"have {prices} prices, at most {PRICES_OF_PLAN_MAX}") as refused:
            parse_catalog(catalog)
        assert [problem.path for problem in refused.value.problems] == [f"plans.{'p' * 32}.allowances"]


def test_point_16_orders_beyond_one_item_are_refused_before_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    (plan,) = parse_catalog(fullest(1, 1, "USD")).plans.values()
    subscription = bought(plan, 3)
    size = stored_bytes(subscription_item(subscription))
    monkeypatch.setattr(subscriptions, "ITEM_BYTES_MAX", size)
    assert subscription_write(subscription).item == subscription_item(subscription)
    monkeypatch.setattr(subscriptions, "ITEM_BYTES_MAX", size - 1)
    with pytest.raises(SubscriptionTooLarge):
        subscription_write(subscription)
