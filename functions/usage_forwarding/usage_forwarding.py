"""Usage forwarding: tells an OpenMeter of every usage event, out of the table's stream. Only there when it is asked for."""

from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from forwarding_collaborators import ForwardingCollaborators, production_collaborators
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.invocation import in_time
from pancake_meter.store.usage.usage_stream import read_usage
from pancake_meter.usecases.usage.forward import forward_usage

logger = Logger()
metrics = create_metrics()

PRODUCTION: Final = production_collaborators()


@in_time(logger, metrics)
def handler(event: dict[str, Any], _: LambdaContext, collaborators: ForwardingCollaborators = PRODUCTION) -> None:
    """Forward the usage of one batch of the stream. What it raises brings the whole batch back, under the same ids."""
    usage = read_usage(event)
    if not usage:
        return
    done = forward_usage(collaborators.openmeter, collaborators.refused, usage, collaborators.clock())
    metrics.add_metric("UsageForwarded", MetricUnit.Count, done.forwarded)
    metrics.add_metric("UsageNotForwarded", MetricUnit.Count, done.set_aside)
