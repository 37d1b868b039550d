"""Reports on the wire: amounts are display strings with their currency beside them, and currencies are never added."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from pancake_meter.domain.reports.revenue import RevenueTotal
from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS
from pancake_meter.domain.selling.payment import SoldKind
from pancake_meter.http.csv import Row
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import COUNT, Amount, Currency, MeterName, QueryCustomerId, Timestamp, Units, WireModel
from pancake_meter.store.keys import REPORT_SHARDS
from pancake_meter.store.reports.month_usage import MeterMonth
from pancake_meter.store.reports.revenue import CustomerTotal, Place, SoldTotal

MONTHS_MAX: Final = 12
CUSTOMERS_PAGE_MAX: Final = 100
MONTH_PATTERN: Final = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
_ZERO: Final = Decimal(0)
_AMOUNTS: Final = ("received", "tax", "refunded", "refunded_tax", "net", "payments", "refunds", "unstated")

REVENUE_COLUMNS: Final = ("month", "currency", "sold", "plan", *_AMOUNTS)
CUSTOMER_COLUMNS: Final = ("month", "customer_id", "currency", *_AMOUNTS)
USAGE_COLUMNS: Final = ("month", "meter", "used", "overage", "customers", "open", "total")

Month = Annotated[str, StringConstraints(pattern=MONTH_PATTERN)]


class Amounts(TypedDict):
    """Money in one currency: ``received`` and ``refunded`` include tax; ``net`` is without tax and refunds.

    ``unstated`` counts payments of which Waffo did not say how much they were: nothing of them is in ``received``.
    """

    received: Amount
    tax: Amount
    refunded: Amount
    refunded_tax: Amount
    net: Amount
    payments: int
    refunds: int
    unstated: int


class SoldRow(Amounts):
    """What one thing sold came to. ``plan`` is the tier that it counts for: null for top-ups, which belong to none."""

    sold: SoldKind
    plan: str | None


class PlanRow(Amounts):
    """What a tier came to: its subscriptions and its overage. ``plan`` is null for what belongs to none."""

    plan: str | None


class CurrencyRevenue(TypedDict):
    """One currency's revenue: all of it, and the same money by what was sold, by plan, and by both."""

    currency: Currency
    total: Amounts
    by_sold: dict[SoldKind, Amounts]
    by_plan: list[PlanRow]
    rows: list[SoldRow]


class MonthRevenue(TypedDict):
    """One month's revenue (UTC), by currency."""

    month: Month
    currencies: list[CurrencyRevenue]


class RevenueReport(TypedDict):
    """Revenue by month, oldest first."""

    months: list[MonthRevenue]


class CustomerRow(Amounts):
    """What one customer came to in one currency."""

    customer_id: str
    currency: Currency


class CustomerPage(TypedDict):
    """A page of customers, in no telling order; ``next_cursor`` goes on from it, and is null at the end."""

    month: Month
    customers: list[CustomerRow]
    next_cursor: str | None


class UsageRow(TypedDict):
    """What customers used of a meter in a month (UTC).

    ``used`` and ``overage`` are of periods that have closed: ``overage`` of those that ended in the month, ``customers`` who
    used anything in them. ``open`` is what open periods have used in the month so far, and ``total`` the sum.
    """

    month: Month
    meter: str
    used: Units
    overage: Units
    customers: int
    open: Units
    total: Units


class UsageMonths(TypedDict):
    """Usage by month and meter, oldest month first.

    ``open`` comes from the table's stream: the newest change that is in it is of ``as_of``, and was counted
    ``seconds_behind`` after it. For so long a period that has just closed is in ``used`` and in ``open``.
    """

    months: list[UsageRow]
    as_of: Timestamp | None
    seconds_behind: int | None


class _MonthsQuery(WireModel):
    from_: Annotated[Month | None, Field(alias="from")] = None
    to: Month | None = None
    month: Month | None = None

    @model_validator(mode="after")
    def _names_months(self) -> Self:
        if (self.month is None) == (self.from_ is None or self.to is None):
            raise ValueError("give either month, or from and to")
        if self.month is not None and (self.from_ is not None or self.to is not None):
            raise ValueError("give either month, or from and to")
        if not 1 <= self._count <= MONTHS_MAX:
            raise ValueError(f"a report is of 1 to {MONTHS_MAX} months, the first of them first")
        return self

    @property
    def months(self) -> list[str]:
        """The months asked for, oldest first."""
        first = _index(self.month or self.from_ or "")
        return [_month(first + offset) for offset in range(self._count)]

    @property
    def _count(self) -> int:
        return 1 if self.month is not None else _index(self.to or "") - _index(self.from_ or "") + 1


class RevenueQuery(_MonthsQuery):
    """Query of ``GET /v1/reports/revenue``: a month, or the first and the last of up to twelve."""


class UsageMonthsQuery(_MonthsQuery):
    """Query of ``GET /v1/reports/usage``: months, and one meter where not all are wanted."""

    meter: MeterName | None = None


def read_place(shard: str, last: str) -> Place:
    """Return where a page of customers starts. Raises ``ValueError`` for what is no such place."""
    if int(shard) not in range(REPORT_SHARDS) or not (last == "" or last.startswith("CUSTOMER#")):
        raise ValueError("not a place among the customers")
    return int(shard), last


class SubscriptionsQuery(WireModel):
    """Query of ``GET /v1/reports/subscriptions``: of how many months what was new and lost is shown, up to this one."""

    months: Annotated[int, Field(ge=1, le=MONTHS_MAX), COUNT] = MONTHS_MAX

    def names(self, latest: str) -> list[str]:
        """Return the months up to the latest, oldest first."""
        last = _index(latest)
        return [_month(index) for index in range(last - self.months + 1, last + 1)]


class CustomersQuery(PageQuery):
    """Query of ``GET /v1/reports/revenue/customers``: the month, and either one customer or a page."""

    month: Month
    customer_id: QueryCustomerId | None = None
    limit: Annotated[int, Field(ge=1, le=CUSTOMERS_PAGE_MAX), COUNT] = CUSTOMERS_PAGE_MAX


def revenue_body(months: Mapping[str, Sequence[SoldTotal]]) -> RevenueReport:
    """Return the revenue of months."""
    return {"months": [{"month": month, "currencies": _currencies(sold)} for month, sold in months.items()]}


def revenue_rows(report: RevenueReport) -> Iterable[Row]:
    """Yield revenue as rows: by month, currency, what was sold and plan."""
    for month in report["months"]:
        for each in month["currencies"]:
            yield from ({"month": month["month"], "currency": each["currency"], **row} for row in each["rows"])


def customer_rows(page: CustomerPage) -> Iterable[Row]:
    """Yield a page of customers as rows."""
    return ({"month": page["month"], **row} for row in page["customers"])


def customer_page(month: str, rows: Iterable[CustomerTotal], place: Place | None, pages: Pages) -> CustomerPage:
    """Return a page of customers."""
    return {
        "month": month,
        "customers": [
            {"customer_id": row.customer_id, "currency": row.currency, **_amounts(row.total, row.currency)}
            for row in rows
        ],
        "next_cursor": pages.cursor(None if place is None else (str(place[0]), place[1])),
    }


def usage_months_body(
    found: Mapping[tuple[str, str], MeterMonth],
    open_used: Mapping[tuple[str, str], Decimal],
    as_of: str | None,
    seconds_behind: int | None,
) -> UsageMonths:
    """Return usage by month and meter; ``open_used`` is that of open periods."""
    return {
        "as_of": as_of,
        "seconds_behind": seconds_behind,
        "months": [
            {
                "month": month,
                "meter": meter,
                "used": of_month.usage.used,
                "overage": of_month.usage.overage,
                "customers": of_month.customers,
                "open": open_used.get((meter, month), _ZERO),
                "total": of_month.usage.used + open_used.get((meter, month), _ZERO),
            }
            for (meter, month), of_month in found.items()
        ],
    }


def _currencies(sold: Sequence[SoldTotal]) -> list[CurrencyRevenue]:
    return [
        _currency(currency, [row for row in sold if row.currency == currency])
        for currency in sorted({row.currency for row in sold})
    ]


def _currency(currency: str, sold: Sequence[SoldTotal]) -> CurrencyRevenue:
    rows = sorted(sold, key=lambda row: (row.sold, row.plan or ""))
    kinds = dict.fromkeys(row.sold for row in rows)
    plans = sorted({row.plan for row in rows}, key=lambda plan: (plan is None, plan or ""))
    return {
        "currency": currency,
        "total": _amounts(_sum(row.total for row in rows), currency),
        "by_sold": {kind: _amounts(_sum(row.total for row in rows if row.sold == kind), currency) for kind in kinds},
        "by_plan": [
            {"plan": plan, **_amounts(_sum(row.total for row in rows if row.plan == plan), currency)} for plan in plans
        ],
        "rows": [{"sold": row.sold, "plan": row.plan, **_amounts(row.total, currency)} for row in rows],
    }


def _sum(totals: Iterable[RevenueTotal]) -> RevenueTotal:
    total = RevenueTotal()
    for each in totals:
        total = total.plus(each)
    return total


def _amounts(total: RevenueTotal, currency: str) -> Amounts:
    return {
        "received": _display(total.received, currency),
        "tax": _display(total.tax, currency),
        "refunded": _display(total.refunded, currency),
        "refunded_tax": _display(total.refunded_tax, currency),
        "net": _display(total.net, currency),
        "payments": total.payments,
        "refunds": total.refunds,
        "unstated": total.unstated,
    }


def _display(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency's decimals, or with as many more as it takes: a report rounds nothing."""
    exact = Decimal(f"{amount.normalize():f}")
    places = -int(exact.as_tuple().exponent)
    return f"{exact:.{max(places, CURRENCY_EXPONENTS.get(currency, 2))}f}"


def _index(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _month(index: int) -> str:
    return f"{index // 12:04d}-{index % 12 + 1:02d}"
