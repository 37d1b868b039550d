"""Customers: who they are, and all that is to be known of one."""

from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.http.balance.grants import grants_body
from pancake_meter.http.balance.readback import LedgerQuery, ledger_body, usage_body
from pancake_meter.http.cursors import Pages
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.selling.checkouts import checkout_body
from pancake_meter.http.selling.payments import payment_body
from pancake_meter.http.standing.customers import CustomerListQuery, customer_body, customer_list
from pancake_meter.http.webhooks.deliveries import delivery_page
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_ledger
from pancake_meter.store.standing.directory import list_customers
from pancake_meter.store.webhooks.deliveries import Page
from pancake_meter.usecases.balance.grants import held_grants
from pancake_meter.usecases.reports.customer_history import read_history
from pancake_meter.usecases.reports.customer_usage import latest_charts, latest_periods
from pancake_meter.usecases.reports.show_customer import show_customer
from pancake_meter.usecases.reports.usage_made_of import dated_charts, usage_made_of
from pancake_pages.console.desk import ConsoleRouter, Desk

router = ConsoleRouter()

_PAGE: Final = 50
_ENTRIES: Final = 25
_PERIODS: Final = 3


@router.get("/console/customers")
@tolerates_query
def get_customers() -> Response[str]:
    """Customers whose ids begin with a text, of a plan or a status: one query a page."""
    desk = router.desk("GET /v1/customers")
    query = desk.query(CustomerListQuery, limit=str(_PAGE))
    pages = query.pages()
    lines, place = list_customers(
        desk.deps.table,
        plan=query.plan,
        status=query.status,
        prefix=query.prefix or "",
        limit=query.limit,
        after=pages.place(query.cursor, query.read_place),
    )
    return desk.page("console/customers.html", "customers", page=customer_list(lines, place, pages), query=query)


@router.get("/console/customers/<customer_id>")
@tolerates_query
def get_customer(customer_id: str) -> Response[str]:
    """One customer. The ledger and the usage are of one meter, which the address names."""
    desk = router.desk("GET /v1/customers/{customer_id}")
    metering, now = desk.deps.metering, desk.now
    shown = show_customer(metering, customer_id, now)
    history = read_history(metering.table, customer_id, [each.order.order_id for each in shown.orders])
    meters = [balance.meter for balance in shown.balances]
    asked = desk.parameters.get("meter", "")
    meter = asked if asked in meters else _busiest(shown.balances)
    return desk.page(
        "console/customer.html",
        "customers",
        customer=customer_body(shown, now),
        grants=grants_body(customer_id, held_grants(metering, customer_id, None, now), now)["grants"],
        checkouts=[checkout_body(each, now) for each in history.checkouts],
        payments=[payment_body(each) for each in history.payments],
        deliveries=delivery_page(Page(list(history.deliveries), None), Pages(()))["deliveries"],
        meter=meter,
        is_erased=is_pseudonym(customer_id),
        **(_of_meter(desk, customer_id, meter) if meter is not None else {"usage": None, "ledger": None}),
    )


def _busiest(balances: Any) -> str | None:
    used = [(balance.used_of_plan, -index, balance.meter) for index, balance in enumerate(balances)]
    return max(used)[2] if used else None


def _of_meter(desk: Desk, customer_id: str, meter: str) -> dict[str, Any]:
    metering = desk.deps.metering
    _, current = metering.current_change(customer_id, meter, desk.now)
    name = (metering.table, customer_id, meter)
    charts = latest_charts(charts_put_away(*name, page=_PERIODS), current.charts, _PERIODS)
    closed = latest_periods(closed_periods(*name, page=_PERIODS), current.closed, _PERIODS)
    query = LedgerQuery(meter=meter, limit=_ENTRIES, cursor=desk.parameters.get("cursor") or None)
    pages = query.pages(customer_id)
    entries = read_ledger(*name, limit=query.limit, before_segment=pages.place(query.cursor, int))
    made_of = usage_made_of(*name, dated_charts(current.balance, charts))
    return {
        "usage": usage_body(current.balance, charts, closed, made_of),
        "ledger": ledger_body(entries, query.limit, pages),
    }
