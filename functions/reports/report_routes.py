"""Routes of the reports: they query totals that other functions have added up, and scan nothing."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.http.reports.reports import (
    CustomersQuery,
    RevenueQuery,
    UsageMonthsQuery,
    customer_page,
    read_place,
    revenue_body,
    usage_months_body,
)
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router
from pancake_meter.store.reports.month_usage import read_months
from pancake_meter.store.reports.revenue import read_customer, read_customers, read_sold

router = Router[MeteringDeps]()


@router.get("/v1/reports/revenue")
def get_revenue(query: RevenueQuery) -> Response[str]:
    """Revenue of up to twelve months, by currency, by what was sold and by plan: four queries a month."""
    deps = router.deps
    table = deps.metering.table
    return answer(HTTPStatus.OK, revenue_body({month: read_sold(table, month) for month in query.months}))


@router.get("/v1/reports/revenue/customers")
def get_customers(query: CustomersQuery) -> Response[str]:
    """Revenue of a month by customer, in pages; or one customer's."""
    table, pages = router.deps.metering.table, query.pages()
    after = pages.place(query.cursor, read_place)
    if query.customer_id is not None:
        found = read_customer(table, query.month, query.customer_id)
        return answer(HTTPStatus.OK, customer_page(query.month, found, None, pages))
    rows, place = read_customers(table, query.month, limit=query.limit, after=after)
    return answer(HTTPStatus.OK, customer_page(query.month, rows, place, pages))


@router.get("/v1/reports/usage")
def get_usage(query: UsageMonthsQuery) -> Response[str]:
    """Usage of up to twelve months by meter, of all periods that have closed: at least four queries a meter and month."""
    deps = router.deps
    if query.meter is not None:
        deps.metering.check_meter(query.meter)
    meters = sorted(deps.metering.catalog.meters) if query.meter is None else [query.meter]
    return answer(HTTPStatus.OK, usage_months_body(read_months(deps.metering.table, meters, query.months)))
