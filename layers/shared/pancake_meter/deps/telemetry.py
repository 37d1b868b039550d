"""Metrics of the functions: CloudWatch embedded metric format, written to the log."""

import warnings
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.spend import RefusalReason
from pancake_meter.domain.quantity import format_quantity


def create_metrics() -> Metrics:
    """Return the metrics of one function. An invocation that counts nothing is normal here and not worth a warning."""
    warnings.filterwarnings("ignore", message="No application metrics to publish")
    return Metrics()


def tell_unprovisioned(customer_id: str, meter: str) -> None:
    """Say that a customer whom no plan covers has a balance now: a line in the log, and a metric with an alarm."""
    Logger(child=True).warning("customer unprovisioned", customer_id=customer_id, meter=meter)
    Metrics().add_metric("CustomerUnprovisioned", MetricUnit.Count, 1)


def tell_refused(
    metric: Literal["HoldRefused", "CheckRefused"], code: RefusalReason, wanted: Decimal, balance: Balance
) -> None:
    """Leave the trace of a refusal: one line in the log, and the metric, in all and by reason.

    The reason is a dimension of its own copy of the metric: added to the function's metrics it would split the others too.
    """
    Logger(child=True).info(
        "refused",
        refused="hold" if metric == "HoldRefused" else "check",
        customer_id=balance.customer_id,
        meter=balance.meter,
        code=code,
        wanted=format_quantity(wanted),
        available=format_quantity(balance.available),
    )
    metrics = Metrics()
    metrics.add_metric(metric, MetricUnit.Count, 1)
    with single_metric(metric, MetricUnit.Count, 1, default_dimensions={"service": str(metrics.service)}) as by_reason:
        by_reason.add_dimension("reason", code)


def gauge_by(metric: str, dimension: str, values: Mapping[str, Decimal]) -> None:
    """Write a gauge for each value, under its own dimension beside the service: a meter or a currency, which are few."""
    service = str(Metrics().service)
    for name, value in values.items():
        with single_metric(metric, MetricUnit.NoUnit, float(value), default_dimensions={"service": service}) as gauge:
            gauge.add_dimension(dimension, name)


def tell_lookup_failed(error: Exception) -> None:
    """Say that Waffo was asked for a customer's orders in vain, and that the sale goes on without: a line and a metric."""
    Logger(child=True).warning("orders not looked up at Waffo", reason=repr(error))
    Metrics().add_metric("OrderLookupFailed", MetricUnit.Count, 1)


def tell_links_unavailable(error: Exception) -> None:
    """Say that an answer had to go without purchase links: a line in the log, and a metric with an alarm."""
    Logger(child=True).warning("purchase links unavailable", reason=repr(error))
    Metrics().add_metric("LinkSecretUnavailable", MetricUnit.Count, 1)
