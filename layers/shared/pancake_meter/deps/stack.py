"""The parts of a stack that most functions share: its clock and its table."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from pancake_meter import clock
from pancake_meter.deps.config import TableSettings
from pancake_meter.domain.instant import floor_ms
from pancake_meter.store.dynamodb_client import dynamodb_client
from pancake_meter.store.table import Table

Clock = Callable[[], datetime]

Stopwatch = Callable[[], float]
"""Returns seconds that only grow."""


def utc_now() -> datetime:
    """Return the present instant in whole milliseconds, as every store and wire format carries it."""
    return floor_ms(clock.now())


def true_time() -> datetime:
    """Return the machine's own time, wherever the clock of a local stack was moved to."""
    return datetime.now(UTC)


@cache
def stack_table() -> Table:
    """Return the table, made once. A missing setting stops the cold start."""
    return Table(dynamodb_client(), TableSettings.from_environment().name)
