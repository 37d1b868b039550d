"""The collaborators of forwarding: an OpenMeter, and the queue of what it refuses."""

from pancake_meter.deps.config import ForwardingSettings
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.openmeter.client import OpenMeterClient
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client
from pancake_meter.value import Value


class ForwardingDeps(Value):
    """OpenMeter, the queue of refused usage and the clock."""

    openmeter: OpenMeterClient
    refused: UsageQueue
    clock: Clock = utc_now


def forwarding_deps() -> ForwardingDeps:
    """Return the collaborators of this stack. The key is read by the first request to OpenMeter, then every five minutes."""
    settings = ForwardingSettings.from_environment()
    openmeter = OpenMeterClient(settings.base_url, Secret(settings.key_secret_id))
    return ForwardingDeps(openmeter, UsageQueue(sqs_client(), settings.refused_queue_url))
