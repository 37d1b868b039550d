"""Customers whose subscription and balance the version before wrote, in the middle of a period: nothing is lost or twice."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.grant import Grant, periodic_grant_id
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import to_ms
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.store.balance.balance_item import balance_item
from pancake_meter.store.keys import subscription_key
from pancake_meter.store.selling.plan_item import plan_item
from pancake_meter.store.table import Put, Table
from pancake_meter.value import replace
from tests.support.webhook_world import CUSTOMER, World, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

A, B = "ORD_A", "ORD_B"
NOW = utc("2026-03-22T12:00:00")
START, END = utc("2026-03-10"), utc("2026-04-10")


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    return World(Table(dynamodb, table, sleep=lambda _: None), NOW)


def order(plan: Plan, order_id: str = A, **more: object) -> dict[str, Any]:
    """An order as format 1 had it."""
    at = to_ms(utc("2026-03-10T15:14:33"))
    paid = {
        "start": {"at": to_ms(START), "is_day": True},
        "end": {"at": to_ms(END), "is_day": True},
        "number": 1,
        "plan": plan_item(plan),
        "sold_at": at,
    }
    status = {"kind": "active", "period": [to_ms(START), 0], "at": at}
    known = {"id": order_id, "began": [to_ms(START), at], "is_plan_change": False, "refunds": {}}
    return {**known, "paid": paid, "status": status, **more}


def subscription(*orders: Mapping[str, Any], **more: object) -> dict[str, Any]:
    """A subscription as format 1 had it."""
    return {**subscription_key(CUSTOMER), "version": 3, "orders": list(orders), "entered": {}, "carried": {}, **more}


def balance(plan: Plan, given: int, left: int, used: int, start: datetime = START) -> Balance:
    """A balance in the middle of a paid period. Format 1 gave a plan's units less what was gone of them before."""
    policy = Policy.of(plan, "tokens")
    term = Term(A, start, END, END + plan.renewal_leeway)
    grant = Grant(periodic_grant_id("plan", start), "plan", Decimal(given), Decimal(left), 50, start)
    opened = Balance(CUSTOMER, "tokens", policy, term, Period(start, END), as_of=NOW, segment=4, grants=(grant,))
    return replace(opened, used=Decimal(used), burned=Decimal(used), closed_until=start)


def store(world: World, stored: dict[str, Any], of: Balance) -> None:
    """Write both as the version before did; nothing else knows of the format then."""
    world.table.transact([Put(balance_item(of))])
    # The table stamps what it writes, so the item goes in below it, without a format.
    client, name = world.table._client, world.table._name
    from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415

    serialize = TypeSerializer().serialize
    client.put_item(TableName=name, Item={key: serialize(value) for key, value in stored.items()})


def test_a_period_goes_on_and_renews_once(world: World) -> None:
    starter = world.catalog.plans["starter"]
    store(
        world, subscription(order(starter), entered={A: [[to_ms(START), 0]]}), balance(starter, 100_000, 40_000, 60_000)
    )
    # Then it goes on, whatever repeats
    assert world.available() == 40_000
    again = lifecycle("activated", A, "2026-03-10", "2026-03-10", "2026-04-10")
    world.take(again)
    assert world.available() == 40_000
    # And renews
    renewed = lifecycle("renewed", A, "2026-04-10", "2026-04-10", "2026-05-10", number=2)
    for _ in range(2):
        world.take(renewed, utc("2026-04-10T15:15:00"))
        assert world.available(now=utc("2026-04-10T15:15:00")) == 100_000


def test_a_changed_plan_keeps_what_was_gone_before_and_after_the_change(world: World) -> None:
    # Given Starter with 60,000 used, changed to Pro on the same order, and 10,000 used since
    pro = world.catalog.plans["pro"]
    carried = {"inherited": Decimal(0), "own": Decimal(60_000), "ends_at": to_ms(END), "window_start": to_ms(START)}
    known = order(pro, is_plan_change=True, changed_at=to_ms(utc("2026-03-15")))
    known["paid"]["sold_at"] = to_ms(utc("2026-03-15"))
    stored = subscription(known, carried={"tokens": carried}, entered={A: [[to_ms(START), 0]]})
    store(world, stored, balance(pro, 940_000, 930_000, 70_000))
    # When half of the money goes back
    world.take(payment(A, "PAY_1", "2026-03-10", plan="pro", productName="Pro", productMetadata={"plan": "pro"}))
    assert world.available() == 930_000
    world.take(refund(A, "PAY_1", "REF_1", "2026-03-22", amount="4.50", periodNumber=1))
    # Then
    assert world.available() == 430_000


def test_a_share_that_was_refunded_stays_refunded(world: World) -> None:
    starter = world.catalog.plans["starter"]
    share = {"share": Decimal("0.5"), "paid_at": to_ms(utc("2026-03-10T15:14:32")), "number": 1}
    stored = subscription(order(starter, refunds={"PAY_1": share}), entered={A: [[to_ms(START), 0]]})
    half = replace(starter, allowances={"tokens": replace(starter.allowances["tokens"], quantity=Decimal(50_000))})
    store(world, stored, balance(half, 50_000, 20_000, 30_000))
    world.take(lifecycle("canceling", A, "2026-03-20", "2026-03-10", "2026-04-10"))
    assert world.available() == 20_000


def test_what_rolled_over_out_of_a_period_that_was_left_is_still_known(world: World) -> None:
    # Given a period left with 3,000,000 of 10,000,000 used, and the next one with the 1,000,000 that rolled over
    scale = world.catalog.plans["scale"]
    february = to_ms(utc("2026-02-10"))
    earlier = {"period": [february, 0], "ends_at": to_ms(START), "number": 1, "plan": "scale", "sold_at": february}
    left = {"order": A, "start": february, "gone": Decimal(3_000_000), "rolled": Decimal(0)}
    known = order(scale, earlier=[earlier])
    stored = subscription(known, left={"tokens": [left]}, entered={A: [[to_ms(START), 0], [february, 0]]})
    rolled = Grant(periodic_grant_id("rollover", START), "rollover", Decimal(1_000_000), Decimal(1_000_000), 10, START)
    now = balance(scale, 10_000_000, 10_000_000, 0)
    store(world, stored, replace(now, grants=(*now.grants, rolled)))
    # When an event brings nothing new for it
    world.take(lifecycle("canceling", A, "2026-03-20", "2026-03-10", "2026-04-10", plan="scale"))
    # Then
    assert world.available() == 11_000_000
