"""The sweep: balances whose period, grants or term have run out are advanced, though nobody touched them.

It does nothing that a read or a write of the same balance would not do; it only makes sure that summaries are written and
lapses happen for customers who stay away. Interrupted anywhere, the next sweep goes on: what is done has left the index.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pancake_meter.store.balance.balances import due_balances, read_balance
from pancake_meter.usecases.balance.metering import Metering


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: balances advanced, found already current, failed; and whether it ran out of time."""

    advanced: int
    current: int
    failed: int
    is_complete: bool


def sweep_due(
    metering: Metering,
    now: datetime,
    *,
    may_go_on: Callable[[], bool],
    on_failure: Callable[[str, str, Exception], None],
) -> Swept:
    """Advance every due balance while ``may_go_on`` says so.

    One balance that fails, for whatever reason, is reported to ``on_failure`` (customer id, meter, error) and left for the
    next sweep; the others go on. Where the store cannot be reached, the next page of due balances ends the sweep with
    ``StoreUnavailable``.
    """
    advanced = current = failed = 0
    for customer_id, meter in due_balances(metering.table, now):
        if not may_go_on():
            return Swept(advanced, current, failed, is_complete=False)
        try:
            balance = read_balance(metering.table, customer_id, meter)
            if balance is not None and metering.keep_current(balance, now):
                advanced += 1
            else:
                current += 1
        except Exception as error:  # noqa: BLE001 - a bug that one balance meets must not keep the others from their period
            failed += 1
            on_failure(customer_id, meter, error)
    return Swept(advanced, current, failed, is_complete=True)
