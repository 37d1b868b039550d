"""Reports of money and of usage."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.reports.reports import (
    MONTHS_MAX,
    CustomerPage,
    CustomersQuery,
    RevenueQuery,
    RevenueReport,
    UsageMonths,
    UsageMonthsQuery,
)
from tools.openapi.described import Answer, Described

_MONTHS: Final = f"Give either month, or from and to: at most {MONTHS_MAX} months, the first of them first."

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/reports/revenue": Described(
        "report_revenue",
        "Revenue by month and currency: subscriptions, overage, top-ups, plans",
        {HTTPStatus.OK: Answer(RevenueReport)},
        query=RevenueQuery,
        refusals=("report_too_large",),
        description=_MONTHS,
    ),
    "GET /v1/reports/revenue/customers": Described(
        "report_revenue_of_customers",
        "A month's revenue by customer",
        {HTTPStatus.OK: Answer(CustomerPage)},
        query=CustomersQuery,
    ),
    "GET /v1/reports/usage": Described(
        "report_usage",
        "Usage by month and meter, of the periods that have closed",
        {HTTPStatus.OK: Answer(UsageMonths)},
        query=UsageMonthsQuery,
        refusals=("unknown_meter", "report_too_large"),
        description=_MONTHS,
    ),
}
