"""The collaborators of accepting bulk usage: the catalog, and the queue that usage waits in."""

from pancake_meter.deps.config import BulkSettings
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value


class BulkDeps(Value):
    """Metering, of which only the catalog is used, the queue and the clock."""

    metering: Metering
    queue: UsageQueue
    clock: Clock = utc_now


def bulk_deps() -> BulkDeps:
    """Return the collaborators of this stack."""
    return BulkDeps(stack_metering(), UsageQueue(sqs_client(), BulkSettings.from_environment().queue_url))
