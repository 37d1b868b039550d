"""Large batches: what is known costs no writes, and each retry gets further."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

import pytest

from pancake_meter.catalog import load_catalog
from pancake_meter.domain.usage.usage_event import dated_usage_event, usage_event
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.errors import StoreBusy, StoreError, StoreUnavailable
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import parked_usage
from pancake_meter.usecases.balance.hold_quota import HoldPlaced, hold_quota
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.balance.record_usage import UsageLine, record_batch
from pancake_meter.usecases.side_by_side import WORKERS_MAX, side_by_side
from pancake_meter.usecases.usage.bulk import BULK, bulk_messages, message_items
from pancake_meter.usecases.usage.count_usage import ItemOutcome, count_items
from pancake_meter.usecases.usage.sources import LITELLM
from tests.support.metered_dynamodb import metered
from tests.support.meters import CUSTOMER, NOW, catalog_of, metering

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATALOG = load_catalog(Path(__file__).resolve().parents[3] / "layers" / "catalog" / "catalog.toml")


@pytest.fixture
def stack(dynamodb: "DynamoDBClient", table: str) -> Metering:
    begun = metering(dynamodb, table, catalog_of(10**9))
    begun.open(CUSTOMER, "tokens", NOW)
    return begun


def line(number: int) -> UsageLine:
    return UsageLine(CUSTOMER, "tokens", usage_event(f"0b7c1d2e-{number:012d}", Decimal(10), None, NOW))


BATCH = [line(number) for number in range(99)]


# --- What repeats cost, as AWS charges ----------------------------------------------------------------------------


def test_a_fresh_batch_of_99_is_one_request(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    with metered(dynamodb) as meter:
        assert set(record_batch(stack, BATCH, NOW)) == {"counted"}
    assert meter.operations == ["TransactWriteItems"]
    assert meter.write_units_of_aws <= 2.1 * 99


def test_a_new_customer_s_usage_is_tried_once_more_although_it_is_older_than_the_balance(
    stack: Metering, dynamodb: "DynamoDBClient"
) -> None:
    before = dated_usage_event("call-1", Decimal(10), NOW - timedelta(seconds=9), NOW)
    with metered(dynamodb) as meter:
        assert record_batch(stack, [UsageLine("cust_new", "tokens", before)], NOW) == ["counted"]
    # Refused since there is no balance, opened, counted
    assert meter.operations.count("TransactWriteItems") == 3
    balance = read_balance(stack.table, "cust_new", "tokens")
    assert balance is not None
    assert balance.used == 10


def test_scenario_101_a_batch_of_99_with_one_repeat_costs_at_most_205_write_units(
    stack: Metering, dynamodb: "DynamoDBClient"
) -> None:
    record_batch(stack, BATCH[40:41], NOW)
    with metered(dynamodb) as meter:
        assert record_batch(stack, BATCH, NOW).count("duplicate") == 1
    assert len(meter.operations) <= 3
    assert meter.write_units_of_aws <= 205


def test_scenario_101_a_repeated_batch_of_99_writes_nothing(stack: Metering, dynamodb: "DynamoDBClient") -> None:
    record_batch(stack, BATCH, NOW)
    with metered(dynamodb) as meter:
        assert set(record_batch(stack, BATCH, NOW)) == {"duplicate"}
    assert meter.operations == ["BatchGetItem"]
    assert meter.write_units_of_aws == 0


def test_scenario_101_a_message_delivered_again_to_another_process_writes_nothing(
    stack: Metering, dynamodb: "DynamoDBClient"
) -> None:
    (body,) = bulk_messages(BATCH)
    count_items(stack, BULK, message_items(body), NOW)
    other = Metering(stack.table, stack.catalog)
    with metered(dynamodb) as meter:
        outcomes = count_items(other, BULK, message_items(body), NOW, is_retry=True)
    assert {outcome.status for outcome in outcomes} == {"duplicate"}
    assert (meter.operations, meter.write_units_of_aws) == (["BatchGetItem"], 0)


def test_promise_1_a_read_that_misses_a_counted_event_counts_nothing_twice(stack: Metering) -> None:
    # Given reads that are behind, as those that are not strongly consistent may be
    record_batch(stack, BATCH, NOW)
    stale = Metering(stack.table, stack.catalog)

    # When the batch comes again
    assert set(record_batch(stale, BATCH, NOW, known={})) == {"duplicate"}

    # Then the condition of the write has judged
    assert stack.current_balance(CUSTOMER, "tokens", NOW).used == 990


# --- A store as slow as DynamoDB, and a function with a time limit ------------------------------------------------


def call(number: int, who: str, **more: object) -> dict[str, object]:
    return {
        "litellm_call_id": f"call-{who}-{number}",
        "status": "success",
        "endTime": int(NOW.timestamp()),
        "model": "gpt-4o",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "metadata": {"user_api_key_auth_metadata": {"customer_id": who}},
        **more,
    }


@dataclass
class SlowStore:
    """A DynamoDB client in a time of its own, which its requests alone spend: as many as 21 s take, at 160 ms each.

    That is a batch of 512 at 20 ms, an eighth as large, and the same number of tries.
    """

    client: Any
    requests: int = 0
    writes: int = 0
    lock: Lock = field(default_factory=Lock)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name not in {"batch_get_item", "get_item", "query", "put_item", "update_item", "transact_write_items"}:
            return method

        def slow(**request: Any) -> Any:
            with self.lock:
                self.requests += 1
                self.writes += name not in {"batch_get_item", "get_item", "query"}
            return method(**request)

        return slow

    def time_limit(self, requests_max: int = int(21 / 0.160)) -> Callable[[], bool]:
        """Return a predicate: true for so many more requests. A function of 29 s keeps 8 of them for its answer."""
        last = self.requests + requests_max
        return lambda: self.requests < last


def attempt(run: Callable[[], list[ItemOutcome]]) -> bool:
    try:
        run()
    except StoreError:
        return False
    return True


def test_scenario_101_four_batches_of_as_many_new_customers_are_counted_within_three_tries(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given four functions, each with a store that answers as slowly as DynamoDB at its worst, one request at a time
    def send(batch: int) -> list[bool]:
        slow = SlowStore(dynamodb)
        calls = [call(number, f"c{batch}-{number}") for number in range(64)]
        tries: list[bool] = []
        while not any(tries) and len(tries) < 3:
            fresh = Metering(Table(slow, table), CATALOG)  # type: ignore[arg-type]
            may_go_on = slow.time_limit()
            tries.append(attempt(lambda metering=fresh, go=may_go_on: count_items(metering, LITELLM, calls, NOW, go)))  # type: ignore[misc]
        return tries

    # When each is sent again until it is counted
    with ThreadPoolExecutor(4) as functions:
        tries = list(functions.map(send, range(4)))

    # Then it is, after few tries, and each call once
    assert all(each[-1] for each in tries)
    sound = Table(dynamodb, table)
    for batch in range(4):
        for number in range(0, 64, 7):
            balance = read_balance(sound, f"c{batch}-{number}", "tokens")
            assert balance is not None
            assert balance.used == 30


def test_scenario_101_settled_and_parked_items_are_passed_over_when_the_batch_comes_again(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given calls with holds of a few customers, and calls of nobody
    slow = SlowStore(dynamodb)
    metering_ = Metering(Table(slow, table, sleep=lambda _: None), CATALOG)  # type: ignore[arg-type]
    calls = []
    for number in range(40):
        who = f"held-{number % 4}"
        placed = hold_quota(metering_, who, "tokens", f"call-{who}-{number}", Decimal(50), timedelta(minutes=5), NOW)
        assert isinstance(placed, HoldPlaced)
        hold = {"customer_id": who, "meter": "tokens", "hold_id": str(placed.handle)}
        calls.append(call(number, who, pancake_meter_hold=hold))
    calls += [call(number, "", metadata={}) for number in range(40)]

    # When time runs out again and again
    tries = 0
    while tries < 10:
        tries += 1
        fresh = Metering(metering_.table, CATALOG)
        may_go_on = slow.time_limit(20)
        if attempt(lambda m=fresh, go=may_go_on: count_items(m, LITELLM, calls, NOW, go)):  # type: ignore[misc]
            break

    # Then each try got further, and everything happened once
    assert 2 < tries <= 6
    balances = [read_balance(metering_.table, f"held-{number}", "tokens") for number in range(4)]
    assert [(int(b.used), int(b.held)) for b in balances if b] == [(300, 0)] * 4
    assert len(parked_usage(metering_.table, NOW, limit=50)[0]) == 40

    # And once more, nothing is written
    writes = slow.writes
    outcomes = count_items(Metering(metering_.table, CATALOG), LITELLM, calls, NOW)
    assert slow.writes == writes
    assert [outcome.status for outcome in outcomes] == ["duplicate"] * 40 + ["parked"] * 40


def test_promise_3_a_hold_whose_call_another_telling_counted_is_ended_in_a_batch_too(stack: Metering) -> None:
    # Given two calls that a stock callback has told of, each with a live hold
    calls = []
    deps = Metering(stack.table, CATALOG)
    for number in range(2):
        placed = hold_quota(deps, "held", "tokens", f"call-held-{number}", Decimal(50), timedelta(minutes=5), NOW)
        assert isinstance(placed, HoldPlaced)
        hold = {"customer_id": "held", "meter": "tokens", "hold_id": str(placed.handle)}
        calls.append(call(number, "held", pancake_meter_hold=hold))
    count_items(deps, LITELLM, [call(number, "held") for number in range(2)], NOW)

    # Then the logger's telling ends the holds, and counts nothing twice
    outcomes = count_items(deps, LITELLM, calls, NOW)
    assert [(outcome.status, outcome.ended_hold) for outcome in outcomes] == [("duplicate", True)] * 2
    balance = read_balance(deps.table, "held", "tokens")
    assert balance is not None
    assert (int(balance.used), int(balance.held)) == (60, 0)


# --- Side by side -------------------------------------------------------------------------------------------------


def test_balances_are_worked_on_at_once_and_those_of_one_lane_one_after_another() -> None:
    running: set[int] = set()
    lock, first_of_each_lane = Lock(), Barrier(4, timeout=30)

    def work(item: int) -> int:
        with lock:
            assert item % 4 not in running
            running.add(item % 4)
        if item < 4:
            first_of_each_lane.wait()
        with lock:
            running.remove(item % 4)
        return item * 2

    assert side_by_side(work, range(20), lane=lambda item: item % 4) == [item * 2 for item in range(20)]


@pytest.mark.parametrize(
    ("trouble", "done"), [(StoreBusy("busy"), 19), (StoreUnavailable("gone"), 7), (OverflowError("a bug"), 7)]
)
def test_only_a_busy_balance_leaves_the_others_alone_and_trouble_is_raised_as_it_is(
    trouble: Exception, done: int
) -> None:
    counted: list[int] = []
    all_begun = Barrier(WORKERS_MAX, timeout=30)

    def work(item: int) -> None:
        if item < WORKERS_MAX:
            all_begun.wait()
        if item == 0:
            raise trouble
        time.sleep(0.1)  # by then the trouble is known
        counted.append(item)

    with pytest.raises(type(trouble)):
        side_by_side(work, range(20))
    assert len(counted) == done


def test_a_bug_is_raised_before_passing_trouble() -> None:
    all_begun = Barrier(4, timeout=30)

    def work(item: int) -> None:
        all_begun.wait()
        raise OverflowError("a bug") if item == 3 else StoreUnavailable("gone")

    with pytest.raises(OverflowError):
        side_by_side(work, range(4))


def test_the_client_has_a_connection_for_every_worker() -> None:
    config: Any = dynamodb_client().meta.config
    assert config.max_pool_connections >= WORKERS_MAX
