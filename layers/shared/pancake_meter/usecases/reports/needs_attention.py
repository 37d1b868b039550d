"""What needs a person: the lists that somebody should look into, each with its first entries."""

from collections.abc import Mapping, Sequence
from typing import Final

from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.standing.directory import CustomerStatus, DirectoryLine
from pancake_meter.store.selling.payments import list_payments
from pancake_meter.store.standing.directory import list_customers
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import count_parked
from pancake_meter.store.webhooks.deliveries import count_deliveries
from pancake_meter.value import Value

COUNTED_MAX: Final = 1_000
"""Nobody needs to know more exactly how many wait; each count is one query."""

SHOWN_MAX: Final = 8
"""Entries of each list that are read; whoever wants more opens the list."""

_STATUSES: Final[tuple[CustomerStatus, ...]] = ("past_due", "owing", "blocked")


class Attention(Value):
    """Counts up to ``COUNTED_MAX``, the latest flagged payments, and the first customers of each list that is about money.

    ``has_more`` names the lists that go on.
    """

    deliveries_parked: int
    deliveries_failed: int
    usage_parked: int
    flagged: Sequence[Payment]
    customers: Mapping[CustomerStatus, Sequence[DirectoryLine]]
    has_more: frozenset[str]

    @property
    def is_needed(self) -> bool:
        """Whether anything waits for a person."""
        return bool(
            self.deliveries_parked
            or self.deliveries_failed
            or self.usage_parked
            or self.flagged
            or any(self.customers.values())
        )


def read_attention(table: Table) -> Attention:
    """Read it: a query for each count and each list, and one read for each list of customers.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    flagged, before = list_payments(table, "flagged", limit=SHOWN_MAX)
    has_more = {"flagged"} if before is not None else set()
    customers: dict[CustomerStatus, Sequence[DirectoryLine]] = {}
    for status in _STATUSES:
        lines, place = list_customers(table, status=status, limit=SHOWN_MAX)
        # The index lags behind: who has just left a list may still be on it.
        customers[status] = [line for line in lines if status in line.statuses]
        if place is not None:
            has_more.add(status)
    return Attention(
        deliveries_parked=count_deliveries(table, "parked", limit=COUNTED_MAX),
        deliveries_failed=count_deliveries(table, "failed", limit=COUNTED_MAX),
        usage_parked=count_parked(table, limit=COUNTED_MAX),
        flagged=flagged,
        customers=customers,
        has_more=frozenset(has_more),
    )
