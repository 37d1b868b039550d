"""The pass over payments that were refunded and whose charge no webhook has told: GraphQL knows the charge."""

import json
from collections.abc import Mapping
from typing import Final

from pancake_meter.domain.instant import floor_ms
from pancake_meter.store.selling.payments import read_payment, uncharged_payments
from pancake_meter.store.webhooks.deliveries import each_of_order, read_delivery
from pancake_meter.usecases.reconciliation.run import Judged, Run, Tally
from pancake_meter.usecases.reconciliation.snapshot_events import charge_body
from pancake_meter.usecases.webhooks.judge import kept_event
from pancake_meter.waffo.events import RefundFacts, WaffoEvent
from pancake_meter.waffo.snapshots import OrderPayment

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 1


def reconcile_charges(run: Run) -> Tally:
    """Ask Waffo for every charge that is missing beside its refund, 50 in a run; what it bought is taken back with it.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    table = run.reconciling.metering.table

    def heal(payment_id: str) -> Judged:
        payment = read_payment(table, payment_id)
        if payment is None or payment.charge is not None:
            return "unchanged"
        told, charge = _told(run, payment.order_id), _charge(run, payment.order_id, payment_id)
        if told is None or charge is None or charge.created_at is None:
            return "unchanged"
        paid_at = floor_ms(charge.created_at)
        reconciling = run.reconciling
        body = charge_body(charge, paid_at, told, payment.order_id, reconciling.mode, reconciling.store_id)
        return run.take(body, is_made=True)

    return run.walk_ours(
        "uncharged_payments",
        lambda place: uncharged_payments(table, limit=PAGE_SIZE, start=place),
        heal,
        of=lambda payment_id: payment_id,
        pages_max=PAGES_MAX,
    )


def _charge(run: Run, order_id: str, payment_id: str) -> OrderPayment | None:
    waffo = run.reconciling.waffo
    payments = waffo.one_time_payments(order_id) or waffo.subscription_payments(order_id)
    return next((each for each in payments if each.id == payment_id and each.is_paid), None)


def _told(run: Run, order_id: str) -> Mapping[str, object] | None:
    """Return the data of a refund of the order: it names the customer, the checkout and the product as its charge does."""
    table = run.reconciling.metering.table
    for listed in each_of_order(table, order_id):
        kept = read_delivery(table, listed.digest) if listed.event_type == "refund.succeeded" else None
        event = kept_event(kept) if kept is not None else None
        if kept is not None and isinstance(event, WaffoEvent) and isinstance(event.facts, RefundFacts):
            data: Mapping[str, object] = json.loads(kept.body)["data"]
            return data
    return None
