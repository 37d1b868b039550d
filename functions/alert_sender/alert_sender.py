"""The sender of alerts: one message of the queue is one alert for one endpoint."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.alert_sending import AlertSendingDeps, alert_sending_deps
from pancake_meter.invocation import lambda_handler
from pancake_meter.store.alerts.alert_queue import read_message
from pancake_meter.usecases.alerts.send import Later, send_alert

logger = Logger()

PRODUCTION: Final = alert_sending_deps()


class NotYet(Exception):
    """The message stays on the queue, and comes again when its time has come."""


def send_message(record: SQSRecord, deps: AlertSendingDeps) -> None:
    """Send the alert of one message. One that is not taken, or whose time has not come, stays on the queue."""
    alert_id, endpoint_id = read_message(record.body)
    outcome = send_alert(deps.sender, alert_id, endpoint_id, deps.clock())
    about = {"alert_id": alert_id, "endpoint_id": endpoint_id}
    if isinstance(outcome, Later):
        logger.info("alert waits", extra={**about, "seconds": round(outcome.wait.total_seconds())})
        metrics.add(metrics.ALERT_DELAYED)
        deps.queue.hide(record.receipt_handle, outcome.wait)
        raise NotYet
    sending = outcome.sending
    if sending is not None and sending.status == "failed":
        logger.warning("alert not sent", extra={**about, "reason": sending.reason, "http_status": sending.http_status})
        metrics.add(metrics.ALERT_NOT_SENT)
    else:
        metrics.add(metrics.ALERT_SENT)


@lambda_handler()
def handler(
    event: dict[str, Any], context: LambdaContext, deps: AlertSendingDeps = PRODUCTION
) -> PartialItemFailureResponse:
    """Send the alerts of one SQS event; return the ids of the messages that stay. One that stays holds up its group."""
    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # An endpoint that takes nothing is no error of ours.
    processor.raise_on_entire_batch_failure = False
    return process_partial_response(
        event=event, record_handler=partial(send_message, deps=deps), processor=processor, context=context
    )
