"""Usage healing: finds calls in LiteLLM's spend log that nobody told us of, on a schedule and on demand."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from healing_collaborators import HealingCollaborators, production_collaborators
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.http.resolver import answer, body, create_resolver, text_body, unavailable
from pancake_meter.http.usage.healing import HealingBody, HealingRequest, healing_body
from pancake_meter.invocation import in_time, time_left
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.usage.heal import PATIENCE, Healing, heal_usage

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)

_RESERVE: Final = timedelta(seconds=40)
"""A page takes up to two calls of LiteLLM and a batch of writes: none is begun with less time left."""

_ON_DEMAND: Final = timedelta(seconds=8)
"""How long a run goes on for a caller that waits: API Gateway hangs up after 30 seconds, and a page may take 20."""


@app.post("/v1/usage/healings")
def post_healing() -> Response[str]:
    """Heal now, for some seconds; answer what was found."""
    stated = HealingRequest.model_validate(body(app) if text_body(app) else {})
    patience = timedelta(seconds=stated.patience_seconds)
    found = _heal(app.context["collaborators"], app.context["lambda_context"], patience, _ON_DEMAND)
    return answer(HTTPStatus.OK, found)


def _unavailable(event: dict[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Answer a caller; a run of the schedule fails, and its alarm rings."""
    if "requestContext" not in event:
        raise trouble
    return unavailable(event, context, trouble)


@in_time(logger, metrics, _unavailable)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: HealingCollaborators | None = None
) -> dict[str, Any]:
    """Answer an API Gateway HTTP API request (payload 2.0), or run for the schedule."""
    collaborators = collaborators or production_collaborators()
    if "requestContext" not in event:
        return dict(_heal(collaborators, context, PATIENCE, None))
    app.append_context(collaborators=collaborators, lambda_context=context)
    return app.resolve(event, context)


def _heal(
    with_: HealingCollaborators, context: LambdaContext, patience: timedelta, longest: timedelta | None
) -> HealingBody:
    started, has_time = with_.stopwatch(), time_left(context, _RESERVE)

    def may_go_on() -> bool:
        return has_time() and (longest is None or with_.stopwatch() - started < longest.total_seconds())

    healing = heal_usage(with_.metering, with_.litellm, with_.clock(), may_go_on=may_go_on, patience=patience)
    _tell(healing)
    return healing_body(healing)


def _tell(healing: Healing) -> None:
    metrics.add_metric("UsageMissed", MetricUnit.Count, healing.missed + healing.uncountable)
    metrics.add_metric("UsageCounted", MetricUnit.Count, healing.recorded)
    metrics.add_metric("UsageParked", MetricUnit.Count, healing.parked)
    metrics.add_metric("UsageHealingFailed", MetricUnit.Count, int(healing.failure is not None))
    logger.info("healed", extra={"healing": healing_body(healing)})
