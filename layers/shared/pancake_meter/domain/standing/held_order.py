"""The subscription order that a customer has when a plan is sold: what is sold then is a change of it."""

from collections.abc import Collection
from datetime import datetime

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.order import OrderFacts, StatusKind
from pancake_meter.domain.standing.subscription import Subscription, has_lapsed
from pancake_meter.value import Value


class HeldOrder(Value):
    """A live order, or one whose payment is overdue. ``ends_at`` is ``None`` where it is not known.

    ``currency`` is ``None`` where only an earlier version was told of the order. ``is_of_waffo``: Waffo has just shown it.
    ``scheduled_at`` is when a change of its plan was agreed that takes effect later; ``None`` where there is none.
    """

    order_id: str
    plan: Plan
    status: StatusKind
    ends_at: datetime | None = None
    currency: str | None = None
    scheduled_at: datetime | None = None
    is_of_waffo: bool = False

    @property
    def ends_at_text(self) -> str | None:
        """When the paid period ends, as answers give it; ``None`` where it is not known."""
        return timestamp(self.ends_at) if self.ends_at else None


def stands_for(held: Plan, wanted: Plan | None) -> bool:
    """Whether an order of ``held`` is what a sale of ``wanted`` has to mind; ``None``: the next plan up is wanted.

    An add-on is bought beside any plan, and only once itself; a plan takes no notice of add-ons.
    """
    return not held.add_on if wanted is None else wanted.is_rival_of(held)


def held_by(
    subscription: Subscription | None, wanted: Plan | None, meters: Collection[str], now: datetime
) -> HeldOrder | None:
    """Return the order that a sale of a plan would move, as far as we know; ``None``: the customer has none.

    Orders that the sale does not have to mind (``stands_for``) are left out. Of several it is the one of the plan
    ``wanted``, since nobody is sold what they have; else one that grants some of ``meters``; else any. Of several such, the
    one of the highest rank, then the newest.

    An order whose access has lapsed counts until its end is known: its payment may be overdue, and a subscription sold
    beside it would run twice. One that was cancelled ends with its period, whether or not we have heard of the end.
    """
    standing = [
        (order, order.paid)
        for order in (subscription.live_orders if subscription else ())
        if order.paid and stands_for(order.paid.plan, wanted) and not _has_run_out(order, now)
    ]
    if not standing:
        return None
    order, paid = max(standing, key=lambda held: (*_preference(held[1].plan, wanted, meters), held[0].began))
    status = order.status.kind if order.status else "active"
    scheduled_at = order.pending.at if order.pending and order.pending.is_scheduled else None
    return HeldOrder(order.order_id, paid.plan, status, paid.period.ends_at, order.currency, scheduled_at)


def has_place(subscription: Subscription | None, held: HeldOrder | None) -> bool:
    """Whether the order that a sale of a plan makes has a place: that of the order it changes (``held``), or a free one."""
    return held is not None or subscription is None or subscription.can_carry_another


def _has_run_out(order: OrderFacts, now: datetime) -> bool:
    return order.is_canceling and has_lapsed(order, now)


def _preference(plan: Plan, wanted: Plan | None, meters: Collection[str]) -> tuple[bool, bool, int]:
    is_wanted = wanted is not None and plan.key == wanted.key
    return is_wanted, not plan.allowances.keys().isdisjoint(meters), plan.rank
