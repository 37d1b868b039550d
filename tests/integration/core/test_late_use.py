"""Usage of a paid period that an order in its place has ended, told late: it is gone under that order, too."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import closed_periods
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance import record_late
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota, settle_with_event
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.value import replace
from tests.support.pure_subscription import CATALOG, PLANS
from tests.support.webhook_world import CUSTOMER, World, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pancake_meter.domain.standing.subscription import Subscription

MARCH = ("2026-03-10", "2026-04-10")
HOUR = timedelta(hours=1)
CHANGED, TOLD = "2026-03-20T12:00:00", utc("2026-03-20T12:00:05")
PRO = PLANS["pro"].allowances["tokens"].quantity
BEGINS_ANEW = replace(CATALOG, plans={key: replace(plan, quota_change="reset") for key, plan in CATALOG.plans.items()})


def upgraded(dynamodb: "DynamoDBClient", table: str) -> World:
    """A customer who used 100 units before an order took the place of another."""
    world = World(Table(dynamodb, table, sleep=lambda _: None), utc("2026-03-10T15:00:00"))
    world.take(lifecycle("activated", "ORD_1", "2026-03-10T15:00:00", *MARCH))
    world.use(100, now=utc("2026-03-12"))
    world.take(lifecycle("canceled", "ORD_1", CHANGED, *MARCH), utc(CHANGED))
    world.take(lifecycle("plan_changed", "ORD_2", CHANGED, *MARCH, plan="pro"), utc(CHANGED))
    assert world.available(now=TOLD) == PRO - 100
    return world


def told(world: World, event_id: str, units: int) -> str:
    event = usage_event(event_id, Decimal(units), utc("2026-03-20T11:59:58"), TOLD)
    return record_events(world.metering, CUSTOMER, "tokens", [event], TOLD)[event_id]


def test_usage_that_began_before_an_upgrade_and_is_told_after_it_counts_under_the_new_plan(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    world = upgraded(dynamodb, table)
    assert [told(world, *event) for event in (("e1", 40), ("e2", 2), ("e1", 40))] == ["counted", "counted", "duplicate"]
    assert world.available(now=TOLD) == PRO - 142
    # And an event that says nothing new of the standing changes nothing of that
    world.take(lifecycle("canceling", "ORD_2", "2026-03-21T12:00:00", *MARCH, plan="pro"), TOLD + timedelta(days=1))
    assert world.available(now=TOLD + timedelta(days=1)) == PRO - 142


def test_an_event_that_changes_the_standing_meanwhile_is_not_written_over(
    dynamodb: "DynamoDBClient", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a webhook that comes between the reading and the writing
    world = upgraded(dynamodb, table)
    reads: list[Subscription | None] = []

    def read(at: Table, customer_id: str) -> "Subscription | None":
        known = read_subscription(at, customer_id)
        if not reads:
            world.take(lifecycle("canceling", "ORD_2", "2026-03-20T12:00:01", *MARCH, plan="pro"), TOLD)
        reads.append(known)
        return known

    monkeypatch.setattr(record_late, "read_subscription", read)
    # When
    assert told(world, "e1", 40) == "counted"
    # Then both are known
    assert len(reads) == 2
    subscription = read_subscription(world.table, CUSTOMER)
    order = subscription.order("ORD_2") if subscription else None
    assert order is not None
    assert order.is_canceling
    assert world.available(now=TOLD) == PRO - 140


@pytest.mark.parametrize("kind", ["event", "settlement"])
def test_usage_of_before_a_change_that_began_whole_takes_nothing_of_the_new_allowance(
    dynamodb: "DynamoDBClient", table: str, kind: str
) -> None:
    # Given a change of plan under its order, in the same period, after which everything begins anew
    world = World(Table(dynamodb, table, sleep=lambda _: None), utc("2026-03-10T15:00:00"), catalog=BEGINS_ANEW)
    world.take(lifecycle("activated", "ORD_1", "2026-03-10T15:00:00", *MARCH))
    world.use(100, now=utc("2026-03-12"))
    before = utc("2026-03-20T11:59:57")
    if kind == "settlement":
        assert isinstance(hold_quota(world.metering, CUSTOMER, "tokens", "h1", Decimal(50), HOUR, before), HoldPlaced)
    world.take(lifecycle("plan_changed", "ORD_1", CHANGED, *MARCH, plan="pro"), utc(CHANGED))
    # When usage of the moment before it is told
    if kind == "event":
        assert told(world, "e1", 40) == "counted"
    else:
        used = usage_event("h1", Decimal(40), utc("2026-03-20T11:59:58"), TOLD)
        settle_with_event(
            world.metering, CUSTOMER, HoldHandle("tokens", Decimal(50), "h1"), used, TOLD, of_any_time=False
        )
    # Then
    assert world.available(now=TOLD) == PRO
    periods = closed_periods(world.table, CUSTOMER, "tokens", page=9)
    assert next((period.plan, period.gone) for period in periods) == ("starter", Decimal(140))
