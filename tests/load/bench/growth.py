"""Growth: the same operations on a table of 100,000 customers and 1,000,000 events, over those on an empty one."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.load.bench.figures import Figure
from tests.load.bench.warm import UNITS, checked, handled
from tests.support.hot_operations import CUSTOMER, HotOperations
from tests.support.metered_dynamodb import metered
from tests.support.meters import catalog_of
from tests.support.plain_wire import SIGNED_BY_NOBODY
from tests.support.table import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CUSTOMERS: Final = 100_000
EVENTS: Final = 1_000_000
ROUNDS: Final = 100
NAMES: Final = ("check", "hold", "settle", "release", "record", "batch of 99")
_ITEMS_A_REQUEST: Final = 25
_LOADERS: Final = 4


def measure(client: "DynamoDBClient", url: str, customers: int = CUSTOMERS, events: int = EVENTS) -> list[Figure]:
    """Return CPU time and write units of each operation on both tables. Raises `AssertionError` where units grow."""
    small, large = (create_table(client, f"growth-{size}", ttl=False) for size in ("small", "large"))
    both = [HotOperations(Metering(Table(client, table), catalog_of(UNITS))) for table in (large, small)]
    for operations in both:
        checked(operations.record()())
    fill(url, large, _items_like(client, large), customers, events)
    figures = []
    cycle = ("check", "hold", "settle", "hold", "release", "record", "batch of 99")
    times: dict[str, list[list[float]]] = {name: [[], []] for name in NAMES}
    units: dict[str, list[float]] = {name: [0.0, 0.0] for name in NAMES}
    for number in range(ROUNDS):
        for name in cycle:
            # Each is first as often as the other.
            for which in (0, 1) if number % 2 else (1, 0):
                call = both[which].of(name)
                times[name][which].append(handled(call))
    for name in cycle:
        for which in (0, 1):
            call = both[which].of(name)
            with metered(client) as meter:
                checked(call())
            units[name][which] = meter.units
    for name in NAMES:
        if units[name][0] != units[name][1]:
            raise AssertionError(f"{name} takes {units[name][0]} units there, {units[name][1]} on an empty table")
        figures.append(Figure.of_times(name, times[name][0], times[name][1], f"{units[name][0]:g} units on both"))
    return figures


def _items_like(client: "DynamoDBClient", table: str) -> list[tuple[str, str]]:
    """Return the wire's text of a balance and of an event, and what in it names the one that it is."""
    found: dict[str, str] = {}
    for item in client.scan(TableName=table)["Items"]:
        kind = item["PK"]["S"].partition("#")[0] + item["SK"]["S"].partition("#")[0]
        found[kind] = json.dumps(item)
    return [(text, CUSTOMER) for kind, text in found.items() if kind.startswith(("CUSTOMERBALANCE", "USAGE"))]


def fill(url: str, table: str, like: list[tuple[str, str]], customers: int, events: int) -> None:
    """Write so many balances and events as raw items, each like those that are there."""
    balance = next(text for text, _ in like if "headroom" in text)
    event = next(text for text, _ in like if "fingerprint" in text)
    texts = [(balance, customers, "full-b"), (event, events, "full-e")]
    bodies = _bodies(table, texts)
    with ThreadPoolExecutor(_LOADERS) as pool:
        list(pool.map(lambda _: _load(url, bodies), range(_LOADERS)))


def _bodies(table: str, texts: list[tuple[str, int, str]]) -> "_Shared":
    def made() -> Iterator[bytes]:
        for text, count, prefix in texts:
            for first in range(0, count, _ITEMS_A_REQUEST):
                puts = ",".join(
                    f'{{"PutRequest":{{"Item":{text.replace(CUSTOMER, f"{prefix}{number:07d}")}}}}}'
                    for number in range(first, min(count, first + _ITEMS_A_REQUEST))
                )
                yield f'{{"RequestItems":{{"{table}":[{puts}]}}}}'.encode()

    return _Shared(made())


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, bodies: Iterator[bytes]) -> None:
        self._bodies, self._lock = bodies, Lock()

    def take(self) -> bytes | None:
        with self._lock:
            return next(self._bodies, None)


def _load(url: str, bodies: _Shared) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers: dict[str, Any] = {
        **SIGNED_BY_NOBODY,
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem",
    }
    while (body := bodies.take()) is not None:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != http.client.OK or json.loads(told)["UnprocessedItems"]:
            raise RuntimeError(f"the engine answered {answer.status}: {told[:300]!r}")
    connection.close()
