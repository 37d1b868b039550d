"""One id twice in a batch: each line is answered as if the lines had been sent one after the other, in every format."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.domain.usage.usage_event import dated_usage_event, usage_event
from pancake_meter.http.problem import Problem
from pancake_meter.http.usage.batch import record_items
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine, record_batch
from pancake_meter.usecases.side_by_side import always
from pancake_meter.usecases.usage.bulk import BULK, bulk_messages, message_items
from pancake_meter.usecases.usage.count_usage import count_items
from pancake_meter.usecases.usage.sources import LITELLM, OPENMETER
from tests.support.webhook_world import CATALOG, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DATA = Path(__file__).parents[2] / "data" / "litellm"
NOW = utc("2026-03-10T15:15:00")
Telling = tuple[int, int | None]
"""A quantity, and how many minutes ago it was used; ``None``: no time is stated."""

TELLINGS: list[tuple[Telling, ...]] = [
    ((10, None), (10, None)),
    ((10, 5), (10, None)),
    ((10, None), (10, 5)),
    ((10, 5), (10, 6)),
    ((10, None), (11, None)),
    ((10, None), (11, None), (10, None), (11, None)),
    ((11, 5), (10, 5), (11, None), (11, 5)),
]


def native(metering: Metering, customer: str, tellings: tuple[Telling, ...]) -> list[str]:
    items = [
        {"id": "e1", "customer_id": customer, "meter": "tokens", "quantity": quantity}
        | ({} if ago is None else {"time": (NOW - timedelta(minutes=ago)).isoformat()})
        for quantity, ago in tellings
    ]
    return [each.code if isinstance(each, Problem) else each for each in record_items(metering, items, NOW, always)]


def bulk(metering: Metering, customer: str, tellings: tuple[Telling, ...]) -> list[str]:
    lines = []
    for quantity, ago in tellings:
        at = None if ago is None else NOW - timedelta(minutes=ago)
        lines.append(UsageLine(customer, "tokens", usage_event("e1", Decimal(quantity), at, NOW)))
    items = [item for message in bulk_messages(lines) for item in message_items(message)]
    return [each.status for each in count_items(metering, BULK, items, NOW)]


def openmeter(metering: Metering, customer: str, tellings: tuple[Telling, ...]) -> list[str]:
    items = [
        {"specversion": "1.0", "id": "e1", "source": "app", "type": "tokens-used", "subject": customer,
         "data": {"tokens": quantity}} | ({} if ago is None else {"time": (NOW - timedelta(minutes=ago)).isoformat()})
        for quantity, ago in tellings
    ]  # fmt: skip
    return [each.status for each in count_items(metering, OPENMETER, items, NOW)]


def litellm(metering: Metering, customer: str, tellings: tuple[Telling, ...]) -> list[str]:
    captured = json.loads((DATA / "generic_api_batch.json").read_text())["events"]["nonstream_user"]
    items = []
    for quantity, ago in tellings:
        ended = Decimal((NOW - timedelta(minutes=ago or 0)).timestamp())
        counts = {"prompt_tokens": quantity, "completion_tokens": 0, "total_tokens": quantity}
        of_customer = {**captured["metadata"], "user_api_key_team_id": customer, "usage_object": counts}
        times = {"startTime": ended - 1, "endTime": ended}
        items.append({**captured, **counts, **times, "litellm_call_id": "e1", "metadata": of_customer})
    return [each.status for each in count_items(metering, LITELLM, items, NOW)]


Tell = Callable[[Metering, str, tuple[Telling, ...]], list[str]]


@pytest.mark.parametrize("tell", [native, bulk, openmeter, litellm])
def test_promise_1_a_batch_with_one_id_twice_ends_as_its_lines_sent_apart(
    dynamodb: "DynamoDBClient", table: str, tell: Tell
) -> None:
    metering = Metering(Table(dynamodb, table), load_catalog(CATALOG))
    for number, tellings in enumerate(TELLINGS):
        # When
        together = tell(metering, f"together_{number}", tellings)
        apart = list(itertools.chain.from_iterable(tell(metering, f"apart_{number}", (each,)) for each in tellings))
        # Then
        assert together == apart, tellings
        assert together[0] == "counted"
        balances: Any = [read_balance(metering.table, f"{how}_{number}", "tokens") for how in ("together", "apart")]
        assert [balance.used for balance in balances] == [tellings[0][0]] * 2


def test_promise_1_a_line_of_a_closed_period_does_not_refuse_a_later_one_of_its_id(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given one id with two times, of which the first belongs to a period that closed too long ago
    metering = Metering(Table(dynamodb, table), load_catalog(CATALOG))
    for customer in ("together", "apart"):
        native(metering, customer, ((1, None),))
    later = NOW + timedelta(days=62)
    events = [dated_usage_event("e2", Decimal(7), at, later) for at in (NOW, later)]

    def record(customer: str, *told: Any) -> list[Any]:
        return record_batch(metering, [UsageLine(customer, "tokens", event) for event in told], later)

    # Then
    assert record("together", *events) == [*record("apart", events[0]), *record("apart", events[1])]
    assert record("together", *events) == [*record("apart", events[0]), *record("apart", events[1])]
