"""Throughput: events a second by several writers, over the engine's own rate for the same requests.

Each writer is a process. It calls the handler, and then makes the same requests again with the client alone, on a table of
its own that came the same way. All begin each round at once.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.load.bench.figures import Figure
from tests.load.bench.twin import Recorder, Request, Twins
from tests.load.bench.warm import UNITS, called, checked
from tests.support.hot_operations import EVENT_UNITS, METER, USED_UNITS, Call, HotOperations
from tests.support.meters import catalog_of

WRITERS: Final = 4
HOT_WRITERS: Final = 16
ROUNDS: Final = 5
ROUND_SECONDS_MAX: Final = 120


@dataclass(frozen=True, slots=True)
class Load:
    """What each writer does in a round: ``calls`` operations of a kind. ``one_customer``: all of them write one balance."""

    name: str
    operation: str
    calls: int
    writers: int = WRITERS
    one_customer: bool = False

    @property
    def units(self) -> int:
        """Units that one operation uses."""
        return {"record": EVENT_UNITS, "settle": USED_UNITS, "batch of 99": 99 * EVENT_UNITS}[self.operation]


LOADS: Final = (
    Load("record, 4 customers", "record", 60),
    Load("hold and settle, 4 customers", "settle", 30),
    Load("batches of 99, 4 customers", "batch of 99", 8),
    Load("record, 16 writers of one customer", "record", 15, HOT_WRITERS, one_customer=True),
)


class LostError(AssertionError):
    """A balance has other units than were written to it."""


def measure(url: str, rounds: int = ROUNDS) -> list[Figure]:
    """Return a figure for each load. Raises `LostError`."""
    return [_measured(url, load, rounds) for load in LOADS]


def _measured(url: str, load: Load, rounds: int) -> Figure:
    client = dynamodb_client(url)
    twins = Twins.begin(client, f"rate-{LOADS.index(load)}")
    for customer_id in {_customer(load, writer) for writer in range(load.writers)}:
        operations = HotOperations(Metering(Table(client, twins.ours), catalog_of(UNITS)), customer_id, writer=999)
        checked(operations.record()())
    twins.follow(twins.recorder.take())
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(load.writers + 1), context.Queue()
    writers = [
        context.Process(target=_write, args=(url, load, number, twins.ours, twins.bare, rounds, barrier))
        for number in range(load.writers)
    ]
    for writer in writers:
        writer.start()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    try:
        for _ in range(rounds):
            for by_handler in (True, False):
                barrier.wait(ROUND_SECONDS_MAX)
                begun = time.perf_counter()
                barrier.wait(ROUND_SECONDS_MAX)
                seconds[by_handler].append(time.perf_counter() - begun)
    finally:
        for writer in writers:
            writer.join(timeout=10)
            writer.kill()
        told.close()
    _none_lost(client, load, rounds, twins)
    events = load.writers * load.calls * (99 if load.operation == "batch of 99" else 1)
    ours, bare = (events / statistics.median(seconds[which]) for which in (True, False))
    return Figure(load.name, round(ours), round(bare), "events/s", round(ours / bare, 3))


def _customer(load: Load, writer: int) -> str:
    return f"acct_{0 if load.one_customer else writer:04d}"


def _none_lost(client: Any, load: Load, rounds: int, twins: Twins) -> None:
    """Compare what was written with what the balances have, by handlers and by bare requests alike."""
    each = rounds * load.calls * load.units
    expected = Decimal(EVENT_UNITS + each * (load.writers if load.one_customer else 1))
    for table in (twins.ours, twins.bare):
        for customer_id in {_customer(load, writer) for writer in range(load.writers)}:
            balance = read_balance(Table(client, table), customer_id, METER)
            if balance is None or balance.used != expected:
                raise LostError(f"{customer_id} of {load.name} has {balance and balance.used}, not {expected}")


def _write(url: str, load: Load, number: int, ours: str, bare: str, rounds: int, barrier: Any) -> None:
    """One writer, in its own process with its own client."""
    client = dynamodb_client(url)
    twins = Twins(client, load.name, Recorder(client), ours, bare)
    operations = HotOperations(Metering(Table(client, ours), catalog_of(UNITS)), _customer(load, number), writer=number)
    for _ in range(rounds):
        by_handler = [call for _ in range(load.calls) for call in _ready(operations, load)]
        twins.recorder.take()
        _together(barrier, partial(_all_handled, by_handler))
        asked: list[Request] = twins.recorder.take()
        by_client = twins.made_ready(asked)
        _together(barrier, partial(called, by_client))


def _ready(operations: HotOperations, load: Load) -> list[Call]:
    if load.operation == "settle":
        return [operations.hold(), operations.settle()]
    return [operations.of(load.operation)]


def _all_handled(calls: Sequence[Call]) -> None:
    for call in calls:
        checked(call())


def _together(barrier: Any, work: Callable[[], object]) -> None:
    barrier.wait(ROUND_SECONDS_MAX)
    work()
    barrier.wait(ROUND_SECONDS_MAX)
