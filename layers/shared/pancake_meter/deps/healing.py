"""The collaborators of healing: a LiteLLM proxy's spend log, and the metering that every call goes through."""

import time

from pancake_meter.deps.config import HealingSettings
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, Stopwatch, utc_now
from pancake_meter.litellm.client import LiteLLMClient
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.value import Value


class HealingDeps(Value):
    """Metering, LiteLLM, the clock, and the stopwatch of one run."""

    metering: Metering
    litellm: LiteLLMClient
    clock: Clock = utc_now
    stopwatch: Stopwatch = time.monotonic


def healing_deps() -> HealingDeps:
    """Return the collaborators of this stack. The key is read by the first request to LiteLLM, then every five minutes."""
    settings = HealingSettings.from_environment()
    return HealingDeps(stack_metering(), LiteLLMClient(settings.base_url, Secret(settings.key_secret_id)))
