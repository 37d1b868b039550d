"""The portal: what a customer has, uses and pays."""

from http import HTTPStatus
from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.http.request import base_url
from pancake_meter.http.resolver import Router, tolerates_query
from pancake_meter.store.selling.payments import read_payments
from pancake_meter.usecases.reports.customer_home import customer_home
from pancake_meter.usecases.reports.customer_usage import customer_usage
from pancake_meter.usecases.reports.usage_made_of import chart_made_of
from pancake_meter.value import replace
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.portal.charts import (
    chart_key,
    choices,
    days_side_by_side,
    earlier_charts,
    is_by_day,
    open_chart,
    past_chart,
)
from pancake_pages.portal.home import home_page
from pancake_pages.portal.made_of import breakdowns
from pancake_pages.portal.payments import payments
from pancake_pages.portal.visit import PORTAL, Visit, portal_view, read_visit

router = Router[CustomerPagesDeps]()

_CHECKOUTS_MAX: Final = 100
_PAYMENTS_MAX: Final = 200


@router.get("/portal")
@tolerates_query
def home() -> Response[str]:
    """Each meter, the plan, what is to be known, and the latest payments: four requests at most."""
    visit, deps = read_visit(router), router.deps
    now, catalog, offers = deps.clock(), deps.shop.selling.catalog, deps.portal.offers
    shown = customer_home(deps.shop.selling.metering, visit.session.customer_id, now)
    return home_page(visit, shown, catalog, offers, _links_base(visit), now)


@router.get("/portal/")
@tolerates_query
def with_a_slash() -> Response[str]:
    """Lead to the home, wherever a proxy passes such an address on."""
    return portal_view(router).redirect(PORTAL)


@router.get("/portal/payments")
@tolerates_query
def get_payments() -> Response[str]:
    """Charges of subscriptions and checkouts, newest first: as many as are remembered, and the latest 100."""
    visit, deps = read_visit(router), router.deps
    now, selling = deps.clock(), deps.shop.selling
    shown = customer_home(selling.metering, visit.session.customer_id, now, checkouts_max=_CHECKOUTS_MAX)
    ids = {each: None for checkout in shown.checkouts for each in checkout.payment_ids if each not in shown.payments}
    more = read_payments(selling.metering.table, list(ids)[:_PAYMENTS_MAX])
    shown = replace(shown, payments={**shown.payments, **more})
    language, base = visit.view.language, _links_base(visit)
    rows = payments(shown, selling.catalog, deps.portal.offers, language, base, now)
    return visit.view.page("portal/payments.html", **visit.facts, rows=rows)


@router.get("/portal/usage/<meter>")
@tolerates_query
def get_usage(meter: str) -> Response[str]:
    """One meter by day, in the open period or the one that ``period`` names, what it was made of, and what moved."""
    visit, deps = read_visit(router), router.deps
    now, selling = deps.clock(), deps.shop.selling
    if meter not in selling.catalog.meters:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    usage = customer_usage(selling.metering, visit.session.customer_id, meter, now)
    wanted = router.current_event.query_string_parameters.get("period", "")
    past = next((chart for chart in earlier_charts(usage) if chart_key(chart) == wanted), None)
    if wanted and past is None:
        return visit.message("shared.not_found", HTTPStatus.NOT_FOUND)
    by_day = is_by_day(usage.balance.period)
    today = days_side_by_side(usage) if by_day else open_chart(usage.balance, now)
    chart = past_chart(past, usage.closed) if past is not None else today
    made_of = chart_made_of(selling.metering.table, usage, past, of_all=by_day and past is None)
    return visit.view.page(
        "portal/usage.html",
        **visit.facts,
        meter=selling.catalog.meters[meter],
        chart=chart,
        breakdowns=breakdowns(chart, made_of),
        choices=[] if by_day else choices(usage),
        wanted=wanted,
        closed=[each for each in usage.closed if not by_day or each.gone or each.overage],
        besides=usage.besides,
        plans=selling.catalog.plans,
        entries=[entry for entry in usage.entries if entry.movements],
    )


def _links_base(visit: Visit) -> str | None:
    """Return the address that purchase links begin with; ``None`` where the session may not buy."""
    return base_url(router) if visit.session.may_buy else None
