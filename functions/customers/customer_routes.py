"""Customers: lists out of the directory, and one customer out of the customer's own items. Nothing is scanned."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.http.csv import answer_report
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router
from pancake_meter.http.standing.customers import (
    LINE_COLUMNS,
    CustomerListQuery,
    customer_body,
    customer_list,
    list_rows,
)
from pancake_meter.store.standing.directory import list_customers
from pancake_meter.usecases.reports.show_customer import show_customer

router = Router[MeteringDeps]()


@router.get("/v1/customers")
def get_customers(query: CustomerListQuery) -> Response[str]:
    """Customers by id, of a plan, recently active, past due, blocked or owing: one query a page, and one read."""
    pages = query.pages()
    lines, place = list_customers(
        router.deps.metering.table,
        plan=query.plan,
        status=query.status,
        prefix=query.prefix or "",
        limit=query.limit,
        after=pages.place(query.cursor, query.read_place),
    )
    page = customer_list(lines, place, pages)
    return answer_report(router, page, LINE_COLUMNS, list_rows(page), page["next_cursor"])


@router.get("/v1/customers/<customer_id>")
def get_customer(customer_id: str) -> Response[str]:
    """One customer: standing, balances with grants and holds, what is owed, open checkouts."""
    deps = router.deps
    now = deps.clock()
    return answer(HTTPStatus.OK, customer_body(show_customer(deps.metering, customer_id, now), now))
