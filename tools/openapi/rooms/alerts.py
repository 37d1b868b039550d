"""Alerts, for the operator."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.alerts.alerts import AlertBody, AlertPage, AlertsQuery
from tools.openapi.described import Answer, Described

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/alerts": Described(
        "list_alerts",
        "Alerts that have rung, newest first: all, of a customer, of a type, or of both",
        {HTTPStatus.OK: Answer(AlertPage)},
        query=AlertsQuery,
        description="With customer_id and type a page may have fewer alerts than limit, and a next_cursor all the same.",
    ),
    "GET /v1/alerts/{alert_id}": Described(
        "get_alert",
        "One alert",
        {HTTPStatus.OK: Answer(AlertBody)},
        refusals=("alert_not_found",),
    ),
}
