"""The collaborators of the sender of alerts."""

from pancake_meter.deps.config import alert_failed_queue_url, alert_queue_url, alert_secret_id, is_local_stack
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, stack_table, true_time, utc_now
from pancake_meter.standard_webhooks.client import WebhookClient
from pancake_meter.store.alerts.alert_queue import AlertQueue
from pancake_meter.store.usage.usage_queue import sqs_client
from pancake_meter.usecases.alerts.send import Sender
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.value import Value


class AlertSendingDeps(Value):
    """The sender, the queue that its messages come from, and the clock."""

    sender: Sender
    queue: AlertQueue
    clock: Clock = utc_now


def alert_sending_deps() -> AlertSendingDeps:
    """Return the collaborators of this stack."""
    client = sqs_client()
    sender = Sender(
        stack_table(),
        SigningKeys(Secret(alert_secret_id())),
        WebhookClient(),
        AlertQueue(client, alert_failed_queue_url()),
        true_time,
        is_local_stack(),
    )
    return AlertSendingDeps(sender, AlertQueue(client, alert_queue_url()))
