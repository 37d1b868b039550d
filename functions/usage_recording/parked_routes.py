"""Usage that could not be counted, for the operator: list it with the reason, replay it, dismiss it."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.errors import UnknownParkedUsage
from pancake_meter.http.cursors import read_dated
from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.usage.intake import ParkedQuery, ReplayedBody, parked_body, parked_page
from pancake_meter.store.usage.parked_usage import dismiss, parked_usage
from pancake_meter.usecases.usage.count_usage import replay_parked

router = Router[MeteringDeps]()


@router.get("/v1/usage/parked")
def get_parked(query: ParkedQuery) -> Response[str]:
    """Usage that is still parked, the latest first, or with ``status=dismissed`` what was dismissed: one query a page."""
    deps, pages = router.deps, query.pages()
    after, dismissed = pages.place(query.cursor, read_dated), query.status == "dismissed"
    parked, has_more = parked_usage(
        deps.metering.table, deps.clock(), limit=query.limit, after=after, dismissed=dismissed
    )
    return answer(HTTPStatus.OK, parked_page(parked, pages, has_more=has_more))


@router.post("/v1/usage/parked/<parked_id>/replay")
def post_replay(parked_id: str) -> Response[str]:
    """Count parked usage now, by the code that parked it: for example after the catalog was corrected."""
    deps = router.deps
    outcome, parked = replay_parked(deps.metering, parked_id, deps.clock(), by=router.key_name)
    content: ReplayedBody = {**parked_body(parked), "status": outcome.status}
    return answer(HTTPStatus.OK, content)


@router.post("/v1/usage/parked/<parked_id>/dismiss")
@takes_body
def post_dismiss(parked_id: str) -> Response[str]:
    """Take parked usage off the list, with a reason; a repeat gets the first answer.

    It is kept, and may still be replayed.
    """
    request = DismissRequest.model_validate(body(router))
    deps = router.deps
    parked = dismiss(deps.metering.table, parked_id, request.reason, deps.clock(), by=router.key_name)
    if parked is None:
        raise UnknownParkedUsage("no usage is parked under that id")
    return answer(HTTPStatus.OK, parked_body(parked))
