"""The collaborators of the stream reader: those who follow the changes, and the queue of what nobody could follow."""

from collections.abc import Sequence
from dataclasses import dataclass

from pancake_meter.deps.config import stream_failed_queue_url
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.deps.stack import Clock, stack_table, utc_now
from pancake_meter.store.table import Table
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.followers import followers_of


@dataclass(frozen=True, slots=True)
class StreamDeps:
    """The table, its followers, the queue, and the clock."""

    table: Table
    followers: Sequence[Follower]
    failed: UsageQueue
    clock: Clock = utc_now


def stream_deps() -> StreamDeps:
    """Return the collaborators of this stack. The key of pseudonyms is read with the first new customer."""
    table = stack_table()
    failed = UsageQueue(sqs_client(), stream_failed_queue_url())
    return StreamDeps(table, followers_of(table, stack_erasures()), failed)
