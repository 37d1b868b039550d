"""Forgiving overage: the seller lets owed units go. Nothing is refunded, and nobody will be asked to pay for them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.adjust import forgive_overage
from pancake_meter.domain.errors import ForgivenessConflict, NothingOwed
from pancake_meter.store.balance.balances import write_change
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.forgiveness import forgiveness_write, read_forgiveness
from pancake_meter.store.selling.overage_lines import read_due_lines
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering


@dataclass(frozen=True, slots=True)
class Forgiven:
    """``quantity`` units were let go, now or when it was first asked for (``is_replay``)."""

    quantity: Decimal
    is_replay: bool


def forgive(
    metering: Metering, customer_id: str, meter: str, forgiveness_id: str, quantity: Decimal, now: datetime
) -> Forgiven:
    """Let go up to ``quantity`` owed units of a meter, the oldest first, once for each ``forgiveness_id``.

    Raises:
        UnknownMeter: the catalog has no such meter.
        NothingOwed: no units are owed.
        ForgivenessConflict: the id was used for another quantity.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    for _ in range(ATTEMPTS_MAX):
        known = read_forgiveness(metering.table, customer_id, meter, forgiveness_id)
        if known is not None:
            if known.asked != quantity:
                raise ForgivenessConflict("the id was used for another quantity", quantity=known.asked)
            return Forgiven(known.forgiven, is_replay=True)
        written, change = metering.current_change(customer_id, meter, now)
        due = written.overage_due if written is not None else Decimal(0)
        stored = read_due_lines(metering.table, customer_id, meter, due)
        change, forgiven = forgive_overage(change, quantity, stored)
        if forgiven == 0:
            raise NothingOwed("the customer owes no overage of this meter", meter=meter)
        once = forgiveness_write(customer_id, meter, forgiveness_id, quantity, forgiven, now)
        if write_change(metering.table, change, "forgiven", forgiveness_id, now, demands=[once]) is not None:
            return Forgiven(forgiven, is_replay=False)
    raise StoreBusy("the balance kept changing")
