"""What reconciliation works with: Waffo's API, and the intake that every event goes through."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from aws_lambda_powertools import Logger

from pancake_meter.deps.config import WaffoApiSettings
from pancake_meter.deps.production import Clock, production_metering, utc_now
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.waffo_key import RotatingSigner
from pancake_meter.usecases.reconciliation.run import Reconciling
from pancake_meter.waffo.client import WaffoClient


@dataclass(frozen=True, slots=True)
class ReconciliationCollaborators:
    """Collaborators, with production defaults in ``production_collaborators``. ``stopwatch`` returns seconds."""

    reconciling: Reconciling
    clock: Clock = utc_now
    stopwatch: Callable[[], float] = time.monotonic


@cache
def production_collaborators(logger: Logger) -> ReconciliationCollaborators:
    """Return those of this stack, made at the first run. The private key is read when something is asked of Waffo."""
    settings = WaffoApiSettings.from_environment()
    signer = RotatingSigner(settings.merchant_id, Secret(settings.private_key_secret_id))
    waffo = WaffoClient(signer, api_url=settings.api_url, log=logger)
    reconciling = Reconciling(production_metering(), settings.environment, settings.store_id, waffo)
    return ReconciliationCollaborators(reconciling)
