"""The collaborators of the webhook intake: what a delivery is checked against and applied to."""

from datetime import UTC, datetime

from pancake_meter.deps.config import WebhookSettings
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.stack import Clock, utc_now
from pancake_meter.usecases.webhooks.take import Intake
from pancake_meter.value import Value
from pancake_meter.waffo.keys import webhook_public_keys


class IntakeDeps(Value):
    """The intake and its clocks. ``wall`` tells how old a signature is; ``None`` means that ``clock`` does."""

    intake: Intake
    clock: Clock = utc_now
    wall: Clock | None = None


def intake_deps() -> IntakeDeps:
    """Return the collaborators of this stack. Without its store, its mode or a usable key the function does not start."""
    settings = WebhookSettings.from_environment()
    keys = webhook_public_keys(settings.environment, settings.public_keys)
    intake = Intake(stack_metering(), settings.environment, settings.store_id, keys)
    # Waffo signs by the real time, also where the functions' own clock is moved.
    return IntakeDeps(intake, wall=lambda: datetime.now(UTC))
