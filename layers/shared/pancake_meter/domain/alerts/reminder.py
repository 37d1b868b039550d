"""Reminders: what has to be looked at again at a time at which nothing is written: before it ends, or soon after."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

from pancake_meter.domain.alerts.subscription import has_ended, may_be_replaced, trial_end
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import Value

LEAD: Final = timedelta(days=3)
"""How long before the end it is told; of what lives less than twice as long, at half of its life."""

GRACE: Final = timedelta(minutes=1)
"""How long the end of an active order waits for news of a plan change behind it: Waffo tells of both at about once."""


class Reminder(Value):
    """A grant of ``meter``, the trial of an order, or an order, that ends at ``ends_at``: to be looked at from ``at`` on.

    ``subject`` is the id of the grant or of the order.
    """

    customer_id: str
    kind: Literal["grant", "trial", "ended"]
    meter: str | None
    subject: str
    ends_at: datetime
    at: datetime


def grant_reminders(before: Balance | None, after: Balance) -> Iterator[Reminder]:
    """Yield a reminder for each grant that expires and was not there before."""
    known = {(grant.id, grant.expires_at) for grant in before.grants} if before is not None else set()
    for grant in after.grants:
        if grant.expires_at is not None and (grant.id, grant.expires_at) not in known:
            at = _before(grant.starts_at, grant.expires_at)
            yield Reminder(after.customer_id, "grant", after.meter, grant.id, grant.expires_at, at)


def trial_reminders(before: Subscription | None, after: Subscription) -> Iterator[Reminder]:
    """Yield a reminder for each order whose trial ends at an instant that was not known before."""
    for order in after.live_orders:
        ends_at = trial_end(order)
        known = before.order(order.order_id) if before is not None else None
        if order.paid is not None and ends_at is not None and (known is None or trial_end(known) != ends_at):
            at = _before(order.paid.period.start.at, ends_at)
            yield Reminder(after.customer_id, "trial", None, order.order_id, ends_at, at)


def end_reminders(before: Subscription | None, after: Subscription, now: datetime) -> Iterator[Reminder]:
    """Yield a reminder for each order that has just ended, and that a plan change may have replaced."""
    for order in after.orders:
        earlier = before.order(order.order_id) if before is not None else None
        if order.ended_at is not None and has_ended(earlier, order) and may_be_replaced(order):
            yield Reminder(after.customer_id, "ended", None, order.order_id, order.ended_at, now + GRACE)


def _before(starts_at: datetime, ends_at: datetime) -> datetime:
    return ends_at - min(LEAD, (ends_at - starts_at) / 2)
