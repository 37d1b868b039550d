"""What forwarding works with: an OpenMeter, and the queue of what it will not take."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pancake_meter.deps.config import ForwardingSettings
from pancake_meter.deps.secret import Secret
from pancake_meter.openmeter.client import OpenMeterClient
from pancake_meter.store.usage.usage_queue import UsageQueue, sqs_client


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ForwardingCollaborators:
    """Collaborators, with production defaults in ``production_collaborators``."""

    openmeter: OpenMeterClient
    refused: UsageQueue
    clock: Callable[[], datetime] = _utc_now


def production_collaborators() -> ForwardingCollaborators:
    """Return those of this stack; the key is read when there is something to send, and again every five minutes."""
    settings = ForwardingSettings.from_environment()
    openmeter = OpenMeterClient(settings.base_url, Secret(settings.key_secret_id))
    return ForwardingCollaborators(openmeter, UsageQueue(sqs_client(), settings.refused_queue_url))
