"""Reconciliation: finds what no webhook told us in Waffo's GraphQL, on a schedule and on demand."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.telemetry import create_metrics, gauge_by
from pancake_meter.domain.errors import ReportTooLarge
from pancake_meter.http.reconciliation.reconciliation import ReportBody, report_body
from pancake_meter.http.resolver import answer, create_resolver, unavailable
from pancake_meter.invocation import in_time, time_left
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.reconciliation.reconcile import Report, reconcile
from pancake_meter.usecases.reports.measure_month import measure_month
from reconciliation_collaborators import ReconciliationCollaborators, production_collaborators

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)

_RESERVE: Final = timedelta(seconds=30)
"""A call of Waffo that is repeated to the last takes this long: nothing new is begun with less time left."""

_ON_DEMAND: Final = timedelta(seconds=8)
"""How long a run goes on for a caller that waits: API Gateway hangs up after 30 seconds, and a call may take 20."""


@app.post("/v1/reconciliations")
def post_reconciliation() -> Response[str]:
    """Reconcile now, for some seconds; answer what was found."""
    return answer(HTTPStatus.OK, _reconcile(app.context["collaborators"], app.context["lambda_context"], _ON_DEMAND))


def _unavailable(event: dict[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Answer a caller; a run of the schedule fails, and its alarm rings."""
    if "requestContext" not in event:
        raise trouble
    return unavailable(event, context, trouble)


@in_time(logger, metrics, _unavailable)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: ReconciliationCollaborators | None = None
) -> dict[str, Any]:
    """Answer an API Gateway HTTP API request (payload 2.0), or run for the schedule."""
    collaborators = collaborators or production_collaborators(logger)
    if "requestContext" not in event:
        report = _reconcile(collaborators, context, None)
        _gauge_month(collaborators)
        return dict(report)
    app.append_context(collaborators=collaborators, lambda_context=context)
    return app.resolve(event, context)


def _reconcile(
    collaborators: ReconciliationCollaborators, context: LambdaContext, longest: timedelta | None
) -> ReportBody:
    started, has_time = collaborators.stopwatch(), time_left(context, _RESERVE)

    def may_go_on() -> bool:
        return has_time() and (longest is None or collaborators.stopwatch() - started < longest.total_seconds())

    def on_failure(name: str, reference: str, error: Exception) -> None:
        logger.error("not reconciled", extra={"pass": name, "reference": reference, "error": repr(error)})

    now = collaborators.clock()
    report = reconcile(collaborators.reconciling, now, may_go_on=may_go_on, on_failure=on_failure)
    _count(report)
    return report_body(report)


def _gauge_month(collaborators: ReconciliationCollaborators) -> None:
    """Gauge the month so far for the dashboard. Figures that cannot be had now are left out: the next run has them."""
    try:
        month = measure_month(collaborators.reconciling.metering, collaborators.clock())
    except (ReportTooLarge, StoreError) as trouble:
        logger.warning("month not gauged", extra={"reason": repr(trouble)})
        return
    gauge_by("ReceivedThisMonth", "currency", month.received)
    gauge_by("UnitsThisMonth", "meter", {meter: usage.used for meter, usage in month.usage.items()})
    gauge_by("OverageThisMonth", "meter", {meter: usage.overage for meter, usage in month.usage.items()})


def _count(report: Report) -> None:
    metrics.add_metric("ReconciliationHealed", MetricUnit.Count, report.healed)
    metrics.add_metric("ReconciliationFailed", MetricUnit.Count, report.failed)
    metrics.add_metric("DeliveryParked", MetricUnit.Count, report.parked)
    metrics.add_metric("PaymentFlagged", MetricUnit.Count, report.flagged)
    for found in report.bought_twice:
        if found.is_new:
            extra = {"customer_id": found.customer_id, "order_ids": list(found.order_ids)}
            logger.warning("subscription bought twice", extra=extra)
    logger.info("reconciled", extra={"healed": report.healed, "failed": report.failed, "left": report.left})
