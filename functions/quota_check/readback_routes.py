"""Reading back: usage by period and day, and the ledger behind it."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.http.balance.readback import LedgerQuery, UsageQuery, ledger_body, usage_body
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_ledger
from pancake_meter.usecases.reports.customer_usage import latest_charts, latest_periods
from pancake_meter.usecases.reports.usage_made_of import dated_charts, usage_made_of

router = Router[QuotaDeps]()


@router.get("/v1/customers/<customer_id>/usage")
def get_usage(customer_id: str, query: UsageQuery) -> Response[str]:
    """Usage of one meter: the open period and closed ones, each by day; a few reads, whatever the traffic was."""
    deps = router.deps
    deps.metering.check_meter(query.meter)
    _, current = deps.metering.current_change(customer_id, query.meter, deps.clock())
    name, limit = (deps.metering.table, customer_id, query.meter), query.periods
    charts = latest_charts(charts_put_away(*name, page=limit), current.charts, limit)
    closed = latest_periods(closed_periods(*name, page=limit), current.closed, limit)
    made_of = None
    if query.made_of == "true":
        made_of = usage_made_of(deps.metering.table, customer_id, query.meter, dated_charts(current.balance, charts))
    return answer(HTTPStatus.OK, usage_body(current.balance, charts, closed, made_of))


@router.get("/v1/customers/<customer_id>/ledger")
def get_ledger(customer_id: str, query: LedgerQuery) -> Response[str]:
    """One meter's ledger, newest first, in pages."""
    deps = router.deps
    deps.metering.check_meter(query.meter)
    table, pages = deps.metering.table, query.pages(customer_id)
    before = pages.place(query.cursor, int)
    entries = read_ledger(table, customer_id, query.meter, limit=query.limit, before_segment=before)
    return answer(HTTPStatus.OK, ledger_body(entries, query.limit, pages, is_for_customer=router.token is not None))
