"""From Waffo's event to ours: the plan looked up, the period completed, or the reason why it has to wait."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pancake_meter.catalog import Catalog
from pancake_meter.domain.balance.period import add_months
from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import PAYING_KINDS, Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.waffo.events import EventKind, Order, SubscriptionFacts, WaffoEvent
from pancake_meter.waffo.fields import PeriodBound

_KINDS: Final[dict[EventKind, LifecycleKind]] = {
    EventKind.SUBSCRIPTION_ACTIVATED: "activated",
    EventKind.SUBSCRIPTION_RENEWED: "renewed",
    EventKind.SUBSCRIPTION_RECOVERED: "recovered",
    EventKind.SUBSCRIPTION_PLAN_CHANGED: "plan_changed",
    EventKind.SUBSCRIPTION_PLAN_CHANGE_SCHEDULED: "plan_change_scheduled",
    EventKind.SUBSCRIPTION_PLAN_CHANGE_FAILED: "plan_change_failed",
    EventKind.SUBSCRIPTION_CANCELING: "canceling",
    EventKind.SUBSCRIPTION_UNCANCELED: "uncanceled",
    EventKind.SUBSCRIPTION_CANCELED: "canceled",
    EventKind.SUBSCRIPTION_PAST_DUE: "past_due",
}
_MONTHS: Final = {"monthly": 1, "quarterly": 3, "yearly": 12}
_WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Parked:
    """The event cannot be applied yet; ``reason`` is a stable code."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event changes nothing; ``reason`` is a stable code."""

    reason: str


def lifecycle_event(
    event: WaffoEvent, facts: SubscriptionFacts, catalog: Catalog, known: OrderFacts | None
) -> LifecycleEvent | Parked | Ignored:
    """Return the event in the domain's terms.

    A plan that the event does not name is the one the order was sold with. A paying event without plan or period is parked:
    to guess either would grant what was not sold.
    """
    kind = _KINDS[facts.kind]
    period = stated_period(facts.period_start, facts.period_end, facts.billing_period, facts.period_number or 0)
    plan = _plan(facts.order, catalog, known)
    if kind in PAYING_KINDS:
        if facts.period_number == 0:
            is_trial = facts.order.status == "trialing" and not (known and known.paid)
            # A trial grants nothing until it is understood what it grants. It stays open, so that it can be judged again.
            return Parked("trial_start") if is_trial else Ignored("card_check")
        if period is None:
            return Parked("period_unknown")
        if plan is None:
            return Parked("plan_unknown")
    price = facts.plan_price.total if facts.plan_price else None
    return LifecycleEvent(kind, facts.order.id, floor_ms(event.timestamp), period, plan, price=price)


def _plan(order: Order, catalog: Catalog, known: OrderFacts | None) -> Plan | None:
    resolved = catalog.resolve_plan(order.product_metadata, order.metadata, order.product_name or "")
    if resolved is not None:
        return resolved.plan
    return known.paid.plan if known and known.paid else None


def stated_period(
    start: PeriodBound | None, end: PeriodBound | None, billing_period: str | None, number: int
) -> StatedPeriod | None:
    """Return the period between two bounds, or as long as the billing period says; ``None`` where there is none."""
    if start is None:
        return None
    begins = _bound(start)
    ends = _bound(end) if end else _implied_end(begins, billing_period)
    if ends is None or ends.at < begins.at:
        return None
    return StatedPeriod(begins, ends, number)


def _implied_end(start: Bound, billing_period: str | None) -> Bound | None:
    if billing_period == "weekly":
        return Bound(start.at + _WEEK, start.is_day)
    months = _MONTHS.get(billing_period or "")
    return Bound(add_months(start.at, months), start.is_day) if months else None


def _bound(bound: PeriodBound) -> Bound:
    return Bound(floor_ms(bound.instant), bound.is_date_only)
