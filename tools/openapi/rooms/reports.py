"""Reports of money and of usage."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.reports.live import LiveQuery, LiveReport, SubscriptionsReport
from pancake_meter.http.reports.reports import (
    MONTHS_MAX,
    CustomerPage,
    CustomersQuery,
    RevenueQuery,
    RevenueReport,
    SubscriptionsQuery,
    UsageMonths,
    UsageMonthsQuery,
)
from tools.openapi.described import Answer, Described

_MONTHS: Final = f"Give either month, or from and to: at most {MONTHS_MAX} months, the first of them first."

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/reports/revenue": Described(
        "report_revenue",
        "Revenue by month and currency: subscriptions, overage, top-ups, plans",
        {HTTPStatus.OK: Answer(RevenueReport, has_csv=True)},
        query=RevenueQuery,
        refusals=("report_too_large",),
        description=_MONTHS,
    ),
    "GET /v1/reports/revenue/customers": Described(
        "report_revenue_of_customers",
        "A month's revenue by customer",
        {HTTPStatus.OK: Answer(CustomerPage, ("Next-Cursor",), has_csv=True)},
        query=CustomersQuery,
    ),
    "GET /v1/reports/usage": Described(
        "report_usage",
        "Usage by month and meter: of the periods that have closed, and of those that are open",
        {HTTPStatus.OK: Answer(UsageMonths, has_csv=True)},
        query=UsageMonthsQuery,
        refusals=("unknown_meter", "report_too_large"),
        description=_MONTHS,
    ),
    "GET /v1/reports/live": Described(
        "report_live",
        "Usage of today and of the open periods over all customers, by meter, plan and day; active customers",
        {HTTPStatus.OK: Answer(LiveReport, has_csv=True)},
        query=LiveQuery,
        refusals=("unknown_meter", "report_too_large"),
    ),
    "GET /v1/reports/subscriptions": Described(
        "report_subscriptions",
        "Subscriptions by plan and state, new and lost ones by month, and what they come to a month by currency",
        {HTTPStatus.OK: Answer(SubscriptionsReport, has_csv=True)},
        query=SubscriptionsQuery,
        refusals=("report_too_large",),
    ),
}
