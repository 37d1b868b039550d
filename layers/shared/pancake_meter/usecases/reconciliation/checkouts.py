"""The pass over our own checkouts of units: those that were paid, and nobody told us."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pancake_meter.domain.instant import floor_ms
from pancake_meter.store.selling.checkouts import read_checkout, watched_checkouts
from pancake_meter.usecases.reconciliation.run import Judged, Run, Tally, gravest
from pancake_meter.usecases.reconciliation.snapshot_events import payment_body
from pancake_meter.waffo.pinning import check_snapshot_pinned
from pancake_meter.waffo.snapshots import PaymentSnapshot

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 4


def reconcile_checkouts(run: Run) -> Tally:
    """Ask Waffo about every checkout that was never paid as far as we know, whether or not it has expired here.

    A payment that Waffo shows as succeeded is credited as its ``order.completed`` would have been. One that is paid twice
    is not asked about again: its second payment comes as a delivery only.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    reconciling = run.reconciling

    def heal(checkout_id: str) -> Judged:
        results: list[Judged] = ["unchanged"]
        checkout = read_checkout(run.reconciling.metering.table, checkout_id)
        # Without a session nothing can have been paid; with a payment we have been told.
        if checkout is None or checkout.session_id is None or checkout.payment_ids:
            return "unchanged"
        for paid_at, payment in _succeeded(reconciling.waffo.payments_by_external_id(checkout_id)):
            check_snapshot_pinned(payment, reconciling.mode, reconciling.store_id)
            body = payment_body(payment, paid_at, reconciling.mode, reconciling.store_id)
            results.append(run.take(body, is_made=True))
        return gravest(results)

    return run.walk_ours(
        "checkouts",
        lambda place: watched_checkouts(run.reconciling.metering.table, limit=PAGE_SIZE, start=place),
        heal,
        of=lambda checkout_id: checkout_id,
        pages_max=PAGES_MAX,
    )


def _succeeded(payments: Sequence[PaymentSnapshot]) -> list[tuple[datetime, PaymentSnapshot]]:
    """Charges that came through, the first one first: it is the one that pays, and any further one is credit."""
    paid = [(payment.created_at, payment) for payment in payments if payment.status == "succeeded"]
    timed = [(floor_ms(at), payment) for at, payment in paid if at is not None and payment.order_id is not None]
    return sorted(timed, key=lambda entry: (entry[0], entry[1].id))
