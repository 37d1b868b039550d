"""Runs: bounded, resumed, interrupted, at the same time as others; what each entry costs."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import WaffoUnreadable
from pancake_meter.waffo.snapshots import Page
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.metered_dynamodb import metered
from tests.support.table import create_table
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

USECASES = "pancake_meter.usecases"
NOW = utc("2026-03-10T15:14:30")
CALLS_MAX = 60


def lose_subscribers(world: WaffoWorld, count: int) -> list[str]:
    """New subscribers of whom nothing arrives."""
    world.deliverer.lost = True
    customers = [f"acct_{number}" for number in range(count)]
    for customer_id in customers:
        world.subscribe(customer_id)
    world.deliverer.lost = False
    return customers


def healed(world: WaffoWorld, customers: list[str]) -> int:
    return sum(world.plan(customer_id) == "starter" for customer_id in customers)


def resets(world: WaffoWorld, customer_id: str) -> int:
    entries = read_ledger(world.table, customer_id, "tokens", limit=50)
    return sum("renewed" in entry.cause for entry in entries)


def test_bounded_runs_get_through_a_long_list_page_by_page(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more failed deliveries than a run may read, and orders that it cannot read at all
    monkeypatch.setattr(f"{USECASES}.reconciliation.deliveries.PAGE_SIZE", 4)
    monkeypatch.setattr(f"{USECASES}.reconciliation.deliveries.PAGES_MAX", 1)
    monkeypatch.setattr(f"{USECASES}.reconciliation.orders.PAGES_MAX", 0)
    customers = lose_subscribers(world, 5)
    # When: two events each, four a run, newest first
    reports = [world.reconcile() for _ in range(4)]
    # Then
    assert [report.passes["deliveries"].healed for report in reports] == [4, 4, 2, 0]
    assert ["deliveries" in report.left for report in reports] == [True, True, False, True]
    assert healed(world, customers) == 5


def test_orders_are_compared_page_by_page_too(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{USECASES}.reconciliation.deliveries.PAGES_MAX", 0)
    monkeypatch.setattr(f"{USECASES}.reconciliation.orders.PAGE_SIZE", 2)
    monkeypatch.setattr(f"{USECASES}.reconciliation.orders.PAGES_MAX", 1)
    customers = lose_subscribers(world, 5)
    assert [world.reconcile().passes["orders"].healed for _ in range(4)] == [2, 2, 1, 0]
    assert healed(world, customers) == 5


def test_a_run_out_of_time_in_the_middle_of_a_page_goes_on_there(world: WaffoWorld) -> None:
    customers = lose_subscribers(world, 5)
    allowed = iter([True] * 8)
    first = world.reconcile(may_go_on=lambda: next(allowed, False))
    assert (first.passes["deliveries"].read, first.left[0]) == (7, "deliveries")
    second = world.reconcile()
    assert (second.passes["deliveries"].healed, second.passes["deliveries"].unchanged) == (3, 7)
    assert (second.left, healed(world, customers)) == ([], 5)


def test_one_page_that_cannot_be_read_leaves_the_others_and_is_read_again(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given three pages, of which Waffo's second is nonsense
    monkeypatch.setattr(f"{USECASES}.reconciliation.deliveries.PAGE_SIZE", 4)
    monkeypatch.setattr(f"{USECASES}.reconciliation.orders.PAGES_MAX", 0)
    customers = lose_subscribers(world, 6)
    whole = WaffoClient.failed_webhook_deliveries

    def nonsense(client: WaffoClient, store_id: str, *, limit: int = 50, offset: int = 0) -> Page[Any]:
        if offset == 4:
            raise WaffoUnreadable("/v1/graphql", "not JSON")
        return whole(client, store_id, limit=limit, offset=offset)

    monkeypatch.setattr(WaffoClient, "failed_webhook_deliveries", nonsense)
    # When
    report = world.reconcile()
    # Then
    tally = report.passes["deliveries"]
    assert (tally.pages, tally.failed_pages, tally.healed, report.failed) == (2, 1, 8, 1)
    assert healed(world, customers) == 4
    # When
    monkeypatch.setattr(WaffoClient, "failed_webhook_deliveries", whole)
    # Then
    assert world.reconcile().passes["deliveries"].healed == 4
    assert healed(world, customers) == 6


def test_an_order_that_fails_leaves_the_others(world: WaffoWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given one order of which our own item is corrupt
    monkeypatch.setattr(f"{USECASES}.reconciliation.deliveries.PAGES_MAX", 0)
    customers = lose_subscribers(world, 3)
    world.use("acct_1", 5)
    world.table._client.update_item(
        TableName=world.table._name,
        Key={"PK": {"S": "CUSTOMER#acct_1"}, "SK": {"S": "BALANCE#tokens"}},
        UpdateExpression="SET headroom = headroom + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    # When
    report = world.reconcile()
    # Then
    assert (report.passes["orders"].healed, report.failed) == (2, 1)
    assert [(name, type(error).__name__) for name, _, error in world.failures] == [("orders", "CorruptItem")]
    assert healed(world, [customers[0], customers[2]]) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_scenario_20_a_run_that_crashes_at_any_call_and_runs_again_heals_once(
    dynamodb: "DynamoDBClient", when: When
) -> None:
    customer_id = "acct_1"
    for fails_at in range(1, CALLS_MAX):
        # Given: a table of its own for every point of failure, and a customer whose renewal was lost
        table = create_table(dynamodb, f"run-{uuid.uuid4().hex}")
        sound = WaffoWorld(Table(dynamodb, table, sleep=lambda _: None), NOW, seed=fails_at)
        order = sound.subscribe(customer_id)
        sound.use(customer_id, 90_000)
        sound.deliverer.lost = True
        sound.at(order.period_end)
        sound.forget_deliveries("subscription.payment_succeeded")
        faulty = FaultyDynamoDB(dynamodb, fails_at, when)
        sound.stack = sound.stack_on(Table(faulty, table, sleep=lambda _: None))  # type: ignore[arg-type]
        # When
        try:
            sound.reconcile()
        except StoreUnavailable:
            sound.stack = sound.stack_on(sound.table)
            sound.reconcile()
        # Then
        sound.stack = sound.stack_on(sound.table)
        assert (sound.available(customer_id), resets(sound, customer_id)) == (100_000, 1)
        dynamodb.delete_table(TableName=table)
        if faulty.calls < fails_at:
            return
    pytest.fail("a run makes more calls than the test looks at")


def test_two_runs_at_once_and_the_late_webhook_heal_once(dynamodb: "DynamoDBClient", table: str) -> None:
    # Given
    world = WaffoWorld(Table(dynamodb, table), NOW)
    orders = [world.subscribe(f"acct_{number}") for number in range(4)]
    for number in range(4):
        world.use(f"acct_{number}", 90_000)
    world.deliverer.lost = True
    world.at(max(order.period_end for order in orders))
    late = [delivery for delivery in world.waffo.state.deliveries.values() if delivery.status == "failed"]
    # When
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(world.reconcile) for _ in range(3)]
        webhooks = [pool.submit(world.arrive, delivery) for delivery in late]
        for webhook in webhooks:
            webhook.result()
    # Then
    assert [run.result().failed for run in runs] == [0, 0, 0]
    for number in range(4):
        assert (world.available(f"acct_{number}"), resets(world, f"acct_{number}")) == (100_000, 1)


def test_what_is_known_costs_one_read_a_delivery_and_two_an_order(
    world: WaffoWorld, dynamodb: "DynamoDBClient"
) -> None:
    # Given
    lose_subscribers(world, 3)
    world.reconcile()
    # When
    with metered(dynamodb) as meter:
        report = world.reconcile()
    # Then: six deliveries, three orders; a place read and kept by each of eight passes, and seven listings
    assert (report.passes["deliveries"].unchanged, report.passes["orders"].unchanged) == (6, 3)
    assert sorted(meter.operations) == ["GetItem"] * (6 + 2 * 3 + 8) + ["PutItem"] * 8 + ["Query"] * 7
    assert meter.operations.count("TransactWriteItems") == 0


def test_agreement_costs_waffo_one_query_a_page_whatever_the_number_of_orders(world: WaffoWorld) -> None:
    for number in range(5):
        world.subscribe(f"acct_{number}")
    world.asked.clear()
    assert world.reconcile().passes["orders"].unchanged == 5
    assert len(world.asked) == 2
