"""Quota check: may this customer spend? The holds that make sure of it, and what became of the units."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

import hold_routes
import quota_routes
import readback_routes
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.http.resolver import create_resolver, unavailable
from pancake_meter.invocation import in_time
from quota_collaborators import QuotaCollaborators, production_collaborators

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)
app.include_router(quota_routes.router)
app.include_router(hold_routes.router)
app.include_router(readback_routes.router)

PRODUCTION = production_collaborators()


@in_time(logger, metrics, unavailable)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: QuotaCollaborators = PRODUCTION
) -> dict[str, Any]:
    """Answer one API Gateway HTTP API request (payload 2.0)."""
    app.append_context(collaborators=collaborators, logger=logger)
    return app.resolve(event, context)
