"""Alerts of a customer's subscription orders: what the change from one state to the next means.

An order that ends says so only where the customer loses something by it: not where a plan change replaced it, nor where
another order gives the same. A plan change ends an order that was active, and Waffo may tell of the end first. So an active
order that ends is looked at again a little later (``reminder.py``). One that was cancelled or overdue has no plan change.
"""

from collections.abc import Iterator
from datetime import datetime

from pancake_meter.domain.alerts.alert import JSON, Alert, AlertType
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription, has_lapsed


def subscription_alerts(before: Subscription | None, after: Subscription, now: datetime) -> Iterator[Alert]:
    """Yield the alerts of a change of a customer's orders. An order that a plan change has replaced says nothing."""
    known = before or Subscription(after.customer_id)
    superseded = after.superseded
    for order in after.orders:
        earlier = known.order(order.order_id)
        if has_ended(earlier, order):
            alert = None if may_be_replaced(order) else ended_alert(after, order.order_id, now)
            yield from [alert] if alert is not None else []
        elif order.order_id not in superseded and order.ended_at is None:
            yield from _of_payment(after.customer_id, earlier, order, now)
    for newer, older in sorted(bought_twice(after) - bought_twice(known)):
        data: dict[str, JSON] = {"order_ids": [newer, older]}
        yield _alert("subscription.bought_twice", after.customer_id, f"{newer}#{older}", now, data)


def trial_alert(
    subscription: Subscription, order_id: str, ends_at: datetime, now: datetime, price: Money | None = None
) -> Alert | None:
    """Return the alert of a trial that ends soon; ``None`` where it is none any more, is over, or ends another time.

    ``price`` is what a billing period of the order costs after it, where that is known.
    """
    order = next((each for each in subscription.live_orders if each.order_id == order_id), None)
    if order is None or trial_end(order) != ends_at or ends_at <= now:
        return None
    data: dict[str, JSON] = {
        **_about(order),
        "ends_at": timestamp(ends_at),
        "is_canceling": order.is_canceling,
        "amount": price.display if price else None,
        "currency": price.currency if price else None,
        "billing_period": order.billing_period,
    }
    return _alert("subscription.trial_ending", subscription.customer_id, f"{order_id}#{timestamp(ends_at)}", now, data)


def ended_alert(subscription: Subscription, order_id: str, now: datetime) -> Alert | None:
    """Return the alert of an order that has ended; ``None`` where it has not, was replaced, or another gives the same."""
    order = subscription.order(order_id)
    if order is None or order.ended_at is None or order_id in subscription.superseded:
        return None
    if any(_gives_the_same(other, order, now) for other in subscription.live_orders):
        return None
    data = {**_about(order), "ended_at": timestamp(order.ended_at)}
    return _alert("subscription.canceled", subscription.customer_id, order_id, now, data)


def has_ended(before: OrderFacts | None, after: OrderFacts) -> bool:
    """Return whether a change has ended an order."""
    return after.ended_at is not None and (before is None or before.ended_at is None)


def may_be_replaced(order: OrderFacts) -> bool:
    """Return whether a plan change, of which nobody has told us yet, may be why an order has ended."""
    return not (order.is_canceling or order.is_past_due or order.is_add_on)


def meter_to_sell(subscription: Subscription, alert: Alert) -> str | None:
    """Return a meter of the plan that ended, for a link to a plan that grants it; ``None`` where nothing is to be sold."""
    ended = subscription.order(str(alert.data["order_id"])) if alert.type == "subscription.canceled" else None
    return min(ended.paid.plan.allowances, default=None) if ended is not None and ended.paid is not None else None


def _gives_the_same(other: OrderFacts, ended: OrderFacts, now: datetime) -> bool:
    if other.paid is None or ended.paid is None or has_lapsed(other, now):
        return False
    plan = other.paid.plan
    return plan.is_rival_of(ended.paid.plan) and not ended.paid.plan.allowances.keys() - plan.allowances.keys()


def trial_end(order: OrderFacts) -> datetime | None:
    """Return when the trial of an order ends; ``None`` where it is on none."""
    return order.paid.period.ends_at if order.paid is not None and order.paid.is_trial else None


def _of_payment(customer_id: str, before: OrderFacts | None, after: OrderFacts, now: datetime) -> Iterator[Alert]:
    """Yield the alerts of how the payment of an order that stands goes."""
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
