"""Usage in the formats that LiteLLM and OpenMeter clients already send."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.http.request import USAGE_BODY_BYTES_MAX, answer, problem_answer, text_body
from pancake_meter.http.resolver import Router, takes_body, tolerates_query
from pancake_meter.http.usage.intake import (
    bounded_items,
    cloud_events,
    intake_body,
    is_event_content,
    no_content,
    unsupported_content,
)
from pancake_meter.invocation import time_left
from pancake_meter.usecases.usage.count_usage import ItemOutcome, count_items
from pancake_meter.usecases.usage.sources import LITELLM, OPENMETER, Source

router = Router[MeteringDeps]()


@router.post("/v1/usage/litellm")
@takes_body
@tolerates_query
def post_litellm() -> Response[str]:
    """Count what LiteLLM's generic_api callback sends. A bad item is parked: after a 4xx LiteLLM would lose all items.

    If the time ends, the answer is 503 and LiteLLM sends all items again. Those that are counted are duplicates then.
    """
    outcomes = _count(LITELLM, bounded_items(_text(), _content_type()))
    return answer(HTTPStatus.OK, intake_body(outcomes))


@router.post("/api/v1/events")
@takes_body
@tolerates_query
def post_events() -> Response[str]:
    """Count CloudEvents as OpenMeter does: 204 once all of them are durable, counted or parked with a reason."""
    if not is_event_content(_content_type()):
        return problem_answer(unsupported_content(), router)
    _count(OPENMETER, cloud_events(_text(), _content_type()))
    return no_content()


def _count(source: Source, items: Sequence[object]) -> list[ItemOutcome]:
    deps = router.deps
    outcomes = count_items(deps.metering, source, items, deps.clock(), time_left(router.lambda_context))
    found = Counter(outcome.status for outcome in outcomes)
    metrics.add(metrics.USAGE_COUNTED, found["counted"])
    metrics.add(metrics.USAGE_DUPLICATE, found["duplicate"])
    metrics.add(metrics.USAGE_IGNORED, found["ignored"])
    metrics.add(metrics.USAGE_PARKED, found["parked"])
    return outcomes


def _text() -> str:
    return text_body(router, USAGE_BODY_BYTES_MAX)


def _content_type() -> str:
    return router.current_event.headers.get("content-type", "")
