"""Bulk usage, the front: checks events and puts them on the queue."""

from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.config import BulkSettings
from pancake_meter.deps.production import Clock, production_metering, utc_now
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.http.resolver import USAGE_BODY_BYTES_MAX, answer, create_resolver, text_body, unavailable
from pancake_meter.http.usage.bulk import read_bulk
from pancake_meter.invocation import in_time
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.usage.bulk import bulk_messages

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the handler works with; of the metering, only the catalog."""

    metering: Metering
    queue: UsageQueue
    clock: Clock = utc_now


PRODUCTION: Final = Collaborators(
    production_metering(), UsageQueue(sqs_client(), BulkSettings.from_environment().queue_url)
)


@app.post("/v1/usage/bulk")
def post_bulk() -> Response[str]:
    """Accept any number of events within 4.5 MB: 202 once all that are well-formed are durable in the queue."""
    with_: Collaborators = app.context["collaborators"]
    content_type = app.current_event.headers.get("content-type", "")
    read = read_bulk(with_.metering, text_body(app, USAGE_BODY_BYTES_MAX), content_type, with_.clock())
    with_.queue.send(bulk_messages(read.lines))
    content = read.body
    metrics.add_metric("UsageAccepted", MetricUnit.Count, content["accepted"])
    metrics.add_metric("UsageRefused", MetricUnit.Count, content["refused"])
    return answer(read.status, content)


@in_time(logger, metrics, unavailable)
def handler(event: dict[str, Any], context: LambdaContext, collaborators: Collaborators = PRODUCTION) -> dict[str, Any]:
    """Answer one API Gateway HTTP API request (payload 2.0)."""
    app.append_context(collaborators=collaborators)
    return app.resolve(event, context)
