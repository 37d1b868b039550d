"""Alerts of a customer's subscription orders: what the change from one state to the next means."""

from collections.abc import Iterator
from datetime import datetime

from pancake_meter.domain.alerts.alert import JSON, Alert, AlertType
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription


def subscription_alerts(before: Subscription | None, after: Subscription, now: datetime) -> Iterator[Alert]:
    """Yield the alerts of a change of a customer's orders. An order that a plan change has replaced says nothing."""
    known = before or Subscription(after.customer_id)
    superseded = after.superseded
    for order in after.orders:
        if order.order_id not in superseded:
            yield from _of_order(after.customer_id, known.order(order.order_id), order, now)
    for newer, older in sorted(bought_twice(after) - bought_twice(known)):
        data: dict[str, JSON] = {"order_ids": [newer, older]}
        yield _alert("subscription.bought_twice", after.customer_id, f"{newer}#{older}", now, data)


def trial_alert(subscription: Subscription, order_id: str, ends_at: datetime, now: datetime) -> Alert | None:
    """Return the alert of a trial that ends soon; ``None`` where it is none any more, is over, or ends another time."""
    order = next((each for each in subscription.live_orders if each.order_id == order_id), None)
    if order is None or trial_end(order) != ends_at or ends_at <= now:
        return None
    data = {**_about(order), "ends_at": timestamp(ends_at), "is_canceling": order.is_canceling}
    return _alert("subscription.trial_ending", subscription.customer_id, f"{order_id}#{timestamp(ends_at)}", now, data)


def trial_end(order: OrderFacts) -> datetime | None:
    """Return when the trial of an order ends; ``None`` where it is on none."""
    return order.paid.period.ends_at if order.paid is not None and order.paid.is_trial else None


def _of_order(customer_id: str, before: OrderFacts | None, after: OrderFacts, now: datetime) -> Iterator[Alert]:
    if after.ended_at is not None:
        if before is None or before.ended_at is None:
            data = {**_about(after), "ended_at": timestamp(after.ended_at)}
            yield _alert("subscription.canceled", customer_id, after.order_id, now, data)
        return
    was_overdue = before is not None and before.is_past_due
    if after.is_past_due and not was_overdue:
        retried_until = after.status.until if after.status else None
        data = {**_about(after), "retried_until": timestamp(retried_until) if retried_until else None}
        yield _alert("subscription.past_due", customer_id, f"{after.order_id}#{_period_of(after)}", now, data)
    # One that is canceled while it is overdue has not recovered.
    if before is not None and was_overdue and after.status is not None and after.status.kind == "active":
        yield _alert(
            "subscription.recovered", customer_id, f"{after.order_id}#{_period_of(before)}", now, _about(after)
        )


def _period_of(order: OrderFacts) -> str:
    """Name the period whose payment an overdue order waits for."""
    return timestamp(order.status.key[0]) if order.status else ""


def _about(order: OrderFacts) -> dict[str, JSON]:
    paid = order.paid
    return {
        "order_id": order.order_id,
        "plan": paid.plan.key if paid else None,
        "paid_until": timestamp(paid.period.ends_at) if paid else None,
    }


def _alert(kind: AlertType, customer_id: str, subject: str, now: datetime, data: dict[str, JSON]) -> Alert:
    return Alert(f"{kind}#{customer_id}#{subject}", kind, customer_id, None, now, data)
