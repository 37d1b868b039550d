"""Overage checkout: what a customer owes or wants more of, as a hosted Waffo payment."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

import buy_routes
import checkout_routes
import forgive_routes
from checkout_collaborators import CheckoutCollaborators, production_collaborators
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.http.resolver import create_resolver, request_id, unavailable
from pancake_meter.http.selling import pages
from pancake_meter.http.selling.checkouts import problem_of_waffo
from pancake_meter.invocation import in_time
from pancake_meter.store.errors import StoreError
from pancake_meter.waffo.errors import InvalidRequest, WaffoApiError

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)
app.include_router(checkout_routes.router)
app.include_router(buy_routes.router)
app.include_router(forgive_routes.router)


@app.exception_handler([WaffoApiError, InvalidRequest])  # type: ignore[untyped-decorator] # Powertools does not annotate it
def answer_waffo_trouble(error: WaffoApiError | InvalidRequest) -> Response[str]:
    """Answer trouble with Waffo; its reason is for the log, not for the caller."""
    operation = error.operation if isinstance(error, WaffoApiError) else None
    logger.warning("Waffo did not open the checkout", extra={"operation": operation, "reason": str(error)})
    return problem_of_waffo(error).response(request_id(app))


def _unavailable(event: dict[str, Any], context: LambdaContext, trouble: StoreError) -> dict[str, Any]:
    """Answer trouble outside of the routes in the form that the caller reads: a page for people, a problem for programs."""
    if not str(event.get("rawPath", "")).startswith("/buy/"):
        return unavailable(event, context, trouble)
    page = pages.TRY_AGAIN.response()
    return {
        "statusCode": page.status_code,
        "headers": {**page.headers, "Content-Type": page.content_type},
        "body": page.body,
    }


@in_time(logger, metrics, _unavailable)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: CheckoutCollaborators | None = None
) -> dict[str, Any]:
    """Answer one API Gateway HTTP API request (payload 2.0)."""
    app.append_context(collaborators=collaborators or production_collaborators(logger), logger=logger, metrics=metrics)
    return app.resolve(event, context)
