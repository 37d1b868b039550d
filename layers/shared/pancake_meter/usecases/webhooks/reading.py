"""From Waffo's event to ours: the plan looked up, the period completed, or the reason why it has to wait."""

from typing import Final, cast, get_args

from pancake_meter.catalog import Catalog
from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import (
    PAYING_KINDS,
    BillingPeriod,
    Bound,
    LifecycleEvent,
    LifecycleKind,
    StatedPeriod,
)
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.value import Value
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


class Parked(Value):
    """The event cannot be applied yet; ``reason`` is a stable code."""

    reason: str


class Ignored(Value):
    """The event changes nothing; ``reason`` is a stable code."""

    reason: str


def lifecycle_event(
    event: WaffoEvent, facts: SubscriptionFacts, catalog: Catalog, known: OrderFacts | None
) -> LifecycleEvent | Parked | Ignored:
    """Return the event in the domain's terms.

    A plan that the event does not name is the one the order was sold with. A paying event without plan or period is parked:
    to guess either would grant what was not sold. One with the number 0 is a card check, unless it is about a trial.
    """
    kind = _KINDS[facts.kind]
    period = stated_period(facts.period_start, facts.period_end, facts.billing_period, facts.period_number or 0)
    plan = _plan(facts.order, catalog, known)
    is_trial = facts.is_called_trial or (kind == "activated" and _starts_trial(facts, plan, period))
    if kind in PAYING_KINDS:
        if facts.period_number == 0 and not is_trial:
            return Ignored("card_check")
        if period is None:
            return Parked("period_unknown")
        if plan is None:
            return Parked("plan_unknown")
    price = facts.plan_price.total if facts.plan_price else None
    return LifecycleEvent(
        kind,
        facts.order.id,
        floor_ms(event.timestamp),
        period,
        plan,
        is_trial=is_trial,
        billing_period=billing_period_of(facts.billing_period),
        price=price,
        currency=facts.currency if facts.currency in CURRENCY_EXPONENTS else None,
    )


def _starts_trial(facts: SubscriptionFacts, plan: Plan | None, period: StatedPeriod | None) -> bool:
    """Whether an order that Waffo calls ``active`` begins with a trial, by the catalog and its price, number or length."""
    if plan is None or plan.trial is None:
        return False
    is_free = facts.plan_price is not None and facts.plan_price.total == 0
    return is_free or facts.period_number == 0 or is_trial_period(plan, period, facts.billing_period)


def is_trial_period(plan: Plan | None, period: StatedPeriod | None, billing_period: str | None) -> bool:
    """Whether the first period of an order is a trial by its length, of a plan that the catalog gives a trial."""
    has_trial = plan is not None and plan.trial is not None
    return has_trial and period is not None and not period.is_regular(billing_period_of(billing_period))


def billing_period_of(text: str | None) -> BillingPeriod | None:
    """Return the billing period that an event states; ``None`` for one that we do not know."""
    return cast("BillingPeriod", text) if text in get_args(BillingPeriod) else None


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
    begins, known = _bound(start), billing_period_of(billing_period)
    ends = _bound(end) if end else begins.after(known) if known else None
    if ends is None or ends.at < begins.at:
        return None
    return StatedPeriod(begins, ends, number)


def _bound(bound: PeriodBound) -> Bound:
    return Bound(floor_ms(bound.instant), bound.is_date_only)
