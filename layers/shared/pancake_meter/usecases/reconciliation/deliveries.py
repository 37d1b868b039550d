"""The pass over failed deliveries: Waffo keeps what it could not deliver, payload included."""

from datetime import UTC, datetime
from typing import Final

from pancake_meter.usecases.reconciliation.run import Run, Tally
from pancake_meter.value import replace
from pancake_meter.waffo.snapshots import Page, WebhookDelivery

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def reconcile_deliveries(run: Run) -> Tally:
    """Apply every failed delivery that we do not have; one that we have costs one read.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    reconciling = run.reconciling

    def fetch(offset: int) -> Page[WebhookDelivery]:
        page = reconciling.waffo.failed_webhook_deliveries(reconciling.store_id, limit=PAGE_SIZE, offset=offset)
        # Any order ends alike, but of two payments of one checkout the first should be the one that pays.
        return replace(page, items=tuple(sorted(page.items, key=_age)))

    return run.walk_waffo(
        "deliveries",
        fetch,
        lambda delivery: run.take(delivery.payload),
        of=lambda delivery: delivery.id,
        page_size=PAGE_SIZE,
        pages_max=PAGES_MAX,
    )


def _age(delivery: WebhookDelivery) -> datetime:
    return delivery.created_at or _LONG_AGO
