"""Usage forwarding: sends every usage event of the table's stream to an OpenMeter. A stack has it when it is asked for."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.forwarding import ForwardingDeps, forwarding_deps
from pancake_meter.invocation import lambda_handler
from pancake_meter.store.usage.usage_stream import read_usage
from pancake_meter.usecases.usage.forward import forward_usage

PRODUCTION: Final = forwarding_deps()


@lambda_handler()
def handler(event: dict[str, Any], _: LambdaContext, deps: ForwardingDeps = PRODUCTION) -> None:
    """Forward the usage of one batch of the stream.

    If it raises, the stream delivers the whole batch again; the event ids do not change.
    """
    usage = read_usage(event)
    if not usage:
        return
    done = forward_usage(deps.openmeter, deps.refused, usage, deps.clock())
    metrics.add(metrics.USAGE_FORWARDED, done.forwarded)
    metrics.add(metrics.USAGE_NOT_FORWARDED, done.set_aside)
