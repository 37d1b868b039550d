"""Usage recording: every event counted exactly once."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

import parked_routes
import source_routes
from pancake_meter.deps.production import MeteringCollaborators, production_metering
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.http.resolver import USAGE_BODY_BYTES_MAX, answer, create_resolver, text_body, unavailable
from pancake_meter.http.usage.batch import batch_body, batch_status, record_items, usage_events
from pancake_meter.invocation import in_time, time_left

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)
app.include_router(source_routes.router)
app.include_router(parked_routes.router)

PRODUCTION = MeteringCollaborators(production_metering())


@app.post("/v1/usage")
def post_usage() -> Response[str]:
    """Count 1 to 100 events, each judged for itself; a 2xx means that what it calls counted is durable."""
    with_: MeteringCollaborators = app.context["collaborators"]
    events = usage_events(text_body(app, USAGE_BODY_BYTES_MAX))
    results = record_items(with_.metering, events, with_.clock(), time_left(app.context["lambda_context"]))
    content = batch_body(events, results)
    for status in ("counted", "duplicate", "refused"):
        metrics.add_metric(f"Usage{status.capitalize()}", MetricUnit.Count, content[status])
    return answer(batch_status(results), content)


@in_time(logger, metrics, unavailable)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: MeteringCollaborators = PRODUCTION
) -> dict[str, Any]:
    """Answer one API Gateway HTTP API request (payload 2.0)."""
    app.append_context(collaborators=collaborators, metrics=metrics, lambda_context=context)
    return app.resolve(event, context)
