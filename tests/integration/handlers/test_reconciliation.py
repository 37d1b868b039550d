"""The reconciliation handler: on a schedule and on demand, bounded in time, harmless when something fails."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.deps.reconciliation import ReconciliationDeps
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.usecases.reconciliation.run import Reconciling
from pancake_meter.value import replace
from reconciliation import handler
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.waffo_world import WaffoWorld
from tests.support.webhook_world import CATALOG, STORE_ID, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-10T15:14:30")
GAUGES = (("ReceivedThisMonth", "currency"), ("UnitsThisMonth", "meter"), ("OverageThisMonth", "meter"))


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> WaffoWorld:
    """A subscriber whose renewal was lost."""
    world = WaffoWorld(Table(dynamodb, table, sleep=lambda _: None), NOW)
    order = world.subscribe("acct_1")
    world.use("acct_1", 90_000)
    world.deliverer.lost = True
    world.at(order.period_end + timedelta(hours=1))
    return world


def deps(world: WaffoWorld, seconds: tuple[float, ...] = (0,)) -> ReconciliationDeps:
    times = list(seconds)
    return ReconciliationDeps(
        Reconciling(world.stack.metering, "test", STORE_ID, world.client(), pause=lambda _: None),
        timedelta(days=180),
        clock=lambda: world.now,
        stopwatch=lambda: times.pop(0) if len(times) > 1 else times[0],
    )


def on_demand(world: WaffoWorld, *seconds: float, query: dict[str, str] | None = None) -> Answer:
    event = api_event("reconciliation_on_demand", query=query)
    context = LambdaContext(remaining_ms=[120_000])
    return read_answer(handler(event, context, deps(world, seconds or (0,))))


def on_schedule(world: WaffoWorld, remaining_ms: list[int] | None = None) -> dict[str, Any]:
    context = LambdaContext(remaining_ms=remaining_ms or [120_000])
    report: dict[str, Any] = handler(api_event("reconciliation_schedule"), context, deps(world))
    return report


def metrics(printed: str) -> dict[str, float]:
    """What was counted last."""
    lines = [json.loads(line) for line in printed.splitlines() if "_aws" in line]
    return {name: sum(value) for name, value in lines[-1].items() if isinstance(value, list)}


def test_on_demand_it_heals_and_answers_a_report(world: WaffoWorld, capsys: pytest.CaptureFixture[str]) -> None:
    answer = on_demand(world)
    assert answer.status == 200
    assert {name: answer.body[name] for name in ("healed", "parked", "failed", "left")} == {
        "healed": 2,
        "parked": 0,
        "failed": 0,
        "left": [],
    }
    assert answer.body["passes"]["deliveries"] == {
        "pages": 1,
        "failed_pages": 0,
        "read": 2,
        "healed": 2,
        "flagged": 0,
        "unchanged": 0,
        "parked": 0,
        "failed": 0,
        "refused": 0,
        "is_left": False,
    }
    assert answer.body["passes"]["orders"]["read"] == 1
    assert world.available("acct_1") == 100_000
    assert metrics(capsys.readouterr().out)["ReconciliationHealed"] == 2


def everything(dynamodb: "DynamoDBClient", table: str) -> list[Any]:
    return sorted(dynamodb.scan(TableName=table)["Items"], key=lambda item: (item["PK"]["S"], item["SK"]["S"]))


def test_issue_14_point_7_a_dry_run_says_what_it_would_heal_and_changes_nothing(
    world: WaffoWorld, dynamodb: "DynamoDBClient", table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given, beside the lost renewal, another subscription that nobody told
    world.subscribe("acct_2")
    before, asked = everything(dynamodb, table), len(world.asked)
    capsys.readouterr()
    # When
    dry = on_demand(world, query={"dry_run": "true"}).body
    # Then nothing has changed, and nothing was counted
    assert everything(dynamodb, table) == before
    assert len(world.asked) > asked
    assert "ReconciliationHealed" not in capsys.readouterr().out
    assert (dry["dry_run"], dry["bodies_removed"], dry["left"]) == (True, 0, [])
    # And the run that heals does just that
    real = on_demand(world).body
    assert real["dry_run"] is False
    same = ("healed", "parked", "failed", "left", "bought_twice", "found")
    assert {name: dry[name] for name in same} == {name: real[name] for name in same}
    assert real["healed"] == len(real["found"]) > 2
    assert {(each["customer_id"], each["result"]) for each in real["found"]} == {
        ("acct_1", "healed"),
        ("acct_2", "healed"),
    }
    assert on_demand(world, query={"dry_run": "true"}).body["healed"] == 0


def test_a_dry_run_is_asked_for_in_so_many_words(world: WaffoWorld) -> None:
    for query in ({"dry_run": "yes"}, {"dryrun": "true"}):
        assert on_demand(world, query=query).status == 422
    assert world.asked == []


def test_on_schedule_it_heals(world: WaffoWorld) -> None:
    assert on_schedule(world)["healed"] == 2
    assert on_schedule(world)["healed"] == 0
    assert world.available("acct_1") == 100_000


def test_open_deliveries_are_tried_again_by_the_schedule_as_its_policy_allows(world: WaffoWorld) -> None:
    # Given an event of a plan that the catalog does not know, and a refund whose charge nobody has told
    period = ("2026-03-10", "2026-03-10", "2026-04-10")
    mystery: dict[str, Any] = {
        "productName": "Mystery",
        "productMetadata": None,
        "merchantProvidedBuyerIdentity": "acct_2",
    }
    world.stack.take(lifecycle("activated", "ORD_mystery", *period, **mystery), world.now)
    order = next(iter(world.waffo.state.subscriptions()))
    world.forget_deliveries("subscription.payment_succeeded")
    world.deliverer.lost = False
    world.refund(order)
    assert [world.outcomes[-1].reason] == ["payment_unknown"]
    # When
    text = CATALOG.read_text("utf-8") + '\n[plans.mystery]\nname = "Mystery"\nrank = 55\n'
    world.stack = replace(world.stack, catalog=parse_catalog(text + "allowances.tokens = { quantity = 7 }\n"))
    report = on_schedule(world)
    # Then
    assert report["passes"]["parked_deliveries"]["healed"] == 2
    assert (world.plan("acct_2"), report["failed"], report["parked"]) == ("mystery", 0, 0)


def test_scenario_36_a_plan_bought_twice_rings_once_and_is_reported_by_name(
    world: WaffoWorld, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Given two orders that have stood for an hour
    pair = []
    for plan in ("Starter", "Pro"):
        world.at(world.now + timedelta(minutes=1))
        pair.append(world.subscribe("acct_9", plan).id)
    world.at(world.now + timedelta(minutes=61))
    # When
    first = on_schedule(world)
    printed = capsys.readouterr().out
    again = on_schedule(world)
    # Then
    assert metrics(printed)["PaymentFlagged"] == 1
    assert metrics(capsys.readouterr().out)["PaymentFlagged"] == 0
    assert [record.message for record in caplog.records].count("subscription bought twice") == 1
    assert first["bought_twice"] == [{"customer_id": "acct_9", "order_ids": sorted(pair), "is_new": True}]
    assert again["bought_twice"] == [{"customer_id": "acct_9", "order_ids": sorted(pair), "is_new": False}]


def test_waffo_being_down_is_counted_and_harmless(world: WaffoWorld, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    world.is_down = True
    # When
    report = on_schedule(world)
    # Then: nothing changed, the alarm's metric says so, and the next run does it all
    assert (report["healed"], report["left"]) == (0, ["deliveries", "orders"])
    assert metrics(capsys.readouterr().out)["ReconciliationFailed"] == report["failed"] > 0
    assert world.available("acct_1") == 10_000
    world.is_down = False
    assert on_schedule(world)["healed"] == 2


def test_one_list_that_cannot_be_read_leaves_the_others(world: WaffoWorld) -> None:
    # Given
    world.failing_pages = {"webhookDeliveries"}
    # When
    report = on_schedule(world)
    # Then: the order's own state heals what the delivery would have
    assert (report["passes"]["deliveries"]["failed_pages"], report["passes"]["orders"]["healed"]) == (1, 1)
    assert world.available("acct_1") == 100_000


def test_without_time_left_nothing_is_begun_and_all_is_left(world: WaffoWorld) -> None:
    report = on_schedule(world, [29_000])
    assert report["left"] == [
        "deliveries",
        "orders",
        "held_orders",
        "checkouts",
        "parked_deliveries",
        "failed_deliveries",
        "uncharged_payments",
        "refunds",
    ]
    assert world.asked == []


def test_on_demand_it_ends_before_its_caller_gives_up(world: WaffoWorld) -> None:
    answer = on_demand(world, 0, 0, 0, 60)
    assert answer.body["passes"]["deliveries"]["read"] == 1
    assert answer.body["left"] == [
        "deliveries",
        "orders",
        "held_orders",
        "checkouts",
        "parked_deliveries",
        "failed_deliveries",
        "uncharged_payments",
        "refunds",
    ]
    assert on_demand(world).body["left"] == []


def test_an_unreachable_store_is_503_on_demand_and_an_error_on_schedule(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(Table, "get", unreachable)
    answer = on_demand(world)
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert "Retry-After" in answer.headers
    with pytest.raises(StoreUnavailable):
        on_schedule(world)


def test_a_run_of_the_schedule_gauges_the_month_by_currency_and_meter(
    dynamodb: "DynamoDBClient", table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a renewal in April for 9.00, and 90,000 units used in the April of the period before it
    world = WaffoWorld(Table(dynamodb, table, sleep=lambda _: None), NOW)
    order = world.subscribe("acct_1")
    world.at(utc("2026-04-05T00:00:00"))
    world.use("acct_1", 90_000)
    world.at(order.period_end + timedelta(hours=1))
    capsys.readouterr()
    on_schedule(world)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    gauges = {(name, line[by]): line[name] for line in lines for name, by in GAUGES if name in line}
    assert gauges[("ReceivedThisMonth", "USD")] == [9.0]
    assert gauges[("UnitsThisMonth", "tokens")] == [90_000.0]
    assert gauges[("OverageThisMonth", "tokens")] == [0.0]


def test_a_month_that_cannot_be_gauged_now_does_not_fail_the_run(
    world: WaffoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr("reconciliation.measure_month", gone)
    assert on_schedule(world)["healed"] == 2


def test_issue_13_point_7_bodies_of_webhooks_age_out_after_a_run_as_its_policy_allows(world: WaffoWorld) -> None:
    first = on_demand(world).body
    assert first["bodies_removed"] == 0
    world.at(NOW + timedelta(days=181))
    removed = on_demand(world).body["bodies_removed"]
    assert removed > 0
    assert on_demand(world).body["bodies_removed"] == 0
