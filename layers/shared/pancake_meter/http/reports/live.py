"""Live figures on the wire."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.reports.live_totals import STATES, State
from pancake_meter.http.csv import Row
from pancake_meter.http.fields import COUNT, Amount, Currency, Day, MeterName, Timestamp, Units, WireModel
from pancake_meter.http.reports.reports import Month
from pancake_meter.usecases.reports.live_figures import (
    Freshness,
    LiveFigures,
    MeterFigures,
    OpenUsage,
    Recurring,
    SubscriptionFigures,
    monthly_amount,
)

LIVE_DAYS_MAX: Final = 62
LIVE_DAYS: Final = 31

LIVE_COLUMNS: Final = ("kind", "day", "meter", "plan", "used", "overage", "customers")
SUBSCRIPTION_COLUMNS: Final = (
    "kind", "month", "plan", *STATES, "new", "lost", "currency", "amount", "subscriptions",
)  # fmt: skip


class LiveQuery(WireModel):
    """Query of ``GET /v1/reports/live``: one meter where not all are wanted, and how many days back from today."""

    meter: MeterName | None = None
    days: Annotated[int, Field(ge=1, le=LIVE_DAYS_MAX), COUNT] = LIVE_DAYS


class FreshBody(TypedDict):
    """How fresh the figures are; both are null before the first change.

    ``as_of`` is the time of the newest change of the table that is counted; ``seconds_behind`` is how long after a change
    that was.
    """

    as_of: Timestamp | None
    seconds_behind: int | None


class OpenBody(TypedDict):
    """Open periods: units used, units beyond every grant, and customers who used anything."""

    used: Units
    overage: Units
    customers: int


class OpenOfPlan(OpenBody):
    """The open periods under one plan; null for none."""

    plan: str | None


class UsedOfPlan(TypedDict):
    """Units used on a day under one plan; null for none."""

    plan: str | None
    used: Units


class DayBody(TypedDict):
    """Usage of one day (UTC), by plan: the one that governs now or, in a closed period, governed when it closed."""

    day: Day
    used: Units
    customers: int
    by_plan: list[UsedOfPlan]


class LiveMeter(TypedDict):
    """One meter: all open periods, and the latest days, today first."""

    meter: str
    open: OpenBody
    open_by_plan: list[OpenOfPlan]
    days: list[DayBody]


class ActiveDay(TypedDict):
    """How many customers used anything on a day."""

    day: Day
    customers: int


class LiveReport(FreshBody):
    """Usage over all customers as the stream has told it so far, and active customers, today first."""

    today: Day
    meters: list[LiveMeter]
    active: list[ActiveDay]
    active_this_month: int


class StatesBody(TypedDict):
    """Subscriptions that stand, by how: one that is past due counts as that alone. Add-ons are subscriptions too."""

    active: int
    trialing: int
    past_due: int
    canceling: int


class StatesOfPlan(StatesBody):
    """The subscriptions of one plan."""

    plan: str


class MovedRow(TypedDict):
    """Subscriptions of a plan that began in a month (UTC), and those that ended in it. A change of plan is neither."""

    month: Month
    plan: str
    new: int
    lost: int


class RecurringBody(TypedDict):
    """What subscriptions come to a month: the list prices, with tax, at which the plans were sold.

    ``by_charge`` of them were sold at a price that nobody stated: the list price of their latest charge counts. A week
    counts as 12/52 of a month, a year as 12 months.
    """

    amount: Amount
    subscriptions: int
    by_charge: int


class RecurringOfPlan(RecurringBody):
    """The subscriptions of one plan."""

    plan: str


class RecurringOfCurrency(RecurringBody):
    """One currency's subscriptions: all that pay, past due and canceling ones among them; trials are not."""

    currency: Currency
    by_plan: list[RecurringOfPlan]


class SubscriptionsReport(FreshBody):
    """Subscriptions as they stand, what was new and lost by month, oldest first, and what they come to a month.

    ``unpriced`` subscriptions are in no amount: their price, currency or billing period is not known.
    """

    total: StatesBody
    plans: list[StatesOfPlan]
    months: list[MovedRow]
    mrr: list[RecurringOfCurrency]
    unpriced: int


def fresh_body(freshness: Freshness) -> FreshBody:
    """Return how fresh figures are."""
    behind = freshness.behind
    return {
        "as_of": timestamp(freshness.as_of) if freshness.as_of is not None else None,
        "seconds_behind": -(-behind // timedelta(seconds=1)) if behind is not None else None,
    }


def live_body(figures: LiveFigures) -> LiveReport:
    """Return live figures."""
    return {
        **fresh_body(figures.freshness),
        "today": f"{next(iter(figures.active))}",
        "meters": [_meter(meter) for meter in figures.meters],
        "active": [{"day": f"{day}", "customers": count} for day, count in figures.active.items()],
        "active_this_month": figures.active_in_month,
    }


def live_rows(body: LiveReport) -> Iterable[Row]:
    """Yield live figures as rows: open periods by meter and plan, days by meter and plan, active customers by day."""
    for meter in body["meters"]:
        yield from ({"kind": "open", "meter": meter["meter"], **row} for row in meter["open_by_plan"])
    for meter in body["meters"]:
        for day in meter["days"]:
            named = {"kind": "day", "day": day["day"], "meter": meter["meter"]}
            yield from ({**named, **row} for row in day["by_plan"])
    yield from ({"kind": "active", **row} for row in body["active"])


def subscriptions_body(figures: SubscriptionFigures) -> SubscriptionsReport:
    """Return subscriptions as they stand."""
    plans = figures.plans.values()
    return {
        **fresh_body(figures.freshness),
        "total": _states({state: sum(each[state] for each in plans) for state in STATES}),
        "plans": [{"plan": plan, **_states(states)} for plan, states in figures.plans.items()],
        "months": [
            {"month": month, "plan": plan, "new": new, "lost": lost}
            for (month, plan), (new, lost) in figures.moved.items()
        ],
        "mrr": [_recurring(currency, rows) for currency, rows in figures.recurring.items()],
        "unpriced": figures.unpriced,
    }


def subscription_rows(body: SubscriptionsReport) -> Iterable[Row]:
    """Yield subscriptions as rows: those that stand by plan, new and lost by month, and the monthly amount by plan."""
    yield from ({"kind": "standing", **row} for row in body["plans"])
    yield from ({"kind": "moved", **row} for row in body["months"])
    for each in body["mrr"]:
        yield from ({"kind": "mrr", "currency": each["currency"], **row} for row in each["by_plan"])


def _states(states: Mapping[State, int]) -> StatesBody:
    return {
        "active": states["active"],
        "trialing": states["trialing"],
        "past_due": states["past_due"],
        "canceling": states["canceling"],
    }


def _meter(figures: MeterFigures) -> LiveMeter:
    total = OpenUsage()
    for each in figures.open.values():
        total = total.plus(each)
    return {
        "meter": figures.meter,
        "open": _open(total),
        "open_by_plan": [{"plan": plan or None, **_open(each)} for plan, each in figures.open.items()],
        "days": [
            {
                "day": f"{day.day}",
                "used": day.used,
                "customers": day.customers,
                "by_plan": [{"plan": plan or None, "used": used} for plan, used in day.by_plan.items()],
            }
            for day in figures.days
        ],
    }


def _open(usage: OpenUsage) -> OpenBody:
    return {"used": usage.used, "overage": usage.overage, "customers": usage.customers}


def _recurring(currency: str, rows: Sequence[Recurring]) -> RecurringOfCurrency:
    total = sum((row.amount for row in rows), Fraction(0))
    return {
        "currency": currency,
        "amount": monthly_amount(total, currency).display,
        "subscriptions": sum(row.subscriptions for row in rows),
        "by_charge": sum(row.by_charge for row in rows),
        "by_plan": [
            {
                "plan": row.plan,
                "amount": monthly_amount(row.amount, currency).display,
                "subscriptions": row.subscriptions,
                "by_charge": row.by_charge,
            }
            for row in rows
        ],
    }
