"""The backlog counts what waits now, within its bound, and forgets what is dealt with."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import ParkedUsage, count_parked, mark_counted, park
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.reports.measure_backlog import Backlog, measure_backlog
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import World, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:15:00")
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOTHING = Backlog(0, 0, 0, timedelta(0))


@pytest.fixture
def store(dynamodb: "DynamoDBClient", table: str) -> Table:
    return Table(dynamodb, table, sleep=lambda _: None)


def parked(number: int) -> ParkedUsage:
    return ParkedUsage("bulk", f'{{"n":{number}}}', "unknown_meter", "no such meter", NOW)


def test_an_idle_stack_has_no_backlog(store: Table) -> None:
    assert measure_backlog(store, NOW) == NOTHING


def test_parked_usage_counts_until_it_is_counted(store: Table) -> None:
    for number in range(3):
        park(store, parked(number))
    assert measure_backlog(store, NOW).usage_parked == 3
    mark_counted(store, parked(1).digest, NOW)
    assert measure_backlog(store, NOW).usage_parked == 2


def test_a_count_stops_at_its_bound(store: Table) -> None:
    for number in range(3):
        park(store, parked(number))
    assert count_parked(store, limit=2) == 2


def test_a_parked_delivery_counts_until_it_is_applied(store: Table) -> None:
    # Given a delivery that names no customer
    world = World(store, NOW)
    fields: dict[str, Any] = {"merchantProvidedBuyerIdentity": None}
    world.take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10", **fields))
    backlog = measure_backlog(store, NOW)
    assert (backlog.deliveries_parked, backlog.deliveries_failed) == (1, 0)
    # When a later event of its order names the customer
    world.take(lifecycle("updated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10"))
    # Then nothing waits
    assert measure_backlog(store, NOW).deliveries_parked == 0


def test_the_lag_is_that_of_the_most_overdue_balance_and_ends_with_the_sweep(store: Table) -> None:
    # Given balances of two shards at least, due a month after their first use
    january = datetime(2026, 1, 10, 12, tzinfo=UTC)
    metering = Metering(store, CATALOG)
    for number in range(12):
        at = january + timedelta(minutes=number)
        record_events(metering, f"acct_{number}", "tokens", [usage_event("e1", Decimal(1), None, at)], at)
    now = datetime(2026, 2, 10, 13, tzinfo=UTC)
    # When nothing sweeps them
    assert measure_backlog(store, january) == NOTHING
    assert measure_backlog(store, now).reset_lag == timedelta(hours=1)
    # Then the sweep ends the lag
    sweep_due(metering, now, may_go_on=lambda: True, on_failure=lambda *_: None)
    assert measure_backlog(store, now) == NOTHING


def test_measuring_takes_one_query_for_each_count_and_shard(dynamodb: "DynamoDBClient", table: str) -> None:
    with metered(dynamodb) as meter:
        measure_backlog(Table(dynamodb, table), NOW)
    assert meter.operations == ["Query"] * (8 + 3)
