"""Bulk usage, the back: counts what the queue carries, up to 99 events of a balance in one transaction."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.production import MeteringCollaborators, production_metering
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.invocation import in_time, time_left
from pancake_meter.usecases.usage.bulk import BULK, message_items
from pancake_meter.usecases.usage.count_usage import count_items

logger = Logger()
metrics = create_metrics()

PRODUCTION: Final = MeteringCollaborators(production_metering())


def count_message(record: SQSRecord, with_: MeteringCollaborators, may_go_on: Callable[[], bool]) -> None:
    """Count the events of one message. What cannot be counted is parked; passing trouble brings the message back, as does
    a lack of time. A message that was delivered before may be counted in part: it is read before it is written.
    """
    items = message_items(record.body)
    is_retry = int(record.attributes.approximate_receive_count) > 1
    outcomes = count_items(with_.metering, BULK, items, with_.clock(), may_go_on, is_retry=is_retry)
    for status in ("counted", "duplicate", "parked"):
        count = sum(outcome.status == status for outcome in outcomes)
        metrics.add_metric(f"Usage{status.capitalize()}", MetricUnit.Count, count)


@in_time(logger, metrics)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: MeteringCollaborators = PRODUCTION
) -> PartialItemFailureResponse:
    """Count the messages of one SQS event; say which of them have to come back."""
    # All of a batch failing is no error of ours: the queue brings each message back, and in the end sets it aside.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    count = partial(count_message, with_=collaborators, may_go_on=time_left(context))
    return process_partial_response(event=event, record_handler=count, processor=processor, context=context)
