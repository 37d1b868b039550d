"""The launch checklist with its state."""

from aws_lambda_powertools.event_handler import Response

import console_catalog_routes
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.usecases.reports.launch_checklist import check_launch
from pancake_pages.console.desk import ConsoleRouter

router = ConsoleRouter()


@router.get("/console/launch")
@tolerates_query
def get_launch() -> Response[str]:
    """How far the launch is, as the stack itself sees it."""
    desk = router.desk("GET /v1/deliveries")
    selling = desk.deps.shop.selling
    findings = check_launch(
        desk.deps.table, selling.catalog, selling.environment, console_catalog_routes.differences_of(desk), desk.now
    )
    return desk.page("console/launch.html", "launch", findings=findings, environment=selling.environment)
