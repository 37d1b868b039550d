"""Renewal reset: the scheduled sweep of balances whose period, grants or term have ended."""

from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.metering import MeteringDeps, metering_deps
from pancake_meter.invocation import lambda_handler, time_left
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.reports.measure_backlog import Backlog, measure_backlog

logger = Logger()

PRODUCTION: Final = metering_deps()

_RESERVE: Final = timedelta(seconds=5)


@lambda_handler()
def handler(_: dict[str, Any], context: LambdaContext, deps: MeteringDeps = PRODUCTION) -> dict[str, int | bool]:
    """Advance the balances that are due while there is time; the next run continues where this one stops."""

    def on_failure(customer_id: str, meter: str, error: Exception) -> None:
        logger.error("balance not advanced", customer_id=customer_id, meter=meter, error=repr(error))

    now = deps.clock()
    swept = sweep_due(deps.metering, now, may_go_on=time_left(context, _RESERVE), on_failure=on_failure)
    metrics.add(metrics.BALANCE_ADVANCED, swept.advanced)
    metrics.add(metrics.BALANCE_NOT_ADVANCED, swept.failed)
    _gauge(measure_backlog(deps.metering.table, now))
    return {"advanced": swept.advanced, "failed": swept.failed, "complete": swept.is_complete}


def _gauge(backlog: Backlog) -> None:
    metrics.add(metrics.DELIVERIES_PARKED_NOW, backlog.deliveries_parked)
    metrics.add(metrics.DELIVERIES_FAILED_NOW, backlog.deliveries_failed)
    metrics.add(metrics.USAGE_PARKED_NOW, backlog.usage_parked)
    metrics.add(metrics.RESET_LAG, backlog.reset_lag.total_seconds())
