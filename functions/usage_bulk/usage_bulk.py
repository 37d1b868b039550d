"""Bulk usage, the front: checks events and puts them on the queue."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.deps.bulk import BulkDeps, bulk_deps
from pancake_meter.http.request import USAGE_BODY_BYTES_MAX, answer, text_body
from pancake_meter.http.resolver import Router, http_handler, takes_body
from pancake_meter.http.usage.bulk import read_bulk
from pancake_meter.usecases.usage.bulk import bulk_messages

router = Router[BulkDeps]()


@router.post("/v1/usage/bulk")
@takes_body
def post_bulk() -> Response[str]:
    """Accept any number of events within 4.5 MB: 202 once all that are well-formed are durable in the queue."""
    deps = router.deps
    content_type = router.current_event.headers.get("content-type", "")
    read = read_bulk(deps.metering, text_body(router, USAGE_BODY_BYTES_MAX), content_type, deps.clock())
    deps.queue.send(bulk_messages(read.lines))
    content = read.body
    metrics.add(metrics.USAGE_ACCEPTED, content["accepted"])
    metrics.add(metrics.USAGE_REFUSED, content["refused"])
    return answer(read.status, content)


handler = http_handler(bulk_deps(), router)
