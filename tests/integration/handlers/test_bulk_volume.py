"""Bulk usage at volume in one process: what 100,000 events of one customer cost, exactly, and how fast that is.

Run it with `make bulk`. The rate is told beside that of the store alone, and never asserted: it is the machine's.
"""

import time
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import usage_batch
import usage_bulk
from pancake_meter.catalog import load_catalog
from pancake_meter.deps.bulk import BulkDeps
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.support.api import LambdaContext, api_event, read_answer
from tests.support.bare_store import bare_events_per_second
from tests.support.bulk_volume import EVENTS, firehose
from tests.support.metered_dynamodb import metered
from tests.support.sqs import MemoryQueue, sqs_event
from tests.support.table import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = [pytest.mark.load, pytest.mark.timeout(1800)]

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")
NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
MESSAGES_A_CALL = 10


def test_promise_1_a_hundred_thousand_events_of_one_customer_count_once_at_about_two_units_each(
    dynamodb: "DynamoDBClient", capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a customer who is known
    table = create_table(dynamodb, "volume")
    metering = Metering(Table(dynamodb, table), CATALOG)
    metering.open("hot", "tokens", NOW)
    waiting, hose = MemoryQueue(), firehose("hot")

    # When their events are accepted, some of them twice
    started = time.perf_counter()
    accepting = BulkDeps(metering, waiting.queue, lambda: NOW)
    for body in hose.bodies:
        event = api_event("usage_bulk", body=body)
        event["headers"]["content-type"] = "application/x-ndjson"
        answer = read_answer(usage_bulk.handler(event, LambdaContext(), accepting))
        assert (answer.status, answer.body["refused"]) == (HTTPStatus.ACCEPTED, 0)
    accepted = time.perf_counter()

    # And counted
    counting = MeteringDeps(metering, lambda: NOW)
    with metered(dynamodb) as meter:
        for first in range(0, len(waiting.bodies), MESSAGES_A_CALL):
            messages = sqs_event(waiting.bodies[first : first + MESSAGES_A_CALL])
            assert usage_batch.handler(messages, LambdaContext(), counting) == {"batchItemFailures": []}
    counted = time.perf_counter()

    # Then each counts once, and the whole costs about two units an event, with what refused repeats cost
    balance = read_balance(metering.table, "hot", "tokens")
    assert balance is not None
    assert balance.used == hose.total
    assert (meter.units + 2 * meter.refused_writes) / EVENTS <= 2.2

    rate = hose.posted / (counted - accepted)
    bare = bare_events_per_second(dynamodb, table, "hot", 200)
    with capsys.disabled():
        print(  # noqa: T201 - what the run is for
            f"\nin process, Dynoxide: {hose.posted:,} events posted, {EVENTS:,} distinct; used {balance.used:,}"
            f"\n  write units an event: {meter.units / EVENTS:.3f}; with those of refused repeats"
            f" {(meter.units + 2 * meter.refused_writes) / EVENTS:.3f}"
            f"\n  accepting {hose.posted / (accepted - started):,.0f} events/s; counting {rate:,.0f} events/s in"
            f" {len(meter.operations):,} requests; the store alone {bare:,.0f} events/s: ratio {rate / bare:.2f}"
        )
