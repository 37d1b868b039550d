"""Renewal reset: the scheduled sweep of balances whose period, grants or term have run out."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.production import MeteringCollaborators, production_metering
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.invocation import in_time, time_left
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.reports.measure_backlog import Backlog, measure_backlog

logger = Logger()
metrics = create_metrics()

PRODUCTION = MeteringCollaborators(production_metering())

_RESERVE = timedelta(seconds=5)


@in_time(logger, metrics)
def handler(
    _: dict[str, Any], context: LambdaContext, collaborators: MeteringCollaborators = PRODUCTION
) -> dict[str, int | bool]:
    """Advance what is due, for as long as there is time; the next run goes on where this one stops."""

    def on_failure(customer_id: str, meter: str, error: Exception) -> None:
        logger.error("balance not advanced", customer_id=customer_id, meter=meter, error=repr(error))

    now = collaborators.clock()
    swept = sweep_due(collaborators.metering, now, may_go_on=time_left(context, _RESERVE), on_failure=on_failure)
    metrics.add_metric("BalanceAdvanced", MetricUnit.Count, swept.advanced)
    metrics.add_metric("BalanceNotAdvanced", MetricUnit.Count, swept.failed)
    _gauge(measure_backlog(collaborators.metering.table, now))
    return {"advanced": swept.advanced, "failed": swept.failed, "complete": swept.is_complete}


def _gauge(backlog: Backlog) -> None:
    metrics.add_metric("DeliveriesParkedNow", MetricUnit.Count, backlog.deliveries_parked)
    metrics.add_metric("DeliveriesFailedNow", MetricUnit.Count, backlog.deliveries_failed)
    metrics.add_metric("UsageParkedNow", MetricUnit.Count, backlog.usage_parked)
    metrics.add_metric("ResetLag", MetricUnit.Seconds, backlog.reset_lag.total_seconds())
