"""The collaborators of the stream reader: those who follow the changes, and the queue of what nobody could follow."""

from collections.abc import Sequence

from pancake_meter.deps.alerts import stack_bell
from pancake_meter.deps.config import alert_bus_name, alert_queue_url, stream_failed_queue_url
from pancake_meter.deps.stack import Clock, true_time
from pancake_meter.store.alerts.alert_queue import AlertQueue
from pancake_meter.store.alerts.bus import AlertBus, events_client
from pancake_meter.store.table import Table
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client
from pancake_meter.usecases.alerts.broadcast import Broadcast
from pancake_meter.usecases.alerts.dispatch import Dispatch
from pancake_meter.usecases.alerts.ring import Ringer
from pancake_meter.usecases.alerts.ringing import Bell
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.usecases.stream.keepers import keepers_of
from pancake_meter.value import Value


class StreamDeps(Value):
    """The table, its followers, the queue, and the machine's own clock: the stream's times are none of a moved one's."""

    table: Table
    followers: Sequence[Follower]
    failed: UsageQueue
    true_time: Clock = true_time


def followers_of(bell: Bell, bus: AlertBus | None = None, queue: AlertQueue | None = None) -> tuple[Follower, ...]:
    """Return everybody who follows the changes of the bell's table, in the order in which they get them."""
    broadcast = (Broadcast(bus).follow,) if bus is not None else ()
    dispatch = (Dispatch(bell.table, queue, bell.clock).follow,) if queue is not None else ()
    keepers = keepers_of(bell.table, bell.erasures, bell.offers.catalog.default_plan_key)
    return (*keepers, Ringer(bell).follow, *dispatch, *broadcast)


def stream_deps() -> StreamDeps:
    """Return the collaborators of this stack. The key of pseudonyms is read with the first new customer."""
    bell, bus = stack_bell(), alert_bus_name()
    client = sqs_client()
    followers = followers_of(
        bell, AlertBus(events_client(), bus) if bus else None, AlertQueue(client, alert_queue_url())
    )
    return StreamDeps(bell.table, followers, UsageQueue(client, stream_failed_queue_url()))
