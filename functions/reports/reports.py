"""Reports for the seller: what was sold, to whom, and how usage grows, by calendar month."""

from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

import report_routes
from pancake_meter.deps.production import MeteringCollaborators, production_metering
from pancake_meter.deps.telemetry import create_metrics
from pancake_meter.http.resolver import create_resolver, unavailable
from pancake_meter.invocation import in_time

logger = Logger()
metrics = create_metrics()
app = create_resolver(logger)
app.include_router(report_routes.router)

PRODUCTION: Final = MeteringCollaborators(production_metering())


@in_time(logger, metrics, unavailable)
def handler(
    event: dict[str, Any], context: LambdaContext, collaborators: MeteringCollaborators = PRODUCTION
) -> dict[str, Any]:
    """Answer one API Gateway HTTP API request (payload 2.0)."""
    app.append_context(collaborators=collaborators)
    return app.resolve(event, context)
