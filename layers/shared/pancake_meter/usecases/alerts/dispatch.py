"""The follower that gives each alert to the endpoints that take it: a message for each, in the order of the alerts."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.endpoint import Endpoint
from pancake_meter.domain.alerts.sending import Sending, group_of, message_of
from pancake_meter.store.alerts.alert_queue import AlertQueue
from pancake_meter.store.alerts.endpoints import list_endpoints
from pancake_meter.store.alerts.sendings import begin_sending
from pancake_meter.store.errors import StoreError
from pancake_meter.store.stream.changes import AlertRung, Change
from pancake_meter.store.table import Table
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import Value


class Dispatch(Value):
    """The endpoints of a table, and the queue of what is sent to them."""

    table: Table
    queue: AlertQueue
    clock: Callable[[], datetime]

    def follow(self, changes: Sequence[Change]) -> Sequence[NotFollowed]:
        """Queue the alerts that have rung; return those that could not be queued.

        After passing trouble none is queued any more: a later alert must not overtake an earlier one.
        """
        rung = [change for change in changes if isinstance(change, AlertRung)]
        missed: list[NotFollowed] = []
        endpoints: list[Endpoint] | None = None
        for change in rung:
            try:
                endpoints = list_endpoints(self.table) if endpoints is None else endpoints
                self._queue(change.alert, endpoints)
            except StoreError as trouble:
                return [*missed, NotFollowed(change.record, trouble)]
            except Exception as trouble:  # noqa: BLE001 - it is set aside, and the shard goes on
                missed.append(NotFollowed(change.record, trouble))
        return missed

    def _queue(self, alert: Alert, endpoints: Sequence[Endpoint]) -> None:
        for endpoint in endpoints:
            if endpoint.is_enabled and endpoint.takes(alert):
                sending = begin_sending(self.table, Sending(alert.id, endpoint.id, "pending", self.clock()))
                # The stream repeats itself. What was begun may not have been queued; what was tried has been.
                if sending.status == "pending" and sending.attempts == 0:
                    group = group_of(alert, endpoint.id)
                    self.queue.send(message_of(sending), group, sending.deduplication_id)
