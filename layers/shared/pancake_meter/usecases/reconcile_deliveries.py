"""The pass over failed deliveries: Waffo keeps what it could not deliver, payload included."""

from typing import Final

from pancake_meter.usecases.reconciliation_run import Run, Tally

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20


def reconcile_deliveries(run: Run) -> Tally:
    """Apply every failed delivery that we do not have; one that we have costs one read.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    with_ = run.reconciling
    return run.walk_waffo(
        "deliveries",
        lambda offset: with_.waffo.failed_webhook_deliveries(with_.store_id, limit=PAGE_SIZE, offset=offset),
        lambda delivery: run.take(delivery.payload),
        of=lambda delivery: delivery.id,
        page_size=PAGE_SIZE,
        pages_max=PAGES_MAX,
    )
