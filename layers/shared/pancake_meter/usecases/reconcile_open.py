"""The passes over our own open deliveries: parked and failed ones may be applied once the catalog, or GraphQL, says more."""

from typing import Final, Literal

from pancake_meter.store.deliveries import Delivery, Listed, open_deliveries, read_delivery
from pancake_meter.usecases.judge_delivery import kept_event, retry_delivery
from pancake_meter.usecases.reconciliation_run import Judged, Run, Tally, judged
from pancake_meter.usecases.webhook_effects import NOTHING_TOLD, PAYMENT_UNKNOWN, Told
from pancake_meter.waffo.events import RefundFacts, WaffoEvent
from pancake_meter.waffo.snapshots import OrderPayment

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 10


def reconcile_open(run: Run, verdict: Literal["parked", "failed"]) -> Tally:
    """Try again every delivery with this verdict that was judged with another catalog, or is a refund of no known payment.

    At most 500 are looked at in a run; the next run goes on after them. One that stays as it was is ``unchanged``: its alarm
    was raised when it came.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    metering = run.reconciling.metering

    def heal(listed: Listed) -> Judged:
        asks_waffo = listed.reason == PAYMENT_UNKNOWN
        if listed.catalog == metering.catalog.version and not asks_waffo:
            return "unchanged"
        kept = read_delivery(metering.table, listed.digest)
        if kept is None or not kept.is_open:
            return "unchanged"
        told = _told(run, kept) if asks_waffo else NOTHING_TOLD
        if kept.catalog == metering.catalog.version and told == NOTHING_TOLD:
            return "unchanged"
        outcome = retry_delivery(metering, kept.digest, run.now, told=told, pause=run.reconciling.pause)
        return "unchanged" if outcome.verdict == kept.verdict else judged(outcome)

    return run.walk_ours(
        f"{verdict}_deliveries",
        lambda place: open_deliveries(metering.table, verdict, limit=PAGE_SIZE, start=place),
        heal,
        of=lambda listed: listed.digest,
        pages_max=PAGES_MAX,
    )


def _told(run: Run, kept: Delivery) -> Told:
    """Ask GraphQL which payment a refund is of; nothing where it is not certain."""
    event = kept_event(kept)
    if not isinstance(event, WaffoEvent) or not isinstance(event.facts, RefundFacts):
        return NOTHING_TOLD
    waffo, facts = run.reconciling.waffo, event.facts
    if facts.period_number is None:
        paid = [each for each in waffo.one_time_payments(facts.order.id) if each.is_paid]
    else:
        paid = [each for each in waffo.subscription_payments(facts.order.id) if _is_of(each, facts.period_number)]
    return Told(payment_id=paid[0].id) if len(paid) == 1 else NOTHING_TOLD


def _is_of(payment: OrderPayment, number: int) -> bool:
    return payment.is_paid and payment.number == number
