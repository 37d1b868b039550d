"""The follower that puts alerts on the bus."""

from collections.abc import Sequence

from pancake_meter.store.alerts.bus import AlertBus
from pancake_meter.store.stream.changes import AlertRung, Change
from pancake_meter.usecases.stream.follow import NotFollowed
from pancake_meter.value import Value


class Broadcast(Value):
    """Puts each alert that rang on a bus. Where the stream repeats itself, an event comes again with the same id."""

    bus: AlertBus

    def follow(self, changes: Sequence[Change]) -> Sequence[NotFollowed]:
        """Put the alerts of a batch on the bus; return the changes that could not be followed."""
        rung = [change for change in changes if isinstance(change, AlertRung)]
        try:
            self.bus.put([change.alert for change in rung])
        except Exception as trouble:  # noqa: BLE001 - the caller tells passing trouble from other
            return [NotFollowed(change.record, trouble) for change in rung]
        return []
