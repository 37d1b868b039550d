"""The collaborators of reconciliation: Waffo's API, and the metering that every event goes through."""

import time
from datetime import timedelta

from pancake_meter.deps.config import WaffoApiSettings, body_retention
from pancake_meter.deps.metering import stack_metering
from pancake_meter.deps.stack import Clock, Stopwatch, utc_now
from pancake_meter.deps.waffo import waffo_client
from pancake_meter.usecases.reconciliation.run import Reconciling
from pancake_meter.value import Value


class ReconciliationDeps(Value):
    """The two sides of reconciliation, how long bodies are kept, the clock, and the stopwatch of one run."""

    reconciling: Reconciling
    body_retention: timedelta
    clock: Clock = utc_now
    stopwatch: Stopwatch = time.monotonic


def reconciliation_deps() -> ReconciliationDeps:
    """Return the collaborators of this stack. The private key is read by the first request to Waffo."""
    settings = WaffoApiSettings.from_environment()
    return ReconciliationDeps(
        Reconciling(stack_metering(), settings.environment, settings.store_id, waffo_client(settings)),
        body_retention(),
    )
