"""The past-due policy ``throttle``: so many holds a minute, and usage always counts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.domain.selling.plan import PastDueThrottle
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, HoldRefused, hold_quota
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import replace
from quota_check import handler
from tests.support.api import LambdaContext, api_event, read_answer
from tests.support.metered_dynamodb import metered
from tests.support.webhook_world import CATALOG, CUSTOMER, World, lifecycle, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-04-10T16:00:20")
LINK_SECRET = "a secret of the tests, of 32 characters or more"
PER_MINUTE = 7
ORDER = "ORD_A"


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    """A customer whose renewal could not be charged, on a plan that throttles."""
    catalog = load_catalog(CATALOG)
    starter = replace(catalog.plans["starter"], past_due=PastDueThrottle(PER_MINUTE))
    throttling = replace(catalog, plans={**catalog.plans, "starter": starter})
    world = World(Table(dynamodb, table, sleep=lambda _: None), NOW, catalog=throttling)
    paid_at = utc("2026-03-10T15:15:00")
    world.use(1_000, now=paid_at)
    world.take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10"), paid_at)
    world.take(lifecycle("past_due", ORDER, "2026-04-10", "2026-04-10", "2026-04-17", number=2))
    return world


def recover(world: World) -> None:
    world.take(lifecycle("recovered", ORDER, "2026-04-10T15:50:00", "2026-04-10", "2026-05-10", number=2))


def hold(world: World, name: str, now: datetime = NOW, ttl: timedelta = timedelta(minutes=5)) -> str:
    placed = hold_quota(world.metering, CUSTOMER, "tokens", name, Decimal(10), ttl, now)
    if isinstance(placed, HoldRefused):
        assert isinstance(placed.refusal, Refusal)
        return placed.refusal.reason
    return "replayed" if placed.is_replay else "placed"


def test_so_many_holds_a_minute_and_then_as_many_in_the_next(world: World) -> None:
    for minute in range(2):
        now = NOW + timedelta(minutes=minute)
        answers = [hold(world, f"h{minute}-{number}", now) for number in range(PER_MINUTE + 2)]
        assert answers == ["placed"] * PER_MINUTE + ["past_due_throttled"] * 2
    # The balance counts the holds as ever
    assert world.available() == 100_000 - 2 * PER_MINUTE * 10


def test_a_repeat_is_no_further_hold_and_a_clock_that_is_behind_gets_no_minute_of_its_own(world: World) -> None:
    # Given
    assert [hold(world, "h1"), hold(world, "h1")] == ["placed", "replayed"]
    # When: another machine's clock is a minute behind
    behind = [hold(world, f"b{number}", NOW - timedelta(minutes=1)) for number in range(PER_MINUTE)]
    # Then
    assert behind == ["placed"] * (PER_MINUTE - 1) + ["past_due_throttled"]


def test_twenty_holds_at_once_place_exactly_what_the_minute_has(world: World) -> None:
    with ThreadPoolExecutor(20) as clients:
        for minute in range(15):
            now = NOW + timedelta(minutes=minute)
            names = [f"m{minute}-{number}" for number in range(20)]
            answers = list(clients.map(lambda name, at=now: hold(world, name, at, timedelta(seconds=30)), names))
            assert (answers.count("placed"), answers.count("past_due_throttled")) == (PER_MINUTE, 20 - PER_MINUTE)


def test_a_structure_change_inside_the_minute_does_not_begin_it_anew(world: World) -> None:
    # Given: the minute is full, and its holds have expired
    for number in range(PER_MINUTE):
        hold(world, f"h{number}", ttl=timedelta(seconds=1))
    # When
    later = NOW + timedelta(seconds=5)
    # Then
    assert hold(world, "more", later) == "past_due_throttled"
    assert world.metering.current_balance(CUSTOMER, "tokens", later).held == 0


def test_usage_always_counts(world: World) -> None:
    # Given
    for number in range(PER_MINUTE + 1):
        hold(world, f"h{number}")
    # When
    world.use(50_000)
    # Then
    assert world.available() == 50_000 - PER_MINUTE * 10


def test_a_payment_lifts_it_and_a_hold_costs_one_request_again(world: World, dynamodb: "DynamoDBClient") -> None:
    # Given
    with metered(dynamodb) as throttled:
        hold(world, "h1")
    # When
    recover(world)
    # Then
    with metered(dynamodb) as free:
        assert [hold(world, f"r{number}") for number in range(PER_MINUTE + 5)] == ["placed"] * (PER_MINUTE + 5)
    assert throttled.operations == ["UpdateItem"] * 2
    assert (free.operations, free.units) == (["UpdateItem"] * (PER_MINUTE + 5), PER_MINUTE + 5.0)
    assert "minute_holds" not in (
        world.table.get({"PK": f"CUSTOMER#{CUSTOMER}", "SK": "BALANCE#tokens"}) or {"minute_holds": "no balance"}
    )


def test_past_due_once_more_counts_afresh(world: World) -> None:
    # Given
    for number in range(PER_MINUTE):
        hold(world, f"h{number}")
    recover(world)
    # When
    later = utc("2026-05-10T16:00:00")
    world.take(lifecycle("past_due", ORDER, "2026-05-10", "2026-05-10", "2026-05-17", number=3), later)
    # Then
    assert [hold(world, f"l{number}", later) for number in range(PER_MINUTE + 1)] == [
        *["placed"] * PER_MINUTE,
        "past_due_throttled",
    ]


def test_the_answer_says_when_to_come_back_and_the_check_shows_the_pace(world: World) -> None:
    # Given
    offers = Offers(world.catalog, "test", lambda: LINK_SECRET)
    deps = QuotaDeps(world.metering, offers, lambda: world.now)
    for number in range(PER_MINUTE):
        hold(world, f"h{number}")
    # When
    request = api_event("holds_place", body={"meter": "tokens", "quantity": 10, "id": "one-more"})
    refused = read_answer(handler(request, LambdaContext(), deps))
    shown = read_answer(handler(api_event("quota_one_meter"), LambdaContext(), deps))
    # Then: twenty seconds of the minute are over
    assert (refused.status, refused.body["code"], refused.headers["Retry-After"]) == (429, "past_due_throttled", "40")
    assert refused.body["quota"]["holds_per_minute"] == PER_MINUTE
    assert (shown.status, shown.body["holds_per_minute"], shown.body["plan"]) == (200, PER_MINUTE, "starter")


def test_a_balance_opened_while_past_due_is_throttled_from_the_start(world: World) -> None:
    opened = hold_quota(world.metering, CUSTOMER, "agent_runs", "h1", Decimal(1), timedelta(minutes=5), NOW)
    assert not isinstance(opened, HoldPlaced)
    assert opened.balance.policy.holds_per_minute == PER_MINUTE


def test_point_20_the_quota_says_that_the_grace_of_a_plan_that_blocks_is_over(world: World) -> None:
    # Given a plan that blocks 72 hours after a period that was not paid
    late = utc("2026-04-15T00:00:00")
    other = replace(world, catalog=load_catalog(CATALOG))
    buyer = "acct_blocked"
    for kind, at, until, now in (
        ("activated", "2026-03-10", "2026-04-10", NOW),
        ("past_due", "2026-04-10", "2026-04-17", late),
    ):
        told = lifecycle(kind, "ORD_agent", at, at, until, plan="agent", merchantProvidedBuyerIdentity=buyer)
        assert other.take(told, now).verdict == "applied"
    # When
    deps = QuotaDeps(
        other.metering,
        Offers(other.catalog, "test", lambda: LINK_SECRET),
        lambda: late,
    )
    asked = api_event("quota_one_meter", path=f"/v1/customers/{buyer}/quota/agent_runs", query={"amount": "1"})
    refused = read_answer(handler(asked, LambdaContext(), deps))
    # Then
    assert (refused.status, refused.body["code"]) == (402, "past_due")
    assert (refused.body["quota"]["past_due"], refused.body["quota"]["plan"]) == (True, "agent")
