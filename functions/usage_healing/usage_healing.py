"""Usage healing: finds calls in LiteLLM's spend log that were not reported here, on a schedule and on demand."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.healing import HealingDeps, healing_deps
from pancake_meter.http.request import answer, optional_body
from pancake_meter.http.resolver import Router, http_handler, takes_body
from pancake_meter.http.usage.healing import HealingBody, HealingRequest, healing_body
from pancake_meter.invocation import time_left
from pancake_meter.usecases.usage.heal import PATIENCE, Healing, heal_usage

logger = Logger()
router = Router[HealingDeps]()

_RESERVE: Final = timedelta(seconds=40)
"""A page takes up to two calls of LiteLLM and a batch of writes: none is begun with less time left."""

_ON_DEMAND: Final = timedelta(seconds=8)
"""How long a run goes on for a caller that waits: API Gateway hangs up after 30 seconds, and a page may take 20."""


@router.post("/v1/usage/healings")
@takes_body
def post_healing() -> Response[str]:
    """Heal now, for some seconds, and answer the report."""
    request = HealingRequest.model_validate(optional_body(router))
    patience = timedelta(seconds=request.patience_seconds)
    return answer(HTTPStatus.OK, _heal(router.deps, router.lambda_context, patience, _ON_DEMAND))


def _run(deps: HealingDeps, context: LambdaContext) -> dict[str, Any]:
    return dict(_heal(deps, context, PATIENCE, None))


def _heal(deps: HealingDeps, context: LambdaContext, patience: timedelta, longest: timedelta | None) -> HealingBody:
    started, has_time = deps.stopwatch(), time_left(context, _RESERVE)

    def may_go_on() -> bool:
        return has_time() and (longest is None or deps.stopwatch() - started < longest.total_seconds())

    healing = heal_usage(deps.metering, deps.litellm, deps.clock(), may_go_on=may_go_on, patience=patience)
    _count(healing)
    return healing_body(healing)


def _count(healing: Healing) -> None:
    metrics.add(metrics.USAGE_MISSED, healing.missed + healing.uncountable)
    metrics.add(metrics.USAGE_COUNTED, healing.recorded)
    metrics.add(metrics.USAGE_PARKED, healing.parked)
    metrics.add(metrics.USAGE_HEALING_FAILED, int(healing.failure is not None))
    logger.info("healed", extra={"healing": healing_body(healing)})


handler = http_handler(healing_deps(), router, on_schedule=_run)
