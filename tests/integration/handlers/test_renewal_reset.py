"""The scheduled sweep: nobody skipped, nobody reset twice, wherever it is interrupted."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.reset import ResetDeps
from pancake_meter.domain.alerts.reminder import grant_reminders
from pancake_meter.domain.balance.gift import Gift
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.alerts.alerts import list_alerts
from pancake_meter.store.alerts.reminders import put_reminder
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_balance, read_ledger
from pancake_meter.store.keys import due_shard
from pancake_meter.store.table import Item, Table
from pancake_meter.store.usage.parked_usage import ParkedUsage, park
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.balance.grants import give_units
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.selling.offer import Offers
from renewal_reset import handler
from tests.support.api import EVENTS, LambdaContext

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
JANUARY = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = datetime(2026, 5, 31, 12, 30, tzinfo=UTC)
SCHEDULE = json.loads((EVENTS / "renewal_reset_schedule.json").read_text())
CUSTOMERS = [name for name in (f"acct_{number}" for number in range(1000)) if due_shard(name) == "DUE#0"][:105]
"""All in one partition of the index, and more than one page of it."""


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    """Customers on the free plan, all due at the same instant, each with usage."""
    metering = Metering(Table(dynamodb, table), CATALOG)
    for customer_id in CUSTOMERS:
        record_events(metering, customer_id, "tokens", [usage_event("e1", Decimal(70), None, JANUARY)], JANUARY)
    return metering


def deps_of(metering: Metering, now: datetime) -> ResetDeps:
    offers = Offers(CATALOG, "test", lambda: "a secret of the tests, of 32 characters or more")
    erasures = Erasures(metering.table, lambda: "pseudonyms")
    return ResetDeps(
        metering, Bell(metering.table, erasures, offers, "https://api.example.com", lambda: now), lambda: now
    )


def sweep(metering: Metering, remaining_ms: list[int] | None = None) -> dict[str, Any]:
    # The deadline is taken from the first reading.
    context = LambdaContext(remaining_ms=[30_000, *(remaining_ms or [30_000])])
    answer: dict[str, Any] = handler(SCHEDULE, context, deps_of(metering, LATER))
    return answer


def resets(metering: Metering, customer_id: str) -> int:
    entries = read_ledger(metering.table, customer_id, "tokens", limit=10)
    return sum(entry.cause == "reset" for entry in entries)


def test_scenario_68_many_balances_due_at_one_instant_are_all_reset_in_pages(metering: Metering) -> None:
    assert sweep(metering) == {"advanced": 105, "failed": 0, "complete": True}
    assert {resets(metering, customer_id) for customer_id in CUSTOMERS} == {1}


def test_scenario_65_a_sweep_that_fires_twice_resets_once(metering: Metering) -> None:
    sweep(metering)
    assert sweep(metering) == {"advanced": 0, "failed": 0, "complete": True}
    assert {resets(metering, customer_id) for customer_id in CUSTOMERS} == {1}


def test_scenario_66_four_missed_months_are_one_reset_with_one_grant(metering: Metering) -> None:
    sweep(metering)
    balance = read_balance(metering.table, CUSTOMERS[0], "tokens")
    assert balance is not None
    assert [balance.used, balance.available] == [0, 10_000]
    assert (balance.period.start, balance.period.end) == (
        datetime(2026, 5, 31, 12, tzinfo=UTC),
        datetime(2026, 6, 30, 12, tzinfo=UTC),
    )
    (chart,) = charts_put_away(metering.table, CUSTOMERS[0], "tokens", page=9)
    assert chart.used == 70
    assert (chart.span.start, chart.span.end) == (JANUARY, datetime(2026, 2, 28, 12, tzinfo=UTC))
    # And the idle months have one record
    idle, used = closed_periods(metering.table, CUSTOMERS[0], "tokens", page=9)
    assert [used.gone, used.left, used.windows] == [70, 9_930, 1]
    assert [idle.gone, idle.left, idle.windows] == [0, 30_000, 3]


def test_scenario_68_a_sweep_that_runs_out_of_time_goes_on_with_the_next(metering: Metering) -> None:
    first = sweep(metering, [30_000] * 60 + [1_000])
    assert (first["advanced"], first["complete"]) == (60, False)
    assert sweep(metering) == {"advanced": 45, "failed": 0, "complete": True}
    assert {resets(metering, customer_id) for customer_id in CUSTOMERS} == {1}


def test_issue_15_a_sweep_advances_up_to_eight_balances_at_once_and_those_of_one_customer_in_turn(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given customers with two balances each, and a table that sees who is at work at the same time
    crowd: list[frozenset[str]] = []

    class Watched(Table):
        at_work: ClassVar[Counter[str]] = Counter()

        def get(self, key: Mapping[str, str]) -> Item | None:
            self.at_work[key["PK"]] += 1
            crowd.append(frozenset(name for name, count in self.at_work.items() if count))
            assert self.at_work[key["PK"]] == 1
            time.sleep(0.005)
            try:
                return super().get(key)
            finally:
                self.at_work[key["PK"]] -= 1

    metering = Metering(Watched(dynamodb, table), CATALOG)
    for customer_id in CUSTOMERS[:9]:
        for meter in ("tokens", "requests"):
            record_events(metering, customer_id, meter, [usage_event("e1", Decimal(1), None, JANUARY)], JANUARY)
    crowd.clear()

    # When the sweep advances them
    swept = sweep_due(metering, LATER, may_go_on=lambda: True, on_failure=lambda *_: None)

    # Then
    assert (swept.advanced, swept.failed, swept.is_complete) == (18, 0, True)
    assert 2 <= max(map(len, crowd)) <= 8


def test_one_corrupt_balance_is_reported_and_does_not_stop_the_others(
    metering: Metering,
    dynamodb: "DynamoDBClient",
    table: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dynamodb.update_item(
        TableName=table,
        Key={"PK": {"S": f"CUSTOMER#{CUSTOMERS[7]}"}, "SK": {"S": "BALANCE#tokens"}},
        UpdateExpression="SET headroom = headroom + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert sweep(metering) == {"advanced": 104, "failed": 1, "complete": True}
    assert [vars(record)["customer_id"] for record in caplog.records] == [CUSTOMERS[7]]


def test_each_run_gauges_what_waits_and_how_late_the_most_overdue_balance_is(
    metering: Metering, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given parked usage, and a run that has time for 60 of 105 balances
    park(metering.table, ParkedUsage("bulk", "{}", "unknown_meter", "no such meter", JANUARY))
    sweep(metering, [30_000] * 60 + [1_000])
    (blob,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    # Then
    late = (LATER - datetime(2026, 2, 28, 12, tzinfo=UTC)).total_seconds()
    assert (blob["ResetLag"], blob["UsageParkedNow"]) == ([late], [1.0])
    assert (blob["DeliveriesParkedNow"], blob["DeliveriesFailedNow"]) == ([0.0], [0.0])


@pytest.mark.parametrize("hours", [0, 1, 24 * 400])
def test_scenario_65_late_by_any_time_the_sweep_and_a_read_see_the_same(
    dynamodb: "DynamoDBClient", table: str, hours: int
) -> None:
    # Given a balance due at one instant, read lazily at another
    metering = Metering(Table(dynamodb, table), CATALOG)
    record_events(metering, "acct_1", "tokens", [usage_event("e1", Decimal(70), None, JANUARY)], JANUARY)
    now = datetime(2026, 2, 28, 12, tzinfo=UTC) + timedelta(hours=hours)

    def seen() -> Period:
        return metering.current_balance("acct_1", "tokens", now).period

    before = seen()

    # When the sweep comes after the read
    before = seen()
    handler(SCHEDULE, LambdaContext(), deps_of(metering, now))

    # Then both have the same period
    assert seen() == before


def test_issue_14_point_10_the_sweep_rings_what_ends_soon_once(
    dynamodb: "DynamoDBClient", table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a gift that ends in 30 days, and the reminder that the stream reader keeps of it
    metering = Metering(Table(dynamodb, table), CATALOG)
    gift = Gift("promotion", Decimal(500), expires_at=JANUARY + timedelta(days=30))
    give_units(metering, "acct_1", "tokens", "hello", gift, JANUARY)
    balance = read_balance(metering.table, "acct_1", "tokens")
    assert balance is not None
    (reminder,) = grant_reminders(None, balance)
    put_reminder(metering.table, reminder, [])
    # When
    for days in (26, 27, 28):
        handler(SCHEDULE, LambdaContext(), deps_of(metering, JANUARY + timedelta(days=days)))
    # Then
    (alert,), _ = list_alerts(metering.table, customer_id="acct_1", limit=10)
    assert alert.type == "grant.expiring"
    assert str(alert.data["purchase_url"]).startswith("https://api.example.com/buy/")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ReminderRang" in line]
    assert [line["ReminderRang"] for line in lines] == [[0.0], [1.0], [0.0]]
