"""From a GraphQL snapshot to the events that are missing: what Waffo's order says, and we do not know.

A snapshot says how an order stands, not how it came there. So it is turned into the fewest events that lead from what we
know to what it says, and those go the way of every event. They carry times at which the snapshot proves them (the start of a
paid period, the order's last update), so that what we know to be later stays as it is, and the real event, should it still
come, says nothing new.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.instant import floor_ms, timestamp
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts, StatusKind
from pancake_meter.usecases.webhooks.reading import is_trial_period, stated_period
from pancake_meter.value import Value
from pancake_meter.waffo.fields import PeriodBound
from pancake_meter.waffo.platform_keys import Mode
from pancake_meter.waffo.snapshots import TRIALING, OrderPayment, PaymentSnapshot, SubscriptionOrderSnapshot

ENDED_STATUSES: Final = frozenset({"canceled", "expired", "closed"})

_STANDING: Final[Mapping[str, StatusKind]] = {
    "active": "active",
    TRIALING: "active",
    "canceling": "canceling",
    "past_due": "past_due",
}
"""Statuses that we compare. ``pending`` is not paid yet."""

_DAY: Final = timedelta(days=1)

_OF_THE_ORDER: Final = (
    "buyerEmail",
    "merchantProvidedBuyerIdentity",
    "orderMerchantExternalId",
    "orderMetadata",
    "productName",
    "productMetadata",
)


class Missing(Value):
    """One event that would close a difference. ``is_proved`` is false of a payment that the status alone does not prove.

    It states the snapshot's period, or ``period``, where that is known and how precisely is no news.
    """

    kind: LifecycleKind
    at: datetime
    is_proved: bool = True
    period: StatedPeriod | None = None


def missing_events(
    snapshot: SubscriptionOrderSnapshot, known: OrderFacts | None, plan: Plan | None
) -> tuple[Missing, ...]:
    """Return what leads from ``known`` to the snapshot, in order; nothing where it is no news or cannot be read.

    ``plan`` is the one that the snapshot's product stands for, ``None`` when the catalog does not know.
    """
    period = snapshot_period(snapshot)
    changed_at = floor_ms(snapshot.updated_at) if snapshot.updated_at else None
    if snapshot.status in ENDED_STATUSES:
        return _ending(known, period, changed_at)
    standing = _STANDING.get(snapshot.status)
    if standing is None or period is None:
        return ()
    missing: list[Missing] = []
    paid = _payment_missing(snapshot, standing, period, changed_at, known, plan)
    if paid is not None:
        missing.append(paid)
        known = _learned(known, snapshot, paid, period, plan)
    moved = _status_missing(standing, period, changed_at, known)
    if moved is not None:
        missing.append(moved)
    return tuple(missing)


def snapshot_period(snapshot: SubscriptionOrderSnapshot) -> StatedPeriod | None:
    """Return the period that a snapshot states, read as an event's would be."""
    return stated_period(
        snapshot.period_start, snapshot.period_end, snapshot.billing_period, snapshot.period_number or 0
    )


def _ending(known: OrderFacts | None, period: StatedPeriod | None, changed_at: datetime | None) -> tuple[Missing, ...]:
    """An order ended at its last change, and no later than the period that it stood in."""
    ends = [at for at in (changed_at, period.ends_at if period else None) if at is not None]
    if known is None or known.ended_at is not None or not ends:
        return ()
    return (Missing("canceled", min(ends)),)


def _payment_missing(
    snapshot: SubscriptionOrderSnapshot,
    standing: StatusKind,
    period: StatedPeriod,
    changed_at: datetime | None,
    known: OrderFacts | None,
    plan: Plan | None,
) -> Missing | None:
    """Return the paying event that we lack. A period that is past due is stated, and not paid."""
    if standing == "past_due":
        return None
    started_at = _started_at(period, changed_at)
    paid = known.paid if known else None
    # A cancellation may be of a period whose payment failed: the status does not say that it is paid. A trial needs none.
    is_proved = standing == "active" or snapshot.is_called_trial
    if snapshot.origin_order_id is not None and not (known and known.is_plan_change):
        return Missing("plan_changed", started_at, is_proved)
    if paid is None:
        is_trial = is_trial_period(plan, period, snapshot.billing_period)
        return Missing("activated", started_at, is_proved or is_trial)
    is_other_plan = plan is not None and plan.key != paid.plan.key
    if paid.period.key != period.key:
        kind: LifecycleKind = "plan_changed" if is_other_plan else "renewed"
        return Missing(kind, started_at, is_proved) if paid.period.key < period.key else None
    is_longer = period.ends_at > paid.period.ends_at + _DAY
    if changed_at is not None and changed_at > paid.sold_at and (is_other_plan or is_longer):
        return Missing("plan_changed", changed_at, is_proved)
    # A webhook may have called the trial an active order. Time and period are those that we know: nothing else is news.
    return Missing("activated", paid.sold_at, period=paid.period) if snapshot.is_called_trial else None


def _status_missing(
    standing: StatusKind, period: StatedPeriod, changed_at: datetime | None, known: OrderFacts | None
) -> Missing | None:
    """Return the change of status that we lack; without the time of the last change nobody can tell which is newer."""
    status = known.status if known else None
    if changed_at is None:
        return None
    if status is None:
        return None if standing == "active" else Missing(standing, changed_at)
    if status.order[:2] > (period.key, changed_at):
        return None
    if standing == "active":
        healed: dict[StatusKind, LifecycleKind] = {"past_due": "recovered", "canceling": "uncanceled"}
        return Missing(healed[status.kind], changed_at) if status.kind in healed else None
    return Missing(standing, changed_at) if status.kind != standing or status.key < period.key else None


def _started_at(period: StatedPeriod, changed_at: datetime | None) -> datetime:
    """When a paid period was sold: at its start. A bare day is not a time: then it is known from the last change on."""
    return changed_at if period.start.is_day and changed_at is not None else period.start.at


def _learned(
    known: OrderFacts | None,
    snapshot: SubscriptionOrderSnapshot,
    event: Missing,
    period: StatedPeriod,
    plan: Plan | None,
) -> OrderFacts:
    sold = plan or (known.paid.plan if known and known.paid else None)
    is_trial = snapshot.is_called_trial
    facts = OrderFacts.of(LifecycleEvent(event.kind, snapshot.id, event.at, period, sold, is_trial=is_trial))
    return known.join(facts) if known else facts


def snapshot_body(snapshot: SubscriptionOrderSnapshot, event: Missing, mode: Mode, store_id: str) -> bytes:
    """Return an event of the snapshot as Waffo would have written it: the same snapshot gives the same bytes."""
    start, end = snapshot.period_start, snapshot.period_end
    if event.period is not None:
        start, end = (PeriodBound(bound.at, bound.is_day) for bound in (event.period.start, event.period.end))
    data = {
        "orderStatus": snapshot.status,
        "buyerEmail": snapshot.buyer_email,
        "currency": snapshot.currency,
        "merchantProvidedBuyerIdentity": snapshot.buyer_identity,
        "orderMerchantExternalId": snapshot.external_id,
        "orderMetadata": dict(snapshot.metadata) or None,
        "productName": snapshot.product_name,
        "productMetadata": dict(snapshot.product_metadata) or None,
        "billingPeriod": snapshot.billing_period,
        "currentPeriodStart": _wire(start),
        "currentPeriodEnd": _wire(end),
        "periodNumber": snapshot.period_number,
        "canceledAt": _wire(snapshot.canceled_at),
        "isInTrial": snapshot.is_called_trial or None,
    }
    return _envelope(f"subscription.{event.kind}", snapshot.id, snapshot.id, event.at, data, mode, store_id)


def payment_body(payment: PaymentSnapshot, paid_at: datetime, mode: Mode, store_id: str) -> bytes:
    """Return the ``order.completed`` of a payment, as Waffo would have written it."""
    price = {
        name: f"{amount:f}"
        for name, amount in (
            ("total", payment.list_total),
            ("subtotal", payment.list_subtotal),
            ("taxAmount", payment.list_tax),
        )
        if amount is not None
    }
    data = {
        "orderStatus": "completed",
        "orderMerchantExternalId": payment.external_id,
        "currency": payment.list_currency or payment.charged_currency,
        "chargedAmount": f"{payment.charged:f}" if payment.charged is not None else None,
        "listPrice": price if "total" in price else None,
        "paymentId": payment.id,
        "paymentStatus": payment.status,
    }
    return _envelope("order.completed", payment.id, payment.order_id, paid_at, data, mode, store_id)


def charge_body(
    payment: OrderPayment, paid_at: datetime, told: Mapping[str, object], order_id: str, mode: Mode, store_id: str
) -> bytes:
    """Return the event of a charge as Waffo would have written it; ``told`` is what another event of its order has said."""
    kind = "order.completed" if payment.number is None else "subscription.payment_succeeded"
    data = {
        **{name: told[name] for name in _OF_THE_ORDER if name in told},
        "currency": payment.currency or told.get("currency"),
        "chargedAmount": f"{payment.charged:f}" if payment.charged is not None else None,
        "amount": f"{payment.charged:f}" if payment.charged is not None else None,
        "paymentId": payment.id,
        "paymentStatus": "succeeded",
        "periodNumber": payment.number,
    }
    return _envelope(kind, payment.id, order_id, paid_at, data, mode, store_id)


def _envelope(
    event_type: str,
    event_id: str,
    order_id: str | None,
    at: datetime,
    data: Mapping[str, object],
    mode: Mode,
    store_id: str,
) -> bytes:
    envelope = {
        "id": f"snapshot:{event_id}",
        "timestamp": timestamp(at),
        "eventType": event_type,
        "eventId": event_id,
        "storeId": store_id,
        "mode": mode,
        "data": {"orderId": order_id, **{name: value for name, value in data.items() if value is not None}},
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _wire(bound: PeriodBound | None) -> str | None:
    if bound is None:
        return None
    return f"{bound.instant:%Y-%m-%d}" if bound.is_date_only else timestamp(bound.instant)
