"""The collaborators of what manages alerts and their endpoints."""

from pancake_meter.deps.config import alert_queue_url, alert_secret_id, is_local_stack
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, stack_table, utc_now
from pancake_meter.store.alerts.alert_queue import AlertQueue
from pancake_meter.store.table import Table
from pancake_meter.store.usage.usage_queue import sqs_client
from pancake_meter.usecases.alerts.endpoints import Addresses, Endpoints
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.value import Value


class AlertsDeps(Value):
    """The endpoints of the table, the queue of alerts to send, and the clock."""

    endpoints: Endpoints
    queue: AlertQueue
    clock: Clock = utc_now

    @property
    def table(self) -> Table:
        """The table."""
        return self.endpoints.table


def alerts_deps() -> AlertsDeps:
    """Return the collaborators of this stack. The key of secrets is read when the first secret is made."""
    keys = SigningKeys(Secret(alert_secret_id()))
    endpoints = Endpoints(stack_table(), keys, Addresses(is_local_stack()))
    return AlertsDeps(endpoints, AlertQueue(sqs_client(), alert_queue_url()))
