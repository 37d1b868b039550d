"""Bulk usage, the back: counts what the queue carries, up to 99 events of a balance in one transaction."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.metering import MeteringDeps, metering_deps
from pancake_meter.invocation import lambda_handler, time_left
from pancake_meter.usecases.usage.bulk import BULK, message_items
from pancake_meter.usecases.usage.count_usage import count_items

PRODUCTION: Final = metering_deps()


def count_message(record: SQSRecord, deps: MeteringDeps, may_go_on: Callable[[], bool]) -> None:
    """Count the events of one message. An event that cannot be counted is parked.

    After passing trouble or a lack of time the queue delivers the message again. Some of its events may be counted already,
    so a message that was delivered before is read before it is written.
    """
    items = message_items(record.body)
    is_retry = int(record.attributes.approximate_receive_count) > 1
    outcomes = count_items(deps.metering, BULK, items, deps.clock(), may_go_on, is_retry=is_retry)
    found = Counter(outcome.status for outcome in outcomes)
    metrics.add(metrics.USAGE_COUNTED, found["counted"])
    metrics.add(metrics.USAGE_DUPLICATE, found["duplicate"])
    metrics.add(metrics.USAGE_PARKED, found["parked"])


@lambda_handler()
def handler(
    event: dict[str, Any], context: LambdaContext, deps: MeteringDeps = PRODUCTION
) -> PartialItemFailureResponse:
    """Count the messages of one SQS event; return the ids of those that have to be delivered again."""
    # A batch of which every message fails is no error of ours: the queue delivers each again, and in the end sets it aside.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    count = partial(count_message, deps=deps, may_go_on=time_left(context))
    return process_partial_response(event=event, record_handler=count, processor=processor, context=context)
