"""Parked usage: what a source sent that could not be counted, and deciding about it."""

from typing import Final

from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.errors import UnknownParkedUsage
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http.cursors import read_dated
from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.usage.intake import ParkedQuery, parked_page
from pancake_meter.store.usage.parked_usage import dismiss, parked_usage
from pancake_meter.usecases.usage.count_usage import replay_parked
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address

router = ConsoleRouter()

_PAGE: Final = 25


@router.get("/console/parked-usage")
@tolerates_query
def get_parked() -> Response[str]:
    """Usage that is still parked, or what was dismissed of it, the latest first."""
    desk = router.desk("GET /v1/usage/parked")
    query = desk.query(ParkedQuery, limit=str(_PAGE))
    pages = query.pages()
    parked, has_more = parked_usage(
        desk.deps.table,
        desk.now,
        limit=query.limit,
        after=pages.place(query.cursor, read_dated),
        dismissed=query.status == "dismissed",
    )
    page = parked_page(parked, pages, has_more=has_more)
    return desk.page("console/parked_usage.html", "parked-usage", page=page, query=query)


@router.action("/console/parked-usage/<parked_id>/replay", "POST /v1/usage/parked/{parked_id}/replay")
def post_replay(form: Form, parked_id: str) -> Done:
    """Count it now, for example after the catalog was corrected."""
    desk = form.desk
    outcome, _ = replay_parked(desk.deps.metering, parked_id, desk.now, by=desk.operator.name)
    return Done(address("parked-usage"), f"usage_{outcome.status}")


@router.action("/console/parked-usage/<parked_id>/dismiss", "POST /v1/usage/parked/{parked_id}/dismiss")
def post_dismiss(form: Form, parked_id: str) -> Done:
    """Take it off the list, with a reason."""
    desk, reason = form.desk, form.read(DismissRequest, "reason").reason
    parked = dismiss(desk.deps.table, parked_id, reason, desk.now, by=desk.operator.name)
    if parked is None:
        raise UnknownParkedUsage("no usage is parked under that id")
    if parked.dismissed_at is None:
        return Done(address("parked-usage"), "usage_duplicate")
    is_now = parked.dismissed_at == floor_ms(desk.now)
    return Done(address("parked-usage"), "dismissed" if is_now else "dismissed_before")
