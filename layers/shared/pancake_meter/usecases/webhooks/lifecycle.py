"""What an event of a subscription's life does: the order's facts are learned, and every balance follows them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.lifecycle import PAYING_KINDS, LifecycleEvent
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.store.selling.order_actions import Action, latest_wishes
from pancake_meter.store.standing.subscriptions import read_subscription
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.decision import Effects, order_bound
from pancake_meter.usecases.webhooks.purchase import agreed_change, plan_checkout_write, replacing
from pancake_meter.usecases.webhooks.reading import Ignored, Parked, lifecycle_event
from pancake_meter.value import replace
from pancake_meter.waffo.events import EventKind, SubscriptionFacts, WaffoEvent

LEADS_TO: Final[Mapping[EventKind, Action]] = {
    EventKind.SUBSCRIPTION_CANCELING: "cancel",
    EventKind.SUBSCRIPTION_CANCELED: "cancel",
    EventKind.SUBSCRIPTION_UNCANCELED: "reactivate",
}
"""Events that tell of what an operator, or a customer in the portal, had Waffo do."""

_FOLLOWS_WITHIN: Final = timedelta(hours=1)
_SKEW_MAX: Final = timedelta(minutes=5)


def lifecycle_effects(
    metering: Metering,
    event: WaffoEvent,
    facts: SubscriptionFacts,
    customer_id: str,
    checkout: Checkout | None,
    now: datetime,
    by: str | None = None,
) -> Effects:
    """Learn what the event says of its order. Without an effect that anybody could see it is ignored, with the reason."""
    known = read_subscription(metering.table, customer_id)
    read = lifecycle_event(event, facts, metering.catalog, known.order(facts.order.id) if known else None)
    if isinstance(read, Parked):
        return Effects("parked", read.reason, customer_id)
    if isinstance(read, Ignored):
        return Effects("ignored", read.reason, customer_id, order_bound(facts.order.id, customer_id, now))
    books = CustomerBooks.read(metering, customer_id, now, by=by or _wished_by(metering, customer_id, facts.kind, read))
    sold = checkout if read.kind in PAYING_KINDS else None
    if read.kind == "plan_change_scheduled":
        read, sold = _agreed(metering, read, customer_id, books.learned.order(read.order_id), checkout)
    learned = books.learn(replacing(OrderFacts.of(read), checkout))
    is_flagged = bool(bought_twice(learned.learned) - bought_twice(books.learned))
    reason = None if is_flagged else _why_nothing_moved(books, learned, facts.order.id)
    writes = learned.writes(event.cause, facts.order.id) if learned.learned != books.learned else []
    closed = plan_checkout_write(sold, facts.order.id)
    flag = "bought_twice" if is_flagged else None
    done = (*order_bound(facts.order.id, customer_id, now), *writes, *closed)
    return Effects("applied" if reason is None else "ignored", reason or flag, customer_id, done, learned)


def _wished_by(metering: Metering, customer_id: str, kind: EventKind, event: LifecycleEvent) -> str | None:
    """Return who had Waffo do what an event tells of, from here: one read, and none of any other kind of event.

    That is whoever wished it last before, by the clocks of Waffo and of this stack: of the last two. What was wished long
    before is something else: a subscription that was cancelled ends with its period.
    """
    action = LEADS_TO.get(kind)
    if action is None:
        return None
    wished = [
        each
        for each in latest_wishes(metering.table, customer_id, event.order_id, action)
        if each.at - _SKEW_MAX <= event.at <= each.at + _FOLLOWS_WITHIN
    ]
    return min(wished, key=lambda each: abs(event.at - each.at)).by if wished else None


def _agreed(
    metering: Metering, read: LifecycleEvent, customer_id: str, order: OrderFacts | None, checkout: Checkout | None
) -> tuple[LifecycleEvent, Checkout | None]:
    """Return a change for a later period with the plan to come, and the checkout in which the customer agreed to it, if any.

    Of an order in force Waffo may name the plan that it has, which says nothing of the one to come: our checkout does. Told
    of the order to come, the event is of that checkout itself.
    """
    paid = order.paid if order is not None else None
    agreed = checkout if paid is None else agreed_change(metering.table, customer_id, read.order_id, read.at)
    plan = metering.catalog.plans.get(agreed.plan or "") if agreed is not None else None
    is_told = read.plan is not None and (paid is None or read.plan.key != paid.plan.key)
    if plan is None or (is_told and plan != read.plan):
        return read, None
    return replace(read, plan=plan), agreed


def _why_nothing_moved(before: CustomerBooks, after: CustomerBooks, order_id: str) -> str | None:
    """Return why an event has no effect that anybody could see, or ``None`` when it has one."""
    if after.learned == before.learned:
        return "no_news"
    was, order = before.learned.order(order_id), after.learned.order(order_id)
    if order is None:
        return "order_too_old"
    if was is not None and was.ended_at is not None and not after.moved:
        return "order_ended"
    if order.order_id in after.learned.superseded and not after.moved:
        return "order_superseded"
    if was is not None and (was.paid, was.status, was.ended_at, was.pending) == (
        order.paid,
        order.status,
        order.ended_at,
        order.pending,
    ):
        return "out_of_date"
    return None
