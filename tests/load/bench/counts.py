"""Counts: requests and capacity units of each operation by AWS's rules. They are exact, on any machine."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from pancake_meter.store.table import Table
from pancake_meter.usecases.balance.metering import Metering
from tests.load.bench.figures import Figure
from tests.load.bench.hooks import webhooks
from tests.load.bench.warm import UNITS, checked
from tests.support.hot_operations import Call, HotOperations
from tests.support.metered_dynamodb import Meter, metered
from tests.support.meters import catalog_of
from tests.support.table import create_table
from tools.costs import COUNTED

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

IN_FLIGHT: Final = (20, 50)
SINGLE: Final = ("check", "hold", "settle", "release", "record", "batch of 99")


class MiscountedError(AssertionError):
    """An operation uses other units than docs/costs.md says."""


def measure(client: "DynamoDBClient") -> list[Figure]:
    """Return requests and write units of each operation. Raises `MiscountedError`."""
    figures = []
    for name in SINGLE:
        operations = _begun(client)
        if name in {"settle", "release"}:
            operations.hold()()
        figures += _figures(name, client, operations.of(name))
        said, counted = COUNTED[name], figures[-1].ours
        if counted != said.write_units:
            raise MiscountedError(f"{name} writes {counted} units, not {said.write_units}")
    for holds in IN_FLIGHT:
        operations = _busy(client, holds)
        figures += _figures(f"hold, {holds} in flight", client, operations.hold())
        figures += _figures(f"settle, {holds} in flight", client, operations.settle())
    figures += _repeats(client)
    table = create_table(client, f"count-{uuid4().hex}")
    return figures + _figures("webhook", client, next(webhooks(client, table)))


def _repeats(client: "DynamoDBClient") -> list[Figure]:
    operations = _begun(client)
    again = operations.record(99)
    again()
    all_again = _figures("batch of 99, sent again", client, again)
    operations.record()()
    return all_again


def _begun(client: "DynamoDBClient") -> HotOperations:
    table = create_table(client, f"count-{uuid4().hex}")
    operations = HotOperations(Metering(Table(client, table), catalog_of(UNITS)))
    checked(operations.record()())
    return operations


def _busy(client: "DynamoDBClient", holds: int) -> HotOperations:
    """Return a customer with usage on each of 31 days, whose next hold is the last of so many in flight."""
    operations = _begun(client)
    for _ in range(30):
        operations.now += timedelta(days=1)
        checked(operations.record()())
    for _ in range(holds - 1):
        checked(operations.hold()())
    return operations


def _figures(name: str, client: "DynamoDBClient", call: Call) -> list[Figure]:
    with metered(client) as meter:
        checked(call())
    return [
        Figure(f"{name}: requests", len(meter.operations), None, "requests"),
        Figure(f"{name}: write units", _units(meter), None, "units"),
    ]


def _units(meter: Meter) -> float:
    return meter.write_units_of_aws
