"""The backlog: what waits for a person or for the sweep now, so that an alarm holds until it is dealt with."""

from datetime import datetime, timedelta
from typing import Final

from pancake_meter.store.balance.balances import earliest_due
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import count_parked
from pancake_meter.store.webhooks.deliveries import count_deliveries
from pancake_meter.value import Value

COUNTED_MAX: Final = 1_000
"""Nobody needs to know more exactly how many wait; each count is one query."""


class Backlog(Value):
    """Counts up to ``COUNTED_MAX`` each, and how late the most overdue balance is (zero when none is due)."""

    deliveries_parked: int
    deliveries_failed: int
    usage_parked: int
    reset_lag: timedelta


def measure_backlog(table: Table, now: datetime) -> Backlog:
    """Measure it: one query for each count and for each shard of the ``due`` index.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    due = earliest_due(table, now)
    return Backlog(
        deliveries_parked=count_deliveries(table, "parked", limit=COUNTED_MAX),
        deliveries_failed=count_deliveries(table, "failed", limit=COUNTED_MAX),
        usage_parked=count_parked(table, limit=COUNTED_MAX),
        reset_lag=now - due if due is not None else timedelta(0),
    )
