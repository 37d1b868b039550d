"""What earlier versions wrote is listed and in the totals after the walk, exactly, whatever the stream does meanwhile."""

import itertools
import random
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import customer_data
from pancake_meter.deps.customer_data import CustomerDataDeps
from pancake_meter.domain.selling.payment import PAYMENT_STATUSES
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.selling.payments import list_payments, read_payment
from pancake_meter.store.standing.directory import list_customers
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.stream.backfill import backfill
from pancake_meter.usecases.stream.keepers import keepers_of
from pancake_meter.value import replace
from tests.integration.stream.conftest import Ask
from tests.support.api import LambdaContext, api_event
from tests.support.followed import Reader
from tests.support.webhook_world import World, lifecycle, payment, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LATER = utc("2026-04-20T12:00:00")
PERIOD = ("2026-03-10", "2026-03-10", "2026-04-10")
CUSTOMERS = ("ada", "bo", "cy")


_numbers = itertools.count(1)


def use(world: World, name: str, units: int) -> None:
    event = UsageEvent(f"used-{next(_numbers)}", Decimal(units), world.now)
    record_events(world.metering, name, "tokens", [event], world.now)


def lived(world: World) -> World:
    """Three customers: a subscriber, one who is past due, and one without an order; none of it followed."""
    for number, name in enumerate(CUSTOMERS[:2]):
        who: Any = {"merchantProvidedBuyerIdentity": name}
        world.take(lifecycle("activated", f"ORD_{name}", *PERIOD, plan="pro", **who))
        world.take(payment(f"ORD_{name}", f"PAY_{name}", "2026-03-10", amount="29.00", **who))
        use(world, name, 100 + number)
    world.take(
        lifecycle("past_due", "ORD_bo", "2026-03-11", *PERIOD[1:], plan="pro", merchantProvidedBuyerIdentity="bo")
    )
    use(world, "cy", 7)
    return world


def walk(world: World, may_go_on: Callable[[], bool] = lambda: True) -> bool:
    assert world.erasures is not None
    failures: list[Any] = []
    followers = keepers_of(world.table, world.erasures, "free")
    filled = backfill(
        world.table, followers, LATER, may_go_on=may_go_on, on_failure=lambda key, error: failures.append((key, error))
    )
    assert failures == []
    return filled.is_done


def unlisted(world: World, dynamodb: "DynamoDBClient", table: str) -> None:
    """Take the payments out of the lists, as an earlier version left them."""
    for name in CUSTOMERS[:2]:
        key = {"PK": {"S": f"PAYMENT#PAY_{name}"}, "SK": {"S": "PAYMENT"}}
        dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE listing, listed_at")


def figures(ask: Ask) -> Any:
    reports = [ask("report_live", {"days": "60"}).body, ask("report_subscriptions").body]
    return [
        {name: value for name, value in each.items() if name not in ("as_of", "seconds_behind")} for each in reports
    ]


def directory(world: World) -> list[Any]:
    lines, _ = list_customers(world.table, limit=100)
    return [replace(line, revision=0, active_at=None) for line in lines]


def test_issue_14_point_1_and_5_after_the_walk_all_is_as_if_the_stream_had_been_read(
    followed: World, reads: Reader, ask: Ask, dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given a stack that an earlier version wrote
    lived(followed)
    unlisted(followed, dynamodb, table)
    records = reads.records()
    assert directory(followed) == []
    # When
    while not walk(followed):
        pass
    walked = figures(ask), directory(followed)
    # Then the stream, read from its beginning, has nothing to add
    reads.follow(records)
    assert (figures(ask), directory(followed)) == walked
    assert [line.customer_id for line in walked[1]] == list(CUSTOMERS)
    assert [line.customer_id for line in list_customers(followed.table, status="past_due", limit=9)[0]] == ["bo"]
    listed = [each for status in PAYMENT_STATUSES for each in list_payments(followed.table, status, limit=9)[0]]
    assert {each.payment_id for each in listed} == {"PAY_ada", "PAY_bo"}


def test_a_customer_is_active_when_something_was_used_not_when_it_is_listed(followed: World) -> None:
    lived(followed)
    walk(followed)
    for line in list_customers(followed.table, status="active", limit=9)[0]:
        assert line.active_at == utc("2026-03-10T00:00:00")


@pytest.mark.parametrize("seed", range(4))
def test_the_walk_may_stop_anywhere_and_run_beside_the_stream_and_hot_writes(
    followed: World, reads: Reader, ask: Ask, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("pancake_meter.usecases.stream.backfill._AT_ONCE", 1)
    chance = random.Random(seed)  # noqa: S311 - a replayable order
    lived(followed)
    told = 0
    for step in range(200):
        stops = iter([True, False])
        if walk(followed, lambda stops=stops: next(stops, False)):  # type: ignore[misc]
            break
        if chance.random() < 0.5:
            use(followed, chance.choice(CUSTOMERS), step + 1)
        if chance.random() < 0.5:
            records = reads.records()
            upto = chance.randint(told, len(records))
            reads.follow(records[told:upto])
            told = upto
    else:
        raise AssertionError("the walk does not end")
    # Then, whatever is read again
    reads.follow(reads.records()[told:])
    mixed = figures(ask), directory(followed)
    reads.follow()
    assert (figures(ask), directory(followed)) == mixed
    (meter,) = [each for each in mixed[0][0]["meters"] if each["meter"] == "tokens"]
    balances = [each for name in CUSTOMERS for each in read_balances(followed.table, name)]
    assert meter["open"]["used"] == sum(each.used for each in balances if each.meter == "tokens")


def test_an_erased_customer_does_not_come_back_by_the_walk(followed: World) -> None:
    lived(followed)
    assert followed.erasures is not None
    for _ in range(9):
        if erase_customer(followed.erasures, "ada", LATER, may_go_on=lambda: True).erasure.step == "done":
            break
    walk(followed)
    assert [line.customer_id for line in directory(followed)] == ["bo", "cy"]


def test_the_schedule_walks_once_as_its_policy_allows_and_then_costs_one_read(
    followed: World, dynamodb: "DynamoDBClient", table: str
) -> None:
    lived(followed)
    unlisted(followed, dynamodb, table)
    assert followed.erasures is not None
    deps = CustomerDataDeps(Erasures(followed.table, followed.erasures.secret), lambda: LATER)
    event = api_event("renewal_reset_schedule")
    first, again = (customer_data.handler(event, LambdaContext(), deps) for _ in range(2))
    assert (first["backfill_complete"], again) == (True, {"erased": 0, "backfilled": 0, "backfill_complete": True})
    assert first["backfilled"] >= 7
    known = read_payment(followed.table, "PAY_ada")
    assert known is not None
