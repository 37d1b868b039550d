"""Live figures: what the stream has told so far, added up for a person to look at."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from pancake_meter.domain.reports.live_totals import (
    ALL_METERS,
    CHURN_REPORT,
    RECURRING_REPORT,
    STATES,
    SUBSCRIPTIONS_REPORT,
    WHOLE_MONTH,
    State,
    active_report,
    days_report,
    open_months_report,
    open_report,
)
from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS, Money, round_half_up
from pancake_meter.store.reports.live_totals import Rows, read_position, read_report
from pancake_meter.store.table import Table
from pancake_meter.value import Value, field

_ZERO: Final = Decimal(0)
_MONTHLY: Final[Mapping[str, Fraction]] = {
    "weekly": Fraction(52, 12),
    "monthly": Fraction(1),
    "quarterly": Fraction(1, 3),
    "yearly": Fraction(1, 12),
}
_DIGITS: Final = 60


class Freshness(Value):
    """``as_of``: the newest change that is counted. ``behind``: how long it took from a change until it was counted."""

    as_of: datetime | None
    behind: timedelta | None


class OpenUsage(Value):
    """Usage of the open periods of some customers, and how many of them used anything."""

    used: Decimal = _ZERO
    overage: Decimal = _ZERO
    customers: int = 0

    def plus(self, more: "OpenUsage") -> "OpenUsage":
        """Return the sum."""
        return OpenUsage(self.used + more.used, self.overage + more.overage, self.customers + more.customers)


class DayUsage(Value):
    """Usage of a day by plan (nothing: no plan), and how many customers used anything."""

    day: date
    customers: int
    by_plan: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def used(self) -> Decimal:
        """Usage under all plans."""
        return sum(self.by_plan.values(), _ZERO)


class MeterFigures(Value):
    """One meter: its open periods by plan, and its days, the latest first."""

    meter: str
    open: Mapping[str, OpenUsage]
    days: Sequence[DayUsage]


class LiveFigures(Value):
    """Meters, and how many customers were active by day, the latest first, and in the month of the latest day."""

    freshness: Freshness
    meters: Sequence[MeterFigures]
    active: Mapping[date, int]
    active_in_month: int


class Recurring(Value):
    """What the subscriptions of a plan come to a month, in one currency: list prices as they were sold, exactly.

    ``by_charge`` are those of which no such price is known, but the list price of their charge.
    """

    plan: str
    amount: Fraction
    subscriptions: int
    by_charge: int = 0


class SubscriptionFigures(Value):
    """Subscriptions by plan and state, new and lost ones by (month, plan), and what they come to a month by currency.

    ``unpriced``: subscriptions that pay, and of which price, currency or billing period is not known.
    """

    freshness: Freshness
    plans: Mapping[str, Mapping[State, int]]
    moved: Mapping[tuple[str, str], tuple[int, int]]
    recurring: Mapping[str, Sequence[Recurring]]
    unpriced: int


def read_freshness(table: Table) -> Freshness:
    """Return how fresh the live figures are: one read."""
    position = read_position(table)
    return Freshness(position.as_of, position.lag) if position is not None else Freshness(None, None)


def read_open_months(table: Table, meters: Sequence[str]) -> Mapping[tuple[str, str], Decimal]:
    """Return by (meter, month) what the open periods used: four queries a meter."""
    return {
        (meter, month): row.get("used", _ZERO)
        for meter in meters
        for month, row in read_report(table, open_months_report(meter)).items()
    }


def read_live(table: Table, meters: Sequence[str], today: date, days: int) -> LiveFigures:
    """Return the live figures of meters and of the latest days: four queries for each meter and month, and four more.

    Raises:
        ReportTooLarge: there is more than one answer can add up.
    """
    wanted = [today - timedelta(days=back) for back in range(days)]
    months = sorted({f"{day:%Y-%m}" for day in wanted})
    active = {month: read_report(table, active_report(month)) for month in months}
    figures = [_meter(table, meter, wanted, months, active) for meter in meters]
    counts = {day: _active_on(active, ALL_METERS, day) for day in wanted}
    in_month = active[f"{today:%Y-%m}"].get(ALL_METERS, {}).get(WHOLE_MONTH, _ZERO)
    return LiveFigures(read_freshness(table), figures, counts, int(in_month))


def read_subscriptions(table: Table, months: Sequence[str]) -> SubscriptionFigures:
    """Return subscriptions as they stand, and what was new and lost in months: four queries for each, and eight more."""
    standing = read_report(table, SUBSCRIPTIONS_REPORT)
    plans = {plan: {state: int(row.get(state, _ZERO)) for state in STATES} for plan, row in standing.items()}
    moved = {
        (month, row.partition("#")[2]): (int(figures.get("new", _ZERO)), int(figures.get("lost", _ZERO)))
        for month in months
        for row, figures in read_report(table, CHURN_REPORT, f"{month}#").items()
    }
    recurring: dict[str, dict[str, Recurring]] = {}
    unpriced = 0
    for row, figures in read_report(table, RECURRING_REPORT).items():
        currency, billing_period, plan = row.split("#", 2)
        amount, count = figures.get("amount", _ZERO), int(figures.get("count", _ZERO))
        if currency not in CURRENCY_EXPONENTS or billing_period not in _MONTHLY:
            unpriced += count
            continue
        known = recurring.setdefault(currency, {}).get(plan, Recurring(plan, Fraction(0), 0))
        monthly = known.amount + Fraction(amount) * _MONTHLY[billing_period]
        by_charge = known.by_charge + int(figures.get("by_charge", _ZERO))
        recurring[currency][plan] = Recurring(plan, monthly, known.subscriptions + count, by_charge)
    by_currency = {currency: [by_plan[plan] for plan in sorted(by_plan)] for currency, by_plan in recurring.items()}
    return SubscriptionFigures(read_freshness(table), plans, moved, dict(sorted(by_currency.items())), unpriced)


def monthly_amount(amount: Fraction, currency: str) -> Money:
    """Return an amount a month as money: half a cent rounds up."""
    with localcontext(prec=_DIGITS):
        return round_half_up(Decimal(amount.numerator) / Decimal(amount.denominator), currency)


def _meter(
    table: Table, meter: str, days: Sequence[date], months: Sequence[str], active: Mapping[str, Rows]
) -> MeterFigures:
    opened = {
        plan: OpenUsage(row.get("used", _ZERO), row.get("overage", _ZERO), int(row.get("customers", _ZERO)))
        for plan, row in read_report(table, open_report(meter)).items()
    }
    used = {month: read_report(table, days_report(meter, month)) for month in months}
    return MeterFigures(
        meter,
        opened,
        [DayUsage(day, _active_on(active, meter, day), _used_on(used[f"{day:%Y-%m}"], day)) for day in days],
    )


def _active_on(active: Mapping[str, Rows], meter: str, day: date) -> int:
    return int(active[f"{day:%Y-%m}"].get(meter, {}).get(f"{day:%d}", _ZERO))


def _used_on(rows: Rows, day: date) -> dict[str, Decimal]:
    return {plan: row[f"{day:%d}"] for plan, row in rows.items() if f"{day:%d}" in row}
