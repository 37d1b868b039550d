"""Customers: who they are, and all that is to be known of one."""

from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.standing.directory import CUSTOMER_STATUSES
from pancake_meter.http.balance.grants import grants_body
from pancake_meter.http.balance.readback import LedgerQuery, ledger_body, usage_body
from pancake_meter.http.cursors import Pages
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.selling.checkouts import CheckoutsQuery, checkout_body, checkout_page, read_listed
from pancake_meter.http.selling.payments import payment_body
from pancake_meter.http.standing.customers import CustomerListQuery, customer_body, customer_list
from pancake_meter.http.webhooks.deliveries import delivery_page
from pancake_meter.store.balance.balances import charts_put_away, closed_periods, read_ledger
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.standing.directory import list_customers
from pancake_meter.store.standing.subscriptions import is_known_customer
from pancake_meter.store.webhooks.deliveries import Page
from pancake_meter.usecases.balance.grants import held_grants
from pancake_meter.usecases.reports.customer_history import SHOWN_MAX, read_history
from pancake_meter.usecases.reports.customer_usage import latest_charts, latest_periods
from pancake_meter.usecases.reports.show_customer import ShownCustomer, as_it_stands
from pancake_meter.usecases.reports.usage_made_of import dated_charts, usage_made_of
from pancake_pages.console.desk import ConsoleRouter, Desk

router = ConsoleRouter()

_PAGE: Final = 50
_LISTS: Final = ("prefix", "plan", "status", "cursor")
_ENTRIES: Final = 25
_PERIODS: Final = 3


@router.get("/console/customers")
@tolerates_query
def get_customers() -> Response[str]:
    """Customers whose ids begin with a text, of a plan or a status: one query a page."""
    desk = router.desk("GET /v1/customers")
    chosen, is_by_time = _chosen_list(desk.parameters)
    query = CustomerListQuery.model_validate({"limit": str(_PAGE), **chosen})
    pages = query.pages()
    lines, place = list_customers(
        desk.deps.table,
        plan=query.plan,
        status=query.status,
        prefix=query.prefix or "",
        limit=query.limit,
        after=pages.place(query.cursor, query.read_place),
    )
    return desk.page(
        "console/customers.html",
        "customers",
        page=customer_list(lines, place, pages),
        query=query,
        statuses=CUSTOMER_STATUSES,
        is_by_time=is_by_time,
    )


def _chosen_list(parameters: Mapping[str, str]) -> tuple[Mapping[str, str], bool]:
    """Return the query of the API for what the form asks for, and whether the beginning of an id was passed over.

    The form has one choice of a list, ``plan:pro`` or ``status:owing``, since the API has one list a query.
    """
    stated = {name: parameters[name].strip() for name in _LISTS if parameters.get(name, "").strip()}
    kind, _, value = parameters.get("list", "").partition(":")
    if kind in ("plan", "status") and value:
        stated = {name: text for name, text in stated.items() if name not in ("plan", "status")} | {kind: value}
    is_by_time = stated.get("status") == "active" and "prefix" in stated
    if is_by_time:
        del stated["prefix"]
    return stated, is_by_time


@router.get("/console/customers/<customer_id>")
@tolerates_query
def get_customer(customer_id: str) -> Response[str]:
    """One customer. The ledger and the usage are of one meter, which the address names."""
    desk = router.desk("GET /v1/customers/{customer_id}")
    metering, now = desk.deps.metering, desk.now
    is_erased = is_pseudonym(customer_id)
    # Whoever nobody has seen yet may be given something; of who was erased the payments stay.
    is_unseen = not is_known_customer(metering.table, customer_id)
    if is_unseen and is_erased:
        shown = ShownCustomer(customer_id, (), (), (), (), ())
    else:
        shown = as_it_stands(metering, customer_id, now)
    history = read_history(metering.table, customer_id, [each.order.order_id for each in shown.orders])
    meters = [balance.meter for balance in shown.balances]
    asked = desk.parameters.get("meter", "")
    meter = asked if asked in meters else _busiest(shown.balances)
    return desk.page(
        "console/customer.html",
        "customers",
        customer=customer_body(shown, now),
        grants=grants_body(customer_id, [] if is_unseen else held_grants(metering, customer_id, None, now), now)[
            "grants"
        ],
        checkouts=[checkout_body(each, now) for each in history.checkouts],
        payments=[payment_body(each) for each in history.payments],
        deliveries=delivery_page(Page(list(history.deliveries), None), Pages(()))["deliveries"],
        meter=meter,
        is_erased=is_erased,
        is_unseen=is_unseen and not is_erased,
        shown_max=SHOWN_MAX,
        has_more=history.has_more,
        **(_of_meter(desk, customer_id, meter) if meter is not None else {"usage": None, "ledger": None}),
    )


@router.get("/console/customers/<customer_id>/checkouts")
@tolerates_query
def get_checkouts(customer_id: str) -> Response[str]:
    """All checkouts of one customer, newest first, with the payments of each."""
    desk = router.desk("GET /v1/customers/{customer_id}/checkouts")
    query = desk.query(CheckoutsQuery, limit=str(_PAGE))
    pages = query.pages(customer_id)
    after = pages.place(query.cursor, read_listed)
    checkouts, following = list_checkouts(desk.deps.table, customer_id, limit=query.limit, after=after)
    page = checkout_page(checkouts, following, pages, desk.now)
    return desk.page("console/checkouts.html", "customers", page=page, customer_id=customer_id)


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
