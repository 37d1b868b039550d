"""Metrics of the functions: CloudWatch embedded metric format, written to the log."""

import warnings

from aws_lambda_powertools import Metrics


def create_metrics() -> Metrics:
    """Return the metrics of one function. An invocation that counts nothing is normal here and not worth a warning."""
    warnings.filterwarnings("ignore", message="No application metrics to publish")
    return Metrics()
