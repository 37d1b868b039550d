"""Usage in this stack's own format."""

from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.http.request import USAGE_BODY_BYTES_MAX, answer, text_body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.usage.batch import batch_body, batch_status, record_items, usage_events
from pancake_meter.invocation import time_left

router = Router[MeteringDeps]()


@router.post("/v1/usage")
@takes_body
def post_usage() -> Response[str]:
    """Count 1 to 100 events, each on its own. What a 2xx answer calls counted is durable."""
    deps = router.deps
    events = usage_events(text_body(router, USAGE_BODY_BYTES_MAX))
    results = record_items(deps.metering, events, deps.clock(), time_left(router.lambda_context))
    content = batch_body(events, results)
    metrics.add(metrics.USAGE_COUNTED, content["counted"])
    metrics.add(metrics.USAGE_DUPLICATE, content["duplicate"])
    metrics.add(metrics.USAGE_REFUSED, content["refused"])
    return answer(batch_status(results), content)
