"""Looking at what ends soon, or has just ended: a reminder whose time has come rings, if what it is about is still so."""

from collections.abc import Callable
from datetime import datetime

from pancake_meter.domain.alerts.quota import grant_alert
from pancake_meter.domain.alerts.reminder import Reminder
from pancake_meter.domain.alerts.subscription import ended_alert, meter_to_sell, trial_alert
from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.alerts.reminders import due_reminders, end_reminder
from pancake_meter.store.balance.balances import read_balance
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.alerts.ringing import Bell, Due
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import Value


class Reminded(Value):
    """What a run came to: reminders that rang, and those that failed and stay."""

    rang: int
    failed: int


def remind(bell: Bell, *, may_go_on: Callable[[], bool], on_failure: Callable[[Reminder, Exception], None]) -> Reminded:
    """Look at every reminder that is due, while ``may_go_on`` says so. One that fails is left for the next run."""
    rang = failed = 0
    for reminder in due_reminders(bell.table, bell.clock()):
        if not may_go_on():
            break
        try:
            due = _due(bell, reminder)
            rang += due is not None and bell.ring(due)
            end_reminder(bell.table, reminder)
        except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from ringing
            failed += 1
            on_failure(reminder, error)
    return Reminded(rang, failed)


def _due(bell: Bell, reminder: Reminder) -> Due | None:
    now = floor_ms(bell.clock())
    if reminder.meter is None:
        subscription = read_subscription(bell.table, reminder.customer_id)
        return _of_order(bell, subscription, reminder, now) if subscription is not None else None
    balance = read_balance(bell.table, reminder.customer_id, reminder.meter)
    alert = grant_alert(balance, reminder.subject, reminder.ends_at, now) if balance is not None else None
    return Due(alert, balance) if alert is not None else None


def _of_order(bell: Bell, subscription: Subscription, reminder: Reminder, now: datetime) -> Due | None:
    if reminder.kind == "ended":
        ended = ended_alert(subscription, reminder.subject, now)
        return Due(ended, meter=meter_to_sell(subscription, ended)) if ended is not None else None
    order = subscription.order(reminder.subject)
    price = _price(bell.offers, order) if order is not None else None
    alert = trial_alert(subscription, reminder.subject, reminder.ends_at, now, price)
    return Due(alert) if alert is not None else None


def _price(offers: Offers, order: OrderFacts) -> Money | None:
    """Return what the order's plan costs in its currency, as the catalog has it now; ``None`` where that is not known."""
    plan, currency = order.paid.plan.key if order.paid else None, order.currency
    if plan is None or currency is None:
        return None
    sold = (
        product.prices[currency]
        for product in offers.catalog.products
        if product.plan == plan
        and offers.environment in product.product_ids
        and order.billing_period in (None, product.billing_period)
        and currency in product.prices
    )
    return next(sold, None)
