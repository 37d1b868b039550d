"""The overview: what came in, how subscriptions stand, what is used, and what needs a person."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.instant import month_of
from pancake_meter.http.reports.live import LiveReport, live_body, subscriptions_body
from pancake_meter.http.reports.reports import RevenueQuery, SubscriptionsQuery, revenue_body
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.selling.payments import payment_body
from pancake_meter.store.reports.revenue import read_sold
from pancake_meter.usecases.reports.live_figures import read_live, read_subscriptions
from pancake_meter.usecases.reports.needs_attention import read_attention
from pancake_meter.usecases.side_by_side import side_by_side
from pancake_pages.console.desk import ConsoleRouter, Desk

router = ConsoleRouter()

_DAYS: Final = 14
_MONTHS: Final = 6


@router.get("/console")
@tolerates_query
def get_overview() -> Response[str]:
    """Show the overview. Money and usage are for keys that may read reports."""
    desk = router.desk()
    parts: dict[str, Callable[[], Any]] = {"attention": lambda: read_attention(desk.deps.table)}
    if desk.may("GET /v1/reports/revenue"):
        parts |= _reports(desk)
    # Nearly all of the time is waiting for the table.
    found = dict(zip(parts, side_by_side(lambda read: read(), list(parts.values())), strict=True))
    attention = found.pop("attention")
    return desk.page(
        "console/overview.html",
        "overview",
        attention=attention,
        flagged=[payment_body(payment) for payment in attention.flagged],
        reports=found or None,
    )


@router.get("/console/live")
@tolerates_query
def get_live() -> Response[str]:
    """Show the live figures alone: the overview asks for them again while it is open. Nobody need be there."""
    desk = router.desk("GET /v1/reports/live", counts_as_use=False)
    return desk.page("console/live.html", "overview", live=_live(desk))


def _reports(desk: Desk) -> Mapping[str, Callable[[], Any]]:
    table, latest = desk.deps.table, month_of(desk.now)
    months = SubscriptionsQuery(months=_MONTHS).names(latest)
    asked = RevenueQuery.model_validate({"from": months[-2], "to": latest})
    return {
        "live": lambda: _live(desk),
        "revenue": lambda: revenue_body({month: read_sold(table, month) for month in asked.months})["months"][::-1],
        "subscriptions": lambda: subscriptions_body(read_subscriptions(table, months)),
    }


def _live(desk: Desk) -> LiveReport:
    metering = desk.deps.metering
    return live_body(read_live(metering.table, sorted(metering.catalog.meters), desk.now.date(), _DAYS))
