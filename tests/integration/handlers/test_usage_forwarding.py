"""Forwarding to an OpenMeter, from the table's own stream to what OpenMeter has."""

import json
import random
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import usage_forwarding
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.forwarding import ForwardingDeps
from pancake_meter.domain.balance.hold import HoldHandle
from pancake_meter.domain.usage.usage_event import RETENTION, usage_event
from pancake_meter.openmeter.client import OpenMeterUnavailable
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.keys import usage_event_key
from pancake_meter.store.table import Put, Table
from pancake_meter.usecases.balance.hold_quota import hold_quota, settle_hold
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.usage.forward import PATIENCE
from tests.support.api import EVENTS, LambdaContext
from tests.support.fake_openmeter import FakeOpenMeter
from tests.support.sqs import MemoryQueue
from tests.support.stream import stream_events, total_by_type

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its generated code is its own affair
    from openmeter.models import Event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
EXAMPLE: dict[str, Any] = json.loads((EVENTS / "usage_forwarding_stream.json").read_text())

Forward = Callable[..., None]


@pytest.fixture
def openmeter() -> FakeOpenMeter:
    return FakeOpenMeter()


@pytest.fixture
def aside() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def forward(openmeter: FakeOpenMeter, aside: MemoryQueue) -> Forward:
    def forward(event: dict[str, Any], now: datetime = NOW) -> None:
        deps = ForwardingDeps(openmeter.client(), aside.queue, lambda: now)
        usage_forwarding.handler(event, LambdaContext(), deps)

    return forward


@pytest.fixture
def metering(dynamodb: "DynamoDBClient", streaming_table: str) -> Metering:
    return Metering(Table(dynamodb, streaming_table), CATALOG)


def batch(count: int, *, customer_id: str = "acct_1001", counted_at: datetime = NOW) -> dict[str, Any]:
    """A stream event of usage events e0, e1, ... of 1, 2, ... units."""
    (record,) = EXAMPLE["Records"]
    records = []
    for number in range(count):
        key = {name: {"S": text} for name, text in usage_event_key(customer_id, "tokens", f"e{number}").items()}
        image = {**record["dynamodb"]["NewImage"], **key, "quantity": {"N": str(number + 1)}}
        change = {"ApproximateCreationDateTime": counted_at.timestamp(), "Keys": key, "NewImage": image}
        records.append({**record, "dynamodb": change})
    return {"Records": records}


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"].rpartition("#")[2] for event in events]


def messages(aside: MemoryQueue) -> list[dict[str, Any]]:
    return [json.loads(body) for body in aside.bodies]


def test_an_event_is_told_as_a_cloud_event_under_our_ids(forward: Forward, openmeter: FakeOpenMeter) -> None:
    forward(EXAMPLE)
    assert openmeter.sent == [
        {
            "specversion": "1.0",
            "id": "acct_1001#tokens#chatcmpl-9xQ#1",
            "source": "pancake-meter",
            "type": "tokens",
            "subject": "acct_1001",
            "time": "2026-03-10T15:19:58.123Z",
            "datacontenttype": "application/json",
            "data": {"quantity": "1200.5"},
        }
    ]


def test_openmeters_own_sdk_reads_what_we_send_as_it_is_meant(forward: Forward, openmeter: FakeOpenMeter) -> None:
    forward(EXAMPLE)
    (sent,) = openmeter.sent
    read = Event(sent)
    assert (read.id, read.source, read.specversion) == (sent["id"], "pancake-meter", "1.0")
    assert (read.type, read.subject, read.data) == ("tokens", "acct_1001", {"quantity": "1200.5"})
    assert read.time == datetime(2026, 3, 10, 15, 19, 58, 123000, UTC)


def test_everything_that_counts_is_forwarded_once_and_comes_to_the_same_sums(
    dynamodb: "DynamoDBClient", streaming_table: str, metering: Metering, forward: Forward, openmeter: FakeOpenMeter
) -> None:
    # Given two customers with the same event ids, two meters, a repeat, a settled hold and late usage
    for customer_id in ("acct_1001", "acct_1002"):
        events = [usage_event(f"e{number}", Decimal(number) / 4, None, NOW) for number in range(150)]
        for _ in range(2):
            record_events(metering, customer_id, "tokens", events, NOW)
        record_events(metering, customer_id, "requests", events[:3], NOW)
        hold_quota(metering, customer_id, "tokens", "h", Decimal(100), timedelta(minutes=5), NOW)
        handle = HoldHandle("tokens", Decimal(100), "h")
        settle_hold(metering, customer_id, handle, usage_event("h", Decimal("42.5"), None, NOW), NOW)
        next_month = NOW + timedelta(days=31)
        record_events(metering, customer_id, "tokens", [usage_event("later", Decimal(1), None, next_month)], next_month)
        late = usage_event("late", Decimal(7), NOW, next_month)
        assert record_events(metering, customer_id, "tokens", [late], next_month) == {"late": "counted"}

    # When the stream is forwarded, in any order, and half of it twice
    batches = stream_events(dynamodb, streaming_table, "UsageForwardingFunction")
    random.Random(3).shuffle(batches)  # noqa: S311 - a replayable shuffle
    for event in batches + batches[::2]:
        forward(event)

    # Then OpenMeter has each event once, and the same sums
    each = Decimal(sum(range(150))) / 4 + Decimal("42.5") + 1 + 7
    assert total_by_type(list(openmeter.taken.values())) == {"tokens": 2 * each, "requests": 2 * Decimal("0.75")}
    assert len(openmeter.taken) == 2 * (150 + 3 + 3)


def test_an_id_that_is_used_anew_after_its_ninety_days_is_forwarded(
    dynamodb: "DynamoDBClient", streaming_table: str, metering: Metering
) -> None:
    # Given an event that is past its time to live, and not deleted yet
    long_ago = NOW - RETENTION - timedelta(days=1)
    record_events(metering, "acct_1001", "tokens", [usage_event("e", Decimal(1), None, long_ago)], long_ago)

    # When its id counts again
    record_events(metering, "acct_1001", "tokens", [usage_event("e", Decimal(2), None, NOW)], NOW)

    # Then the function is told of both
    (event,) = stream_events(dynamodb, streaming_table, "UsageForwardingFunction")
    told = [record["dynamodb"]["NewImage"]["quantity"] for record in event["Records"]]
    assert told == [{"N": "1"}, {"N": "2"}]


def test_nothing_but_usage_events_reaches_the_function(dynamodb: "DynamoDBClient", streaming_table: str) -> None:
    for key in (
        {"PK": "PARKED#0", "SK": "USAGE"},
        {"PK": "CUSTOMER#a", "SK": "BALANCE#tokens"},
        {"PK": "A", "SK": "A"},
    ):
        Table(dynamodb, streaming_table).write(Put(key))
    usage = usage_event_key("acct_1001", "tokens", "e")
    Table(dynamodb, streaming_table).write(Put({**usage, "quantity": 1}))
    dynamodb.delete_item(TableName=streaming_table, Key={name: {"S": text} for name, text in usage.items()})
    (event,) = stream_events(dynamodb, streaming_table, "UsageForwardingFunction")
    assert [record["eventName"] for record in event["Records"]] == ["INSERT"]


@pytest.mark.parametrize(
    "trouble",
    [500, 502, 503, 429, 408, 401, 403, 404, 200, 302, httpx.ConnectTimeout("x"), httpx.ReadTimeout("x")],
    ids=str,
)
def test_trouble_brings_the_whole_batch_back_under_the_same_ids(
    forward: Forward, openmeter: FakeOpenMeter, aside: MemoryQueue, trouble: int | Exception
) -> None:
    openmeter.trouble = [trouble]
    with pytest.raises(OpenMeterUnavailable):
        forward(batch(5))
    forward(batch(5))
    assert ids(openmeter.sent) == ["e0", "e1", "e2", "e3", "e4"]
    assert openmeter.requests[0].content == openmeter.requests[1].content
    assert aside.bodies == []


def test_what_was_taken_before_the_answer_was_lost_is_no_second_event(
    forward: Forward, openmeter: FakeOpenMeter
) -> None:
    openmeter.lose_answers = 1
    with pytest.raises(OpenMeterUnavailable):
        forward(batch(5))
    forward(batch(5))
    assert (len(openmeter.sent), len(openmeter.taken)) == (10, 5)


@pytest.mark.parametrize("bad", [{"e0"}, {"e63"}, {"e99"}, {"e1", "e2", "e98"}, {f"e{n}" for n in range(100)}])
def test_what_is_refused_is_set_aside_alone_and_the_rest_is_forwarded(
    forward: Forward, openmeter: FakeOpenMeter, aside: MemoryQueue, bad: set[str]
) -> None:
    openmeter.refuses = lambda event: ids([event])[0] in bad
    forward(batch(100))
    assert set(ids(openmeter.sent)) == {f"e{n}" for n in range(100)} - bad
    assert len(openmeter.sent) == 100 - len(bad)
    assert {ids([message["event"]])[0] for message in messages(aside)} == bad
    assert len(aside.bodies) == len(bad)
    assert all("400" in message["reason"] and "malformed" in message["reason"] for message in messages(aside))
    assert len(openmeter.requests) < 200


def test_trouble_while_the_bad_one_is_looked_for_loses_nothing(
    forward: Forward, openmeter: FakeOpenMeter, aside: MemoryQueue
) -> None:
    # Given a batch that is refused, and an outage at each of the requests that look for the culprit
    openmeter.refuses = lambda event: event["id"].endswith("#e3")
    for calls_before in range(1, 7):
        openmeter.trouble = []
        original = openmeter.answer
        calls = iter(range(100))

        def fails(request: httpx.Request, original: Any = original, calls: Any = calls, at: int = calls_before) -> Any:
            return httpx.Response(503) if next(calls) == at else original(request)

        openmeter.answer = fails  # type: ignore[method-assign]
        with pytest.raises(OpenMeterUnavailable):
            forward(batch(8))
        openmeter.answer = original  # type: ignore[method-assign]
        assert aside.bodies == []

    # When it comes again
    forward(batch(8))

    # Then seven are there, and the eighth is set aside once
    assert sorted(ids(list(openmeter.taken.values()))) == ["e0", "e1", "e2", "e4", "e5", "e6", "e7"]
    assert ids([message["event"] for message in messages(aside)]) == ["e3"]


def test_where_nothing_can_be_set_aside_the_batch_comes_back(
    forward: Forward, openmeter: FakeOpenMeter, aside: MemoryQueue
) -> None:
    openmeter.refuses = lambda event: event["id"].endswith("#e3")
    aside.fails = "all"
    with pytest.raises(StoreUnavailable):
        forward(batch(8))
    aside.fails = None
    forward(batch(8))
    assert len(openmeter.taken) == 7
    assert len(aside.bodies) == 1


def test_usage_is_set_aside_whole_before_the_stream_forgets_it(
    forward: Forward, openmeter: FakeOpenMeter, aside: MemoryQueue
) -> None:
    # Given an OpenMeter that does not answer
    openmeter.trouble = [503] * 2
    with pytest.raises(OpenMeterUnavailable):
        forward(batch(3), NOW + PATIENCE - timedelta(seconds=1))
    assert aside.bodies == []

    # When patience ends
    forward(batch(3), NOW + PATIENCE)

    # Then every event is kept as it would have been sent
    assert ids([message["event"] for message in messages(aside)]) == ["e0", "e1", "e2"]
    forward(batch(3))
    assert [message["event"] for message in messages(aside)] == openmeter.sent


def test_a_call_that_carries_no_usage_asks_nobody(openmeter: FakeOpenMeter, forward: Forward) -> None:
    forward({"Records": [{"messageId": "warm-up", "body": "[]", "eventSource": "aws:sqs"}]})
    assert openmeter.requests == []
