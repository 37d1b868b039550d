"""The passes over our own open deliveries, parked and failed.

Another catalog, other code or Waffo's GraphQL may be what they need.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Literal

from pancake_meter.store.webhooks.deliveries import (
    Delivery,
    Listed,
    open_deliveries,
    read_delivery,
    read_order_learned_at,
)
from pancake_meter.usecases.reconciliation.run import Judged, Run, Tally
from pancake_meter.usecases.webhooks.decision import NOTHING_TOLD, Told
from pancake_meter.usecases.webhooks.judge import kept_event, retry_delivery
from pancake_meter.usecases.webhooks.judged_with import judged_with
from pancake_meter.usecases.webhooks.refund import PAYMENT_UNKNOWN
from pancake_meter.waffo.events import RefundFacts, WaffoEvent
from pancake_meter.waffo.snapshots import OrderPayment

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 10

BOUND_REASONS: Final = frozenset({"too_many_grants", "too_many_orders", "too_many_writes", "subscription_too_large"})
"""Reasons of deliveries that met a bound. Grants expire, orders end and periods close, so such a delivery fits later."""

_BOUND_AGAIN_AFTER: Final = timedelta(hours=1)
"""How long a delivery that met a bound is left before it is tried again."""

_SIDE_BY_SIDE: Final = timedelta(minutes=1)
"""How long an invocation takes at most. Two that ran side by side may have missed what the other learned."""


def reconcile_open(run: Run, verdict: Literal["parked", "failed"]) -> Tally:
    """Try again every delivery with this verdict that was judged with another catalog or other code, is a refund of no known
    payment, was judged before something was learned of its order, or met a bound an hour ago or earlier.

    At most 500 are looked at in a run; the next run goes on after them. One that stays as it was is ``unchanged``: its alarm
    was raised when it came.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    metering = run.reconciling.metering
    present = judged_with(metering.catalog)
    # The run itself comes to the other deliveries of an order: that one of them tries them too is enough.
    unparked: set[str | None] = set()

    @cache
    def learned_at(order_id: str) -> datetime | None:
        return read_order_learned_at(metering.table, order_id)

    def learned_since(listed: Listed) -> bool:
        at = learned_at(listed.order_id) if verdict == "parked" and listed.order_id is not None else None
        return at is not None and at + _SIDE_BY_SIDE >= listed.judged_at

    def heal(listed: Listed) -> Judged:
        asks_waffo = listed.reason == PAYMENT_UNKNOWN
        meets_bound = listed.reason in BOUND_REASONS and run.now >= listed.judged_at + _BOUND_AGAIN_AFTER
        is_news = listed.judged_with != present or meets_bound or learned_since(listed)
        if not is_news and not asks_waffo:
            return "unchanged"
        kept = read_delivery(metering.table, listed.digest)
        if kept is None or not kept.is_open:
            return "unchanged"
        told = _told(run, kept) if asks_waffo else NOTHING_TOLD
        if not is_news and told == NOTHING_TOLD:
            return "unchanged"
        unparks = kept.order_id not in unparked
        pause = run.reconciling.pause
        outcome = retry_delivery(metering, kept.digest, run.now, told=told, unparks=unparks, pause=pause)
        if outcome.verdict not in ("parked", "failed"):
            unparked.add(outcome.order_id)
        return "unchanged" if outcome.verdict == kept.verdict else run.judged(outcome)

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
    waffo, order_id = run.reconciling.waffo, event.facts.order.id
    number = event.facts.period_number
    # Only refunds of subscriptions have a number; of those without one nobody knows.
    payments = waffo.one_time_payments(order_id) if number is None else ()
    return Told(payment_id=_payment_of(event.event_id, number, payments or waffo.subscription_payments(order_id)))


def _payment_of(refund_id: str, number: int | None, payments: Sequence[OrderPayment]) -> str | None:
    """Return the payment that lists the refund, else the only paid one with its number (a one-time order's has none)."""
    listing = [each.id for each in payments if refund_id in each.refund_ids]
    paid = [each.id for each in payments if each.is_paid and each.number == number]
    fitting = listing or paid
    return fitting[0] if len(fitting) == 1 else None
