"""Alerts, for the operator."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.alerts.alerts import AlertPage, AlertsQuery
from pancake_meter.http.alerts.endpoints import (
    ChangeEndpointRequest,
    CreateEndpointRequest,
    EndpointBody,
    EndpointList,
    NewSecretBody,
    ReplayAlertRequest,
    ReplayedAlertBody,
    RotateSecretRequest,
    RungTestBody,
    SentAlertBody,
)
from tools.openapi.described import REPLAYED, Answer, Body, Described

_SHOWN_ONCE: Final = Answer(NewSecretBody, ("Cache-Control", *REPLAYED))

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
        "One alert, and what became of it at each endpoint",
        {HTTPStatus.OK: Answer(SentAlertBody)},
        refusals=("alert_not_found",),
    ),
    "POST /v1/alerts/{alert_id}/replay": Described(
        "replay_alert",
        "Send an alert again, under the same webhook-id",
        {HTTPStatus.ACCEPTED: Answer(ReplayedAlertBody)},
        body=Body(ReplayAlertRequest, is_required=False),
        refusals=("alert_not_found", "endpoint_not_found", "endpoint_disabled", "no_endpoint"),
    ),
    "GET /v1/alert-endpoints": Described(
        "list_alert_endpoints", "All endpoints of alerts", {HTTPStatus.OK: Answer(EndpointList)}
    ),
    "POST /v1/alert-endpoints": Described(
        "create_alert_endpoint",
        "Make an endpoint of alerts; its secret is in this answer alone",
        {HTTPStatus.CREATED: _SHOWN_ONCE},
        body=Body(CreateEndpointRequest),
        refusals=("invalid_endpoint_url", "too_many_endpoints", "endpoint_not_found", "idempotency_conflict"),
        is_once=True,
    ),
    "GET /v1/alert-endpoints/{endpoint_id}": Described(
        "get_alert_endpoint",
        "One endpoint of alerts",
        {HTTPStatus.OK: Answer(EndpointBody)},
        refusals=("endpoint_not_found",),
    ),
    "PATCH /v1/alert-endpoints/{endpoint_id}": Described(
        "change_alert_endpoint",
        "Change an endpoint of alerts, disable or enable it",
        {HTTPStatus.OK: Answer(EndpointBody)},
        body=Body(ChangeEndpointRequest),
        refusals=("endpoint_not_found", "invalid_endpoint_url"),
    ),
    "DELETE /v1/alert-endpoints/{endpoint_id}": Described(
        "delete_alert_endpoint",
        "Take an endpoint of alerts away; what waits for it is not sent",
        {HTTPStatus.OK: Answer(EndpointBody)},
        refusals=("endpoint_not_found",),
    ),
    "POST /v1/alert-endpoints/{endpoint_id}/rotate": Described(
        "rotate_alert_secret",
        "Give an endpoint a new secret; the one before signs too until the overlap is over",
        {HTTPStatus.CREATED: _SHOWN_ONCE},
        body=Body(RotateSecretRequest, is_required=False),
        refusals=("endpoint_not_found", "too_many_secrets", "idempotency_conflict"),
        is_once=True,
    ),
    "POST /v1/alert-endpoints/{endpoint_id}/test": Described(
        "test_alert_endpoint",
        "Ring a test for one endpoint; the alert shows what becomes of it",
        {HTTPStatus.ACCEPTED: Answer(RungTestBody)},
        refusals=("endpoint_not_found", "endpoint_disabled"),
        is_once=True,
    ),
}
