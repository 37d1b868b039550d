"""Webhook intake: Waffo's events, over a function URL because the signature is over the raw bytes."""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

import base64
import binascii
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter import metrics
from pancake_meter.deps.intake import IntakeDeps, intake_deps
from pancake_meter.http.outside_routes import lambda_answer, lambda_problem
from pancake_meter.http.problem import problem_of_method, problem_of_store
from pancake_meter.http.webhooks.intake import problem_of_refusal
from pancake_meter.invocation import lambda_handler
from pancake_meter.store.errors import StoreError
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.usecases.webhooks.take import take_webhook
from pancake_meter.waffo.errors import MalformedEvent, SignatureMismatch, WebhookRefused, WrongMode, WrongStore

logger = Logger()

PRODUCTION: Final = intake_deps()


def _unavailable(_: object, context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    metrics.add(metrics.DELIVERY_UNAVAILABLE)
    return lambda_problem(problem_of_store(trouble), context.aws_request_id)


@lambda_handler(_unavailable)
def handler(event: dict[str, Any], context: LambdaContext, deps: IntakeDeps = PRODUCTION) -> dict[str, Any]:
    """Answer one function URL request: 2xx once the delivery is durable, 4xx where it cannot be believed."""
    if event["requestContext"]["http"]["method"] != "POST":
        return lambda_problem(problem_of_method("POST"), context.aws_request_id)
    wall = deps.wall() if deps.wall is not None else None
    try:
        outcome = take_webhook(deps.intake, _raw_body(event), event.get("headers") or {}, deps.clock(), wall=wall)
    except WebhookRefused as refusal:
        return _refused(refusal, context)
    return _taken(outcome)


def _taken(outcome: Outcome) -> dict[str, Any]:
    metrics.add(metrics.DELIVERY_OF_VERDICT[outcome.verdict])
    metrics.add(metrics.DELIVERY_UNPARKED, outcome.unparked)
    # A flag is money that a person has to look at: paid twice, or another amount.
    metrics.add(metrics.PAYMENT_FLAGGED, len(outcome.flags))
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
    return lambda_answer(HTTPStatus.OK, content)


def _refused(refusal: WebhookRefused, context: LambdaContext) -> dict[str, Any]:
    metrics.add(metrics.DELIVERY_REJECTED)
    metrics.add(metrics.DELIVERY_UNVERIFIABLE, int(isinstance(refusal, SignatureMismatch)))
    metrics.add(metrics.DELIVERY_FOREIGN, int(isinstance(refusal, WrongMode | WrongStore)))
    logger.warning("delivery refused", refusal=type(refusal).__name__)
    return lambda_problem(problem_of_refusal(refusal), context.aws_request_id)


def _raw_body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedEvent("body", "is not base64") from None
