"""Forgiving overage: the seller lets owed units go. Nothing is refunded, and nobody will be asked to pay for them."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.adjust import forgive_overage
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.errors import ForgivenessConflict, NothingOwed
from pancake_meter.store.balance.balances import write_change
from pancake_meter.store.errors import StoreBusy
from pancake_meter.store.selling.forgiveness import Forgiveness, forgiveness_write, read_forgiveness
from pancake_meter.store.selling.overage_lines import read_due_lines
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value, replace

_STEPS_MAX: Final = 32
"""Transactions of one request, lost tries among them: it lets go of some 2,000 lines."""


class Forgiven(Value):
    """``quantity`` units were let go, now or when it was first asked for (``is_replay``)."""

    quantity: Decimal
    is_replay: bool


def forgive(
    metering: Metering,
    customer_id: str,
    meter: str,
    forgiveness_id: str,
    quantity: Decimal,
    now: datetime,
    *,
    by: str | None = None,
) -> Forgiven:
    """Let go up to ``quantity`` owed units of a meter, the oldest first, once for each ``forgiveness_id``.

    ``by`` names the API key of the operator, for the ledger.

    One transaction lets go of the units of up to 70 lines. Where more have units due, further ones follow. Each keeps what
    was let go so far, so a request that was cut off goes on where it stopped when it is repeated.

    Raises:
        UnknownMeter: the catalog has no such meter.
        NothingOwed: no units are owed.
        ForgivenessConflict: the id was used for another quantity.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    metering.check_meter(meter)
    known = read_forgiveness(metering.table, customer_id, meter, forgiveness_id)
    is_replay = known is not None and known.is_done
    for _ in range(_STEPS_MAX):
        if known is not None and known.asked != quantity:
            raise ForgivenessConflict("the id was used for another quantity", quantity=known.asked)
        if known is not None and known.is_done:
            return Forgiven(known.forgiven, is_replay)
        so_far = known or Forgiveness(quantity, ZERO, is_done=False)
        done = _forgive_more(metering, customer_id, meter, forgiveness_id, known, so_far, now, by)
        if done is None:
            # The balance changed, or the same request came twice: the other one may have finished it.
            known = read_forgiveness(metering.table, customer_id, meter, forgiveness_id)
            is_replay = known is not None and known.is_done
        else:
            known = done
    raise StoreBusy("the balance kept changing, or more lines are due than one request lets go")


def _forgive_more(
    metering: Metering,
    customer_id: str,
    meter: str,
    forgiveness_id: str,
    known: Forgiveness | None,
    so_far: Forgiveness,
    now: datetime,
    by: str | None,
) -> Forgiveness | None:
    """Let go as many units as one transaction can; return how far it is, or ``None`` where somebody else was faster."""
    begun = metering.begin_change(customer_id, meter, now)
    stored = read_due_lines(metering.table, customer_id, meter, begun.due, begun.reopened)
    wanted = so_far.asked - so_far.forgiven
    change, forgiven = forgive_overage(begun.change, wanted, stored)
    if known is None and forgiven == ZERO:
        raise NothingOwed("the customer owes no overage of this meter", meter=meter)
    is_all = forgiven == wanted or change.balance.overage_due + change.balance.current_overage == ZERO
    after = Forgiveness(so_far.asked, so_far.forgiven + forgiven, is_all)
    once = forgiveness_write(customer_id, meter, forgiveness_id, known, after, now)
    change, demands = replace(change, by=by), [once, *begun.demands]
    written = write_change(metering.table, change, "forgiven", forgiveness_id, now, demands=demands)
    return after if written is not None else None
