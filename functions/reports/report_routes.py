"""Routes of the reports: they query totals that other functions have added up, and scan nothing."""

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.http.csv import answer_report
from pancake_meter.http.reports import reports as wire
from pancake_meter.http.reports.live import fresh_body
from pancake_meter.http.reports.reports import CustomersQuery, RevenueQuery, UsageMonthsQuery
from pancake_meter.http.resolver import Router
from pancake_meter.store.reports.month_usage import read_months
from pancake_meter.store.reports.revenue import read_customer, read_customers, read_sold
from pancake_meter.usecases.reports.live_figures import read_freshness, read_open_months

router = Router[MeteringDeps]()


@router.get("/v1/reports/revenue")
def get_revenue(query: RevenueQuery) -> Response[str]:
    """Revenue of up to twelve months, by currency, by what was sold and by plan: four queries a month."""
    table = router.deps.metering.table
    body = wire.revenue_body({month: read_sold(table, month) for month in query.months})
    return answer_report(router, body, wire.REVENUE_COLUMNS, wire.revenue_rows(body))


@router.get("/v1/reports/revenue/customers")
def get_customers(query: CustomersQuery) -> Response[str]:
    """Revenue of a month by customer, in pages; or one customer's."""
    table, pages = router.deps.metering.table, query.pages()
    after = pages.place(query.cursor, wire.read_place)
    if query.customer_id is not None:
        body = wire.customer_page(query.month, read_customer(table, query.month, query.customer_id), None, pages)
    else:
        rows, place = read_customers(table, query.month, limit=query.limit, after=after)
        body = wire.customer_page(query.month, rows, place, pages)
    return answer_report(router, body, wire.CUSTOMER_COLUMNS, wire.customer_rows(body), body["next_cursor"])


@router.get("/v1/reports/usage")
def get_usage(query: UsageMonthsQuery) -> Response[str]:
    """Usage of up to twelve months by meter: at least four queries a meter and month, and four a meter for open periods."""
    metering = router.deps.metering
    if query.meter is not None:
        metering.check_meter(query.meter)
    meters = sorted(metering.catalog.meters) if query.meter is None else [query.meter]
    fresh, opened = fresh_body(read_freshness(metering.table)), read_open_months(metering.table, meters)
    closed = read_months(metering.table, meters, query.months)
    body = wire.usage_months_body(closed, opened, fresh["as_of"], fresh["seconds_behind"])
    return answer_report(router, body, wire.USAGE_COLUMNS, body["months"])
