"""Webhook intake: Waffo's events, over a function URL because the signature is over the raw bytes."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.config import WebhookSettings
from pancake_meter.deps.production import Clock, production_metering, utc_now
from pancake_meter.http import json
from pancake_meter.http.problem import PROBLEM_JSON, Problem, problem_of_method, problem_of_store
from pancake_meter.http.webhooks.intake import problem_of_refusal
from pancake_meter.invocation import in_time
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.usecases.webhooks.take import Intake, take_webhook
from pancake_meter.waffo.errors import MalformedEvent, SignatureMismatch, WebhookRefused, WrongMode, WrongStore
from pancake_meter.waffo.keys import webhook_public_keys

logger = Logger()
metrics = Metrics()


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the handler works with. ``wall`` is the clock by which a signature is fresh; ``None``: it is ``clock``."""

    intake: Intake
    clock: Clock = utc_now
    wall: Clock | None = None


def production_intake() -> Intake:
    """Return the intake of this stack; without its store, its mode or a usable key the function does not start."""
    settings = WebhookSettings.from_environment()
    keys = webhook_public_keys(settings.environment, settings.public_keys)
    return Intake(production_metering(), settings.environment, settings.store_id, keys)


PRODUCTION: Final = Collaborators(production_intake(), wall=lambda: datetime.now(UTC))


def _unavailable(_: object, context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    metrics.add_metric("DeliveryUnavailable", MetricUnit.Count, 1)
    return _problem(problem_of_store(trouble), context)


@in_time(logger, metrics, _unavailable)
def handler(event: dict[str, Any], context: LambdaContext, collaborators: Collaborators = PRODUCTION) -> dict[str, Any]:
    """Answer one function URL request: 2xx once the delivery is durable, 4xx to what is not to be believed."""
    if event["requestContext"]["http"]["method"] != "POST":
        return _problem(problem_of_method("POST"), context)
    wall = collaborators.wall() if collaborators.wall is not None else None
    try:
        outcome = take_webhook(
            collaborators.intake, _raw_body(event), event.get("headers") or {}, collaborators.clock(), wall=wall
        )
    except WebhookRefused as refusal:
        return _refused(refusal, context)
    except StoreError as trouble:
        logger.warning("store trouble", trouble=type(trouble).__name__, reason=str(trouble))
        return _unavailable(event, context, trouble)
    return _taken(outcome)


def _taken(outcome: Outcome) -> dict[str, Any]:
    metrics.add_metric(f"Delivery{outcome.verdict.capitalize()}", MetricUnit.Count, 1)
    metrics.add_metric("DeliveryUnparked", MetricUnit.Count, outcome.unparked)
    # A flag is money that a person has to look at: paid twice, or another amount.
    metrics.add_metric("PaymentFlagged", MetricUnit.Count, len(outcome.flags))
    level = logger.warning if outcome.flags or outcome.verdict in ("parked", "failed") else logger.info
    level(
        "delivery taken",
        verdict=outcome.verdict,
        reason=outcome.reason,
        flags=outcome.flags,
        delivery=outcome.digest,
        event_type=outcome.event_type,
        order_id=outcome.order_id,
    )
    content = {"delivery": outcome.digest, "verdict": outcome.verdict, "reason": outcome.reason}
    return _answer(HTTPStatus.OK, "application/json", json.dumps(content))


def _refused(refusal: WebhookRefused, context: LambdaContext) -> dict[str, Any]:
    metrics.add_metric("DeliveryRejected", MetricUnit.Count, 1)
    metrics.add_metric("DeliveryUnverifiable", MetricUnit.Count, int(isinstance(refusal, SignatureMismatch)))
    metrics.add_metric("DeliveryForeign", MetricUnit.Count, int(isinstance(refusal, WrongMode | WrongStore)))
    logger.warning("delivery refused", refusal=type(refusal).__name__)
    return _problem(problem_of_refusal(refusal), context)


def _raw_body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedEvent("body", "is not base64") from None


def _problem(problem: Problem, context: LambdaContext) -> dict[str, Any]:
    retry = {} if problem.retry_after_seconds is None else {"Retry-After": str(problem.retry_after_seconds)}
    headers = {**problem.headers, **retry}
    return _answer(problem.status, PROBLEM_JSON, json.dumps(problem.body(context.aws_request_id)), headers)


def _answer(status: HTTPStatus, kind: str, body: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"statusCode": status.value, "headers": {"Content-Type": kind, **(headers or {})}, "body": body}
