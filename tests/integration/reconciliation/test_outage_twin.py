"""An hour's outage in the middle of a busy day: after one run, everything is as in a twin world without the outage."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.balance.balances import charts_put_away
from pancake_meter.store.table import Table
from tests.support.busy_day import END, HEALED, MONTH_BEFORE, OUTAGE, Act, Life, busy_day, live, story_of
from tests.support.table import create_table
from tests.support.waffo_world import WaffoWorld
from tests.support.world_picture import pictures

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TOLD = {
    *("order.completed", "refund.succeeded", "subscription.payment_succeeded", "subscription.activated"),
    *("subscription.renewed", "subscription.recovered", "subscription.past_due", "subscription.plan_changed"),
    *(
        "subscription.plan_change_scheduled",
        "subscription.canceling",
        "subscription.uncanceled",
        "subscription.canceled",
    ),
}


@pytest.fixture
def twins(dynamodb: "DynamoDBClient") -> Iterator[tuple[WaffoWorld, WaffoWorld]]:
    """Two worlds that differ in nothing but the outage: the first one has it."""
    names = [create_table(dynamodb, f"test-{uuid.uuid4().hex}") for _ in range(2)]
    struck, spared = (WaffoWorld(Table(dynamodb, name, sleep=lambda _: None), MONTH_BEFORE) for name in names)
    struck.deliverer.outage = OUTAGE
    yield struck, spared
    for name in names:
        dynamodb.delete_table(TableName=name)


def assert_alike(struck: dict[str, Any], spared: dict[str, Any]) -> None:
    for customer_id, truth in spared.items():
        for name, value in truth.items():
            assert struck[customer_id][name] == value, (customer_id, name)


def live_until_healed(twins: tuple[WaffoWorld, WaffoWorld], acts: list[Act]) -> tuple[dict[str, Life], dict[str, Life]]:
    lives: tuple[dict[str, Life], dict[str, Life]] = ({}, {})
    for world, of in zip(twins, lives, strict=True):
        live(world, [act for act in acts if act.at < HEALED], HEALED, of)
    return lives


@pytest.mark.parametrize("period_bounds", ["instant", "date"])
@pytest.mark.parametrize(
    ("seed", "rounds"), [(7, 2), *(pytest.param(seed, 4, marks=pytest.mark.load) for seed in range(100, 110))]
)
def test_scenario_23_after_an_hours_outage_one_run_makes_it_as_if_nothing_had_happened(
    twins: tuple[WaffoWorld, WaffoWorld], period_bounds: str, seed: int, rounds: int
) -> None:
    # Given
    acts = busy_day(seed, rounds=rounds, uses_while_unheard=False)
    customers = sorted({act.customer_id for act in acts})
    for world in twins:
        world.waffo.state.settings.period_bounds = period_bounds
    lives = live_until_healed(twins, acts)
    struck, spared = twins
    lost = [delivery for delivery in struck.waffo.state.deliveries.values() if delivery.status == "failed"]
    assert {delivery.event_type for delivery in lost} == TOLD
    truth = pictures(spared, customers)
    # When
    report = struck.reconcile()
    # Then
    assert (report.failed, report.parked, report.left) == (0, 0, [])
    assert_alike(pictures(struck, customers), truth)
    # And the day goes on alike
    for world, of in zip(twins, lives, strict=True):
        live(world, [act for act in acts if act.at >= HEALED], END, of)
    assert struck.reconcile().healed == 0
    assert_alike(pictures(struck, customers), pictures(spared, customers))


def test_scenario_23_usage_while_a_change_was_not_known_is_counted_in_the_period_that_was_open(
    twins: tuple[WaffoWorld, WaffoWorld],
) -> None:
    # Given customers who go on working while we do not know of their renewals, plan changes and cancellations
    acts = busy_day(11, rounds=1, uses_while_unheard=True)
    customers = sorted({act.customer_id for act in acts})
    live_until_healed(twins, acts)
    struck, spared = twins
    # When
    struck.reconcile()
    # Then: what is known is the same, and every unit is counted, whichever period it went to
    told, truth = pictures(struck, customers), pictures(spared, customers)
    for customer_id in customers:
        for name in ("orders", "plans", "checkouts"):
            assert told[customer_id][name] == truth[customer_id][name], (customer_id, name)
        assert used(struck, customer_id) == used(spared, customer_id)


def used(world: WaffoWorld, customer_id: str) -> Decimal:
    """All that a customer ever used."""
    balances = world.stack.metering.current_balances(customer_id, world.now)
    closed = (charts_put_away(world.table, customer_id, balance.meter, page=25) for balance in balances)
    summed = sum((chart.used for charts in closed for chart in charts), Decimal(0))
    return summed + sum((balance.used for balance in balances), Decimal(0))


@pytest.mark.parametrize("period_bounds", ["instant", "date"])
def test_without_a_single_failed_delivery_to_read_the_orders_and_checkouts_themselves_heal_all_they_show(
    twins: tuple[WaffoWorld, WaffoWorld], period_bounds: str
) -> None:
    # Given an outage of which Waffo keeps no delivery: the webhook was not registered
    for world in twins:
        world.waffo.state.settings.period_bounds = period_bounds
    acts = busy_day(13, rounds=1, uses_while_unheard=False)
    customers = sorted({act.customer_id for act in acts})
    live_until_healed(twins, acts)
    struck, spared = twins
    deliveries = struck.waffo.state.deliveries
    for delivery_id in [delivery.id for delivery in deliveries.values() if delivery.status == "failed"]:
        del deliveries[delivery_id]
    # When
    report = struck.reconcile()
    assert (report.failed, report.left) == (0, [])
    # Then: what GraphQL does not show is all that is missing
    told, truth = pictures(struck, customers), pictures(spared, customers)
    missing = {story_of(each) for each in customers if standing(told[each]) != standing(truth[each])}
    assert missing == {"gets_money_back", "gets_a_period_back", "tops_up_in_a_rebuilt_checkout"}
    assert struck.reconcile().healed == 0


def standing(picture: dict[str, Any]) -> dict[str, Any]:
    """What a customer notices: plan, period by day (GraphQL knows the instant, webhooks may not), use, what is left."""
    balances = {
        meter: (of["plan"], of["used"], of["period"].start.date(), of["period"].end.date())
        for meter, of in picture["balances"].items()
    }
    return {"available": picture["available"], "balances": balances}
