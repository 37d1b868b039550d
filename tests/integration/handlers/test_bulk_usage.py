"""Bulk usage from the request to the balance: accepted into the queue, counted exactly once out of it."""

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import usage_batch
import usage_bulk
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.bulk import BulkDeps
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.errors import StoreError
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import parked_usage
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine
from pancake_meter.usecases.usage.bulk import BULK, bulk_messages, message_items
from pancake_meter.usecases.usage.count_usage import count_items, replay_parked
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.faulty_dynamodb import FaultyDynamoDB, When
from tests.support.metered_dynamodb import metered
from tests.support.sqs import MemoryQueue, sqs_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)

Post = Callable[..., Answer]


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", table: str) -> Metering:
    return Metering(Table(dynamodb, table), CATALOG)


@pytest.fixture
def waiting() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def post(metering: Metering, waiting: MemoryQueue) -> Post:
    deps = BulkDeps(metering, waiting.queue, lambda: NOW)

    def post(body: object, content_type: str = "application/x-ndjson") -> Answer:
        event = api_event("usage_bulk", body=body)
        event["headers"]["content-type"] = content_type
        return read_answer(usage_bulk.handler(event, LambdaContext(), deps))

    return post


def count(
    metering: Metering, bodies: list[str], now: datetime = NOW, remaining_ms: tuple[int, ...] = (30_000,)
) -> list[str]:
    """Count messages by the handler; return the ids of those that have to come back."""
    deps = MeteringDeps(metering, lambda: now)
    answer = usage_batch.handler(sqs_event(bodies), LambdaContext(remaining_ms=[30_000, *remaining_ms]), deps)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def usage(event_id: str, quantity: object = 10, **more: object) -> dict[str, object]:
    return {"id": event_id, "customer_id": "acct_1001", "meter": "tokens", "quantity": quantity, **more}


def lines(events: list[dict[str, object]]) -> str:
    return "\n".join(map(json.dumps, events))


def used(metering: Metering, customer_id: str = "acct_1001", meter: str = "tokens") -> int:
    balance = read_balance(metering.table, customer_id, meter)
    return int(balance.used) if balance else 0


@pytest.mark.parametrize("form", ["ndjson", "array"])
def test_accepted_events_are_in_the_queue_and_then_in_the_balance(
    post: Post, metering: Metering, waiting: MemoryQueue, form: str
) -> None:
    # When events come in bulk
    events = [usage(f"e{number}", number) for number in range(1, 251)]
    answer = post(lines(events)) if form == "ndjson" else post(json.dumps(events), "application/json")

    # Then they are accepted, and not counted yet
    assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (HTTPStatus.ACCEPTED, 250, 0)
    assert used(metering) == 0
    assert [len(message_items(body)) for body in waiting.bodies] == [99, 99, 52]

    # And once the queue is worked off, each counts once, however often its message comes
    assert count(metering, waiting.bodies) == []
    assert count(metering, waiting.bodies) == []
    assert used(metering) == sum(range(1, 251))


def test_scenario_61_a_bad_event_is_refused_by_itself(post: Post, waiting: MemoryQueue) -> None:
    bad = [usage("bad1", -1), usage("bad2", meter="nonsense"), usage("bad3", time="2020-01-01T00:00:00Z")]
    answer = post(f"{lines([usage('e1'), *bad])}\nnot json\n")
    assert (answer.status, answer.body["accepted"]) == (HTTPStatus.ACCEPTED, 1)
    assert [(item["index"], item["code"]) for item in answer.body["refused_items"]] == [
        (1, "invalid_request"),
        (2, "unknown_meter"),
        (3, "event_time_out_of_range"),
        (4, "invalid_request"),
    ]
    assert len(waiting.bodies) == 1


def test_a_request_of_which_nothing_is_accepted_is_a_refusal(post: Post, waiting: MemoryQueue) -> None:
    assert post(lines([usage("e1", meter="nonsense")])).status == HTTPStatus.NOT_FOUND
    assert post("not json", "application/json").status == HTTPStatus.BAD_REQUEST
    assert waiting.bodies == []


@pytest.mark.parametrize("fails", ["some", "all"])
def test_promise_5_what_the_queue_did_not_take_is_503_and_safe_to_repeat(
    post: Post, metering: Metering, waiting: MemoryQueue, fails: str
) -> None:
    # Given a queue that takes not all
    events = lines([usage(f"e{number}") for number in range(300)])
    waiting.fails = fails
    assert post(events).status == HTTPStatus.SERVICE_UNAVAILABLE

    # When the same request comes again
    waiting.fails = None
    assert post(events).status == HTTPStatus.ACCEPTED

    # Then everything counts once
    assert count(metering, waiting.bodies) == []
    assert used(metering) == 3000


def test_the_time_of_an_event_is_that_of_its_acceptance_however_long_the_queue(
    post: Post, metering: Metering, waiting: MemoryQueue
) -> None:
    post(lines([usage("e1"), usage("e2", time="2026-03-09T10:00:00Z")]))
    assert count(metering, waiting.bodies, NOW + timedelta(days=3)) == []
    balance = read_balance(metering.table, "acct_1001", "tokens")
    assert balance is not None
    assert balance.days == {"0310": Decimal(10), "0309": Decimal(10)}


def test_long_ids_and_many_customers_stay_within_the_queue_s_limits(
    post: Post, metering: Metering, waiting: MemoryQueue
) -> None:
    events = [usage(f"{number:04}" + "ä" * 124, customer_id=f"c{number % 7}" + "x" * 120) for number in range(2000)]
    assert post(lines(events)).body["accepted"] == 2000
    assert max(len(body.encode()) for body in waiting.bodies) <= 60_000
    packed = {json.dumps(item) for body in waiting.bodies for item in message_items(body)}
    assert len(packed) == 2000


def test_what_cannot_be_counted_any_more_is_parked_and_no_message_comes_back(
    post: Post, metering: Metering, waiting: MemoryQueue
) -> None:
    # Given an id that was used for something else meanwhile
    post(lines([usage("e1", 10), usage("e2", 5)]))
    other = usage_event("e1", Decimal(99), None, NOW)
    count(metering, bulk_messages([UsageLine("acct_1001", "tokens", other)]))

    # When the queue is worked off
    assert count(metering, waiting.bodies) == []

    # Then the other event counts, and this one is kept with its reason, and can be tried again
    assert used(metering) == 99 + 5
    (parked,), _ = parked_usage(metering.table, NOW, limit=10)
    assert (parked.source, parked.code) == ("bulk", "event_conflict")
    assert replay_parked(metering, parked.digest, NOW)[0].status == "parked"


def test_promise_1_messages_that_there_is_no_time_for_come_back_and_count_once(
    post: Post, metering: Metering, waiting: MemoryQueue
) -> None:
    # Given messages of very many customers, each with a transaction of its own
    customers = [f"c{number:03}" for number in range(250)]
    post(lines([usage("e1", customer_id=customer_id) for customer_id in customers]))

    # When time runs out in the second of three
    assert count(metering, waiting.bodies, remaining_ms=(*[20_000] * 120, 7_000)) == ["1", "2"]

    # Then these two come back, and go on from there
    assert sum(used(metering, customer_id) for customer_id in customers) == 120 * 10
    assert count(metering, waiting.bodies[1:]) == []
    assert [used(metering, customer_id) for customer_id in customers] == [10] * 250


def test_a_message_that_is_none_comes_back_alone(post: Post, metering: Metering, waiting: MemoryQueue) -> None:
    post(lines([usage("e1")]))
    assert count(metering, ["{}", *waiting.bodies, "not json"]) == ["0", "2"]
    assert used(metering) == 10


@pytest.mark.parametrize("when", ["before", "after"])
def test_promise_1_trouble_at_any_call_brings_the_message_back_and_it_counts_once(
    dynamodb: "DynamoDBClient", table: str, when: When
) -> None:
    for fails_at in range(1, 7):
        # Given messages of two customers, and trouble at one call
        name = f"c{when}{fails_at}"
        batch = [
            UsageLine(f"{name}-{n % 2}", "tokens", usage_event(f"e{n}", Decimal(1), None, NOW)) for n in range(150)
        ]
        bodies = bulk_messages(batch)
        faulty = Table(FaultyDynamoDB(dynamodb, fails_at, when), table, sleep=lambda _: None)  # type: ignore[arg-type]
        back = count(Metering(faulty, CATALOG), bodies)

        # When what failed comes again
        sound = Metering(Table(dynamodb, table), CATALOG)
        assert count(sound, [bodies[int(index)] for index in back]) == []

        # Then all of it is counted once
        assert (used(sound, f"{name}-0"), used(sound, f"{name}-1")) == (75, 75)


def test_promise_1_one_hot_customer_s_messages_from_eight_consumers_each_twice(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given 5,000 events of one customer, packed in two ways
    shared = Metering(Table(dynamodb, table), CATALOG)
    batch = [UsageLine("hot", "tokens", usage_event(f"e{n}", Decimal(n % 7 + 1), None, NOW)) for n in range(5000)]
    dice = random.Random(7)  # noqa: S311 - a replayable shuffle
    bodies = bulk_messages(batch) + bulk_messages(dice.sample(batch, len(batch)))
    dice.shuffle(bodies)

    # When eight consumers count them at once, and what met trouble comes back
    def consume(body: str) -> None:
        for _ in range(50):
            try:
                count_items(shared, BULK, message_items(body), NOW)
            except StoreError:
                continue
            return
        raise AssertionError("never got through")

    with ThreadPoolExecutor(8) as consumers:
        list(consumers.map(consume, bodies))

    # Then the total is exact
    assert used(shared, "hot") == sum((line.event.quantity for line in batch), ZERO)


def test_bulk_usage_costs_about_two_units_an_event(
    post: Post, metering: Metering, waiting: MemoryQueue, dynamodb: "DynamoDBClient"
) -> None:
    metering.open("acct_1001", "tokens", NOW)
    post(lines([usage(f"e{number}") for number in range(990)]))
    with metered(dynamodb) as meter:
        count(metering, waiting.bodies)
    assert meter.operations == ["TransactWriteItems"] * 10
    assert meter.units / 990 <= 2.2
