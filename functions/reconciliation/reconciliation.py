"""Reconciliation: finds in Waffo's GraphQL what no webhook delivered, on a schedule and on demand.

After it, bodies of webhooks that have reached their age are removed.
"""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.reconciliation import ReconciliationDeps, reconciliation_deps
from pancake_meter.domain.errors import ReportTooLarge
from pancake_meter.http.reconciliation.reconciliation import ReconcileQuery, ReportBody, report_body
from pancake_meter.http.request import answer
from pancake_meter.http.resolver import Router, http_handler
from pancake_meter.invocation import time_left
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.reconciliation.reconcile import Report, reconcile, rehearsed
from pancake_meter.usecases.reports.measure_month import measure_month
from pancake_meter.usecases.webhooks.age_bodies import remove_aged_bodies

logger = Logger()
router = Router[ReconciliationDeps]()

_RESERVE: Final = timedelta(seconds=30)
"""A call of Waffo with all its repeats takes this long: nothing new is begun with less time left."""

_ON_DEMAND: Final = timedelta(seconds=8)
"""How long a run goes on for a caller that waits: API Gateway hangs up after 30 seconds, and a call may take 20."""


@router.post("/v1/reconciliations")
def post_reconciliation(query: ReconcileQuery) -> Response[str]:
    """Reconcile now, for some seconds, and answer the report; or say what that would do."""
    run = _rehearse if query.dry_run == "true" else _reconcile
    return answer(HTTPStatus.OK, run(router.deps, router.lambda_context, _ON_DEMAND))


def _run(deps: ReconciliationDeps, context: LambdaContext) -> dict[str, Any]:
    report = _reconcile(deps, context, None)
    _gauge_month(deps)
    return dict(report)


def _reconcile(deps: ReconciliationDeps, context: LambdaContext, longest: timedelta | None) -> ReportBody:
    may_go_on, now = _time(deps, context, longest), deps.clock()
    report = reconcile(deps.reconciling, now, may_go_on=may_go_on, on_failure=_on_failure)
    _count(report)
    table = deps.reconciling.metering.table
    removed = remove_aged_bodies(table, now - deps.body_retention, now, may_go_on=may_go_on)
    return report_body(report, removed)


def _rehearse(deps: ReconciliationDeps, context: LambdaContext, longest: timedelta) -> ReportBody:
    reconciling, may_go_on = rehearsed(deps.reconciling), _time(deps, context, longest)
    report = reconcile(reconciling, deps.clock(), may_go_on=may_go_on, on_failure=_on_failure)
    return report_body(report, 0, is_dry=True)


def _time(deps: ReconciliationDeps, context: LambdaContext, longest: timedelta | None) -> Callable[[], bool]:
    started, has_time = deps.stopwatch(), time_left(context, _RESERVE)
    return lambda: has_time() and (longest is None or deps.stopwatch() - started < longest.total_seconds())


def _on_failure(name: str, reference: str, error: Exception) -> None:
    logger.error("not reconciled", extra={"pass": name, "reference": reference, "error": repr(error)})


def _gauge_month(deps: ReconciliationDeps) -> None:
    """Gauge the month so far for the dashboard. Figures that cannot be read now are left out; the next run has them."""
    try:
        month = measure_month(deps.reconciling.metering, deps.clock())
    except (ReportTooLarge, StoreError) as trouble:
        logger.warning("month not gauged", extra={"reason": repr(trouble)})
        return
    metrics.add_by(metrics.RECEIVED_THIS_MONTH, month.received)
    metrics.add_by(metrics.UNITS_THIS_MONTH, {meter: usage.used for meter, usage in month.usage.items()})
    metrics.add_by(metrics.OVERAGE_THIS_MONTH, {meter: usage.overage for meter, usage in month.usage.items()})


def _count(report: Report) -> None:
    metrics.add(metrics.RECONCILIATION_HEALED, report.healed)
    metrics.add(metrics.RECONCILIATION_FAILED, report.failed)
    metrics.add(metrics.DELIVERY_PARKED, report.parked)
    metrics.add(metrics.PAYMENT_FLAGGED, report.flagged)
    for found in report.bought_twice:
        if found.is_new:
            extra = {"customer_id": found.customer_id, "order_ids": list(found.order_ids)}
            logger.warning("subscription bought twice", extra=extra)
    logger.info("reconciled", extra={"healed": report.healed, "failed": report.failed, "left": report.left})


handler = http_handler(reconciliation_deps(), router, on_schedule=_run)
