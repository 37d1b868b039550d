"""What healing works with: a LiteLLM proxy's own records, and the metering that every call goes through."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pancake_meter.deps.config import HealingSettings
from pancake_meter.deps.production import Clock, production_metering, utc_now
from pancake_meter.deps.secret import Secret
from pancake_meter.litellm.client import LiteLLMClient
from pancake_meter.usecases.balance.metering import Metering


@dataclass(frozen=True, slots=True)
class HealingCollaborators:
    """Collaborators, with production defaults in ``production_collaborators``. ``stopwatch`` returns seconds."""

    metering: Metering
    litellm: LiteLLMClient
    clock: Clock = utc_now
    stopwatch: Callable[[], float] = time.monotonic


@cache
def production_collaborators() -> HealingCollaborators:
    """Return those of this stack, made at the first run; the key is read again every five minutes."""
    settings = HealingSettings.from_environment()
    return HealingCollaborators(production_metering(), LiteLLMClient(settings.base_url, Secret(settings.key_secret_id)))
