"""Renewal reset: the scheduled sweep of balances whose period, grants or term have ended, and of what ends soon."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.reset import ResetDeps, reset_deps
from pancake_meter.domain.alerts.reminder import Reminder
from pancake_meter.invocation import lambda_handler, time_left
from pancake_meter.usecases.alerts.remind import remind
from pancake_meter.usecases.balance.sweep_due import sweep_due
from pancake_meter.usecases.reports.measure_backlog import Backlog, measure_backlog

logger = Logger()

PRODUCTION: Final = reset_deps()

_RESERVE: Final = timedelta(seconds=5)


@lambda_handler()
def handler(_: dict[str, Any], context: LambdaContext, deps: ResetDeps = PRODUCTION) -> dict[str, int | bool]:
    """Advance the balances that are due while there is time; the next run continues where this one stops."""

    def on_failure(customer_id: str, meter: str, error: Exception) -> None:
        logger.error("balance not advanced", customer_id=customer_id, meter=meter, error=repr(error))

    def on_silence(reminder: Reminder, error: Exception) -> None:
        logger.error("reminder did not ring", customer_id=reminder.customer_id, kind=reminder.kind, error=repr(error))

    now, may_go_on = deps.clock(), time_left(context, _RESERVE)
    swept = sweep_due(deps.metering, now, may_go_on=may_go_on, on_failure=on_failure)
    reminded = remind(deps.bell, may_go_on=may_go_on, on_failure=on_silence)
    metrics.add(metrics.REMINDER_RANG, reminded.rang)
    metrics.add(metrics.REMINDER_FAILED, reminded.failed)
    metrics.add(metrics.BALANCE_ADVANCED, swept.advanced)
    metrics.add(metrics.BALANCE_NOT_ADVANCED, swept.failed)
    _gauge(measure_backlog(deps.metering.table, now))
    return {"advanced": swept.advanced, "failed": swept.failed, "complete": swept.is_complete}


def _gauge(backlog: Backlog) -> None:
    metrics.add(metrics.DELIVERIES_PARKED_NOW, backlog.deliveries_parked)
    metrics.add(metrics.DELIVERIES_FAILED_NOW, backlog.deliveries_failed)
    metrics.add(metrics.USAGE_PARKED_NOW, backlog.usage_parked)
    metrics.add(metrics.RESET_LAG, backlog.reset_lag.total_seconds())
