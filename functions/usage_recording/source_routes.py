"""Usage in the formats that LiteLLM and OpenMeter clients already send."""

from collections.abc import Sequence
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.metrics import MetricUnit

from pancake_meter.deps.production import MeteringCollaborators
from pancake_meter.http.resolver import USAGE_BODY_BYTES_MAX, answer, request_id, text_body
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

router = APIGatewayHttpRouter()


@router.post("/v1/usage/litellm")
def post_litellm() -> Response[str]:
    """Count what LiteLLM's generic_api callback sends. One bad item is parked; LiteLLM would lose all of a 4xx.

    What there is no time for comes again after the 503, and meets what is counted as duplicates.
    """
    outcomes = _count(LITELLM, bounded_items(_text(), _content_type()))
    return answer(HTTPStatus.OK, intake_body(outcomes))


@router.post("/api/v1/events")
def post_events() -> Response[str]:
    """Count CloudEvents as OpenMeter does: 204 once all of them are durable, counted or parked with a reason."""
    if not is_event_content(_content_type()):
        return unsupported_content().response(request_id(router))
    _count(OPENMETER, cloud_events(_text(), _content_type()))
    return no_content()


def _count(source: Source, items: Sequence[object]) -> list[ItemOutcome]:
    with_: MeteringCollaborators = router.context["collaborators"]
    may_go_on = time_left(router.context["lambda_context"])
    outcomes = count_items(with_.metering, source, items, with_.clock(), may_go_on)
    for status in ("counted", "duplicate", "ignored", "parked"):
        count = sum(outcome.status == status for outcome in outcomes)
        router.context["metrics"].add_metric(f"Usage{status.capitalize()}", MetricUnit.Count, count)
    return outcomes


def _text() -> str:
    return text_body(router, USAGE_BODY_BYTES_MAX)


def _content_type() -> str:
    return router.current_event.headers.get("content-type", "")
