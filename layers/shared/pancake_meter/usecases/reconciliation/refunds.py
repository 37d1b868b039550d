"""The pass over refunds that operators asked for and that Waffo has not answered for: an answer may have been lost."""

from typing import Final

from pancake_meter.store.selling.payments import payments_with_open_refunds
from pancake_meter.usecases.reconciliation.run import Judged, Run, Tally
from pancake_meter.usecases.selling.refund_payment import Refunding, ask_after

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 1


def reconcile_refunds(run: Run) -> Tally:
    """Ask Waffo for the ticket of every refund that is not answered for, of 50 payments in a run. None is sent again.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    metering = run.reconciling.metering
    refunding = Refunding(metering.table, metering.erasures, run.reconciling.waffo)

    def heal(payment_id: str) -> Judged:
        return "healed" if ask_after(refunding, payment_id, run.now) else "unchanged"

    return run.walk_ours(
        "refunds",
        lambda place: payments_with_open_refunds(metering.table, limit=PAGE_SIZE, start=place),
        heal,
        of=lambda payment_id: payment_id,
        pages_max=PAGES_MAX,
    )
