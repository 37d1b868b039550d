"""The sweep: balances whose period, grants or term have run out are advanced, though nobody touched them.

It does nothing that a read or a write of the same balance would not do; it only makes sure that summaries are written and
lapses happen for customers who stay away. Interrupted anywhere, the next sweep goes on: what is done has left the index.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Final, Literal

from pancake_meter.store.balance.balances import due_balances, read_balance
from pancake_meter.store.errors import OutOfTime
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.side_by_side import side_by_side
from pancake_meter.value import Value

_PORTION: Final = 100
"""Balances that are advanced before the next ones are looked for."""

_Outcome = Literal["advanced", "current", "failed"]


class Swept(Value):
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
    """Advance every due balance while ``may_go_on`` says so: up to 8 at once, those of one customer one after another.

    One balance that fails, for whatever reason, is reported to ``on_failure`` (customer id, meter, error) and left for the
    next sweep; the others go on. Where the store cannot be reached, the next page of due balances ends the sweep with
    ``StoreUnavailable``.
    """
    outcomes: list[_Outcome] = []

    def advance(name: tuple[str, str]) -> None:
        try:
            balance = read_balance(metering.table, *name)
            is_advanced = balance is not None and metering.keep_current(balance, now)
            outcomes.append("advanced" if is_advanced else "current")
        except Exception as error:  # noqa: BLE001 - a bug that one balance meets must not keep the others from their period
            outcomes.append("failed")
            on_failure(*name, error)

    due = due_balances(metering.table, now)
    is_complete = True
    while is_complete and (portion := list(islice(due, _PORTION))):
        try:
            side_by_side(advance, portion, may_go_on, lane=lambda name: name[0])
        except OutOfTime:
            is_complete = False
    found = Counter(outcomes)
    return Swept(found["advanced"], found["current"], found["failed"], is_complete)
