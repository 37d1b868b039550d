"""The stream reader: what follows from a change of the table, off the request path."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.stream import StreamDeps, stream_deps
from pancake_meter.invocation import lambda_handler
from pancake_meter.store.reports.live_totals import Position, write_position
from pancake_meter.store.stream.changes import read_changes
from pancake_meter.usecases.stream.follow import follow_stream

logger = Logger()

PRODUCTION: Final = stream_deps()


@lambda_handler()
def handler(event: dict[str, Any], _: LambdaContext, deps: StreamDeps = PRODUCTION) -> dict[str, Any]:
    """Follow one batch of the stream; answer the record from which the stream has to begin again, if any.

    If it raises, the stream delivers the whole batch again. Both are safe: no change counts twice.
    """
    batch = read_changes(event)
    if batch.earliest is None or batch.latest is None:
        return {"batchItemFailures": []}
    followed = follow_stream(batch, deps.followers, deps.failed)
    for each in followed.set_aside:
        logger.error("change not followed", extra={"sequence": each.record.sequence, "reason": each.reason})
    metrics.add(metrics.CHANGE_NOT_FOLLOWED, len(followed.set_aside))
    if followed.again is not None:
        return {"batchItemFailures": [{"itemIdentifier": followed.again.sequence}]}
    metrics.add(metrics.CHANGE_FOLLOWED, len(batch.changes))
    write_position(deps.table, Position(batch.latest, max(deps.true_time() - batch.earliest, timedelta(0))))
    return {"batchItemFailures": []}
