"""What a customer sees of a ledger entry: all that moved, and nothing that is between the seller and its operators."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pancake_meter.domain.balance.ledger import LedgerEntry, Movement
from pancake_meter.value import replace

MOVED = (
    Movement("granted", Decimal(5), "gift:sorry-1"),
    Movement("granted", Decimal(7), "plan:2026-03-10T15:00:00.000Z"),
    Movement("used", Decimal(2)),
)
ENTRY = LedgerEntry(3, datetime(2026, 3, 10, tzinfo=UTC), "given", "sorry-1", MOVED, Decimal(10), Decimal(0), "desk")


def test_a_customer_sees_no_operator_and_no_id_of_one() -> None:
    shown = replace(ENTRY, by=None, reference=None, movements=(replace(MOVED[0], reference=None), MOVED[1], MOVED[2]))
    assert ENTRY.for_customer == shown
    for cause in ("forgiven", "voided"):
        assert replace(ENTRY, cause=cause).for_customer == replace(shown, cause=cause)


@pytest.mark.parametrize("cause", ["order.completed", "subscription.renewed", "blocked"])
def test_what_is_the_customers_own_stays(cause: str) -> None:
    entry = replace(ENTRY, cause=cause, reference="ORD_1", movements=MOVED[1:], by=None)
    assert entry.for_customer == entry
