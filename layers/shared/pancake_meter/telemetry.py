"""Metrics of the functions: CloudWatch embedded metric format, written to the log."""

import warnings

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit


def create_metrics() -> Metrics:
    """Return the metrics of one function. An invocation that counts nothing is normal here and not worth a warning."""
    warnings.filterwarnings("ignore", message="No application metrics to publish")
    return Metrics()


def tell_unprovisioned(customer_id: str, meter: str) -> None:
    """Say that a customer whom no plan covers has a balance now: a line in the log, and a metric with an alarm."""
    Logger(child=True).warning("customer unprovisioned", customer_id=customer_id, meter=meter)
    Metrics().add_metric("CustomerUnprovisioned", MetricUnit.Count, 1)


def tell_links_unavailable(error: Exception) -> None:
    """Say that an answer had to go without purchase links: a line in the log, and a metric with an alarm."""
    Logger(child=True).warning("purchase links unavailable", reason=repr(error))
    Metrics().add_metric("LinkSecretUnavailable", MetricUnit.Count, 1)
