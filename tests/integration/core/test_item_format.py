"""Every stored item says its format. Items without one are read; items of a later version are refused, never misread."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.errors import NewerFormat
from pancake_meter.store.item_format import ATTRIBUTE, FORMAT
from pancake_meter.store.table import Check, Delete, Put, Table, Update, Write
from pancake_meter.usecases.access.manage_keys import create_key
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota
from pancake_meter.usecases.balance.record_usage import record_events
from tests.support.busy_day import DAY
from tests.support.waffo_world import WaffoWorld

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = {"PK": "ORDER#ORD_1", "SK": "ORDER"}
LATER = {**{name: {"S": value} for name, value in KEY.items()}, ATTRIBUTE: {"N": str(FORMAT + 1)}, "used": {"N": "1"}}
ANY_WRITE: tuple[Write, ...] = (
    Put({**KEY, "used": 0}),
    Put({**KEY, "used": 0}, "attribute_exists(PK) OR used = :used", {":used": 7}),
    Update(KEY, "SET used = used + :one", None, {":one": 1}),
    Update(KEY, "ADD used :one", "used = :one OR used = :two", {":one": 1, ":two": 2}),
    Check(KEY, "used = :one", {":one": 1}),
    Delete(KEY, "attribute_exists(PK)"),
)


def stored(client: "DynamoDBClient", table: str) -> list[dict[str, Any]]:
    return [item for page in client.get_paginator("scan").paginate(TableName=table) for item in page["Items"]]


def a_busy_month(world: WaffoWorld) -> None:
    """Plans, money in and out, what is parked, overage, a period's end, reconciliation, a key."""
    world.subscribe("acct_1")
    bought = world.pay(world.top_up("acct_1"), "acct_1")
    world.refund(bought, "1.00")
    world.subscribe(None)
    world.stack.take_bytes(b"{}", world.now)
    world.use("acct_1", 9_000_000)
    world.use("acct_2", 1)
    hold_quota(world.stack.metering, "acct_2", "tokens", "h1", Decimal(1), timedelta(minutes=5), world.now)
    world.at(world.now + timedelta(days=32))
    world.use("acct_1", 1)
    world.reconcile()
    create_key(world.table, "test", "backend", frozenset({"meter"}), None, world.now)


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> WaffoWorld:
    return WaffoWorld(Table(dynamodb, table, sleep=lambda _: None), DAY)


def test_every_kind_of_item_is_written_with_its_format(
    world: WaffoWorld, dynamodb: "DynamoDBClient", table: str
) -> None:
    a_busy_month(world)
    items = stored(dynamodb, table)
    kinds = {(item["PK"]["S"].split("#")[0], item["SK"]["S"].split("#")[0]) for item in items}
    assert kinds >= {
        *(
            ("CUSTOMER", kind)
            for kind in ("BALANCE", "LEDGER", "CLOSED", "CHART", "OVERAGE", "SUBSCRIPTION", "CHECKOUT_SLOT")
        ),
        *(("ORDER", kind) for kind in ("ORDER", "DELIVERY", "PAYMENT")),
        *(("CHECKOUT", kind) for kind in ("CHECKOUT", "WATCHED")),
        *(("REPORT", kind) for kind in ("FACT", "TOTAL", "CUSTOMER")),
        ("USAGE", "USAGE"),
        ("DELIVERY", "DELIVERY"),
        ("PAYMENT", "PAYMENT"),
        ("RECONCILIATION", "PLACE"),
        ("APIKEY", "APIKEY"),
    }
    formats = {(item["SK"]["S"].partition("#")[0], item.get(ATTRIBUTE, {}).get("N")) for item in items}
    # Code of format 1 would take a key with one role for one that may do everything; that of 2 would misread a balance.
    changed = {"APIKEY": "2", "SUBSCRIPTION": "2", "BALANCE": str(FORMAT)}
    assert {(kind, number) for kind, number in formats if kind in changed} == set(changed.items())
    # Their shape has not changed: code before this one goes on reading them while a deployment is gradual.
    assert {number for kind, number in formats if kind not in changed} == {"1"}


def test_items_of_the_version_before_are_read_and_grow_on(
    world: WaffoWorld, dynamodb: "DynamoDBClient", table: str
) -> None:
    a_busy_month(world)
    before = world.available("acct_2")
    for item in stored(dynamodb, table):
        del item[ATTRIBUTE]
        dynamodb.put_item(TableName=table, Item=item)

    held = hold_quota(world.stack.metering, "acct_2", "tokens", "h2", Decimal(1), timedelta(minutes=5), world.now)
    assert isinstance(held, HoldPlaced)
    assert world.available("acct_2") == before - 1
    world.refund(next(iter(world.waffo.state.payments.values())).order, "0.50")
    world.reconcile()
    assert world.failures == []


def test_a_balance_of_a_later_version_is_neither_read_nor_changed(
    world: WaffoWorld, dynamodb: "DynamoDBClient", table: str
) -> None:
    world.use("acct_1", 1)
    (balance,) = (item for item in stored(dynamodb, table) if item["SK"]["S"].startswith("BALANCE#"))
    balance[ATTRIBUTE] = {"N": str(FORMAT + 1)}
    dynamodb.put_item(TableName=table, Item=balance)
    before = stored(dynamodb, table)

    event = usage_event("later", Decimal(1), None, world.now)
    with pytest.raises(NewerFormat):
        record_events(world.stack.metering, "acct_1", "tokens", [event], world.now)
    with pytest.raises(NewerFormat):
        hold_quota(world.stack.metering, "acct_1", "tokens", "h1", Decimal(1), timedelta(minutes=5), world.now)
    with pytest.raises(NewerFormat):
        world.available("acct_1")
    assert stored(dynamodb, table) == before


@pytest.mark.parametrize("write", ANY_WRITE, ids=repr)
def test_no_write_goes_over_an_item_of_a_later_version(write: Write, dynamodb: "DynamoDBClient", table: str) -> None:
    dynamodb.put_item(TableName=table, Item=LATER)
    waits: list[float] = []
    store = Table(dynamodb, table, sleep=waits.append)
    with pytest.raises(NewerFormat):
        store.transact([write])
    if not isinstance(write, Check | Delete):
        with pytest.raises(NewerFormat):
            store.write(write)
    assert stored(dynamodb, table) == [LATER]
    assert waits == []


def test_no_read_of_an_item_of_a_later_version_is_answered(dynamodb: "DynamoDBClient", table: str) -> None:
    dynamodb.put_item(TableName=table, Item=LATER)
    store = Table(dynamodb, table)
    with pytest.raises(NewerFormat):
        store.get(KEY)
    with pytest.raises(NewerFormat):
        store.get_all([KEY])
    with pytest.raises(NewerFormat):
        store.query("PK = :pk", {":pk": KEY["PK"]}, limit=1)
