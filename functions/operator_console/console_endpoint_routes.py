"""Endpoints of alerts. A secret is on the page that answers the call that makes it, and nowhere else."""

from http import HTTPStatus
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.domain.alerts.alert import ALERT_TYPES
from pancake_meter.http.alerts.endpoints import (
    ChangeEndpointRequest,
    CreateEndpointRequest,
    RotateSecretRequest,
    endpoint_body,
)
from pancake_meter.http.resolver import takes_body, tolerates_query
from pancake_meter.usecases.alerts.endpoints import (
    WithSecret,
    alter_endpoint,
    create_endpoint,
    remove_endpoint,
    ring_test,
    rotate_secret,
)
from pancake_pages.console.desk import ConsoleRouter, Form, address

logger = Logger()
router = ConsoleRouter()

_ENABLED: Final = {"enable": True, "disable": False}


@router.post("/console/alert-endpoints")
@tolerates_query
@takes_body
def post_endpoint() -> Response[str]:
    """Make an endpoint, and show its secret once. Without a type that is ticked it gets all."""
    form = router.form("POST /v1/alert-endpoints")
    events = [kind for kind in ALERT_TYPES if kind in form.fields]
    request = form.read(CreateEndpointRequest, "url", "description", events=events)
    desk = form.desk
    made = create_endpoint(
        desk.deps.alerts.endpoints, request.url, tuple(request.events), request.description, desk.now, form.once_of()
    )
    return _with_secret(form, "endpoint of alerts made", made)


@router.post("/console/alert-endpoints/<endpoint_id>/rotate")
@tolerates_query
@takes_body
def post_rotation(endpoint_id: str) -> Response[str]:
    """Give an endpoint a new secret; the one before signs too for a day."""
    form = router.form("POST /v1/alert-endpoints/{endpoint_id}/rotate")
    desk, overlap = form.desk, RotateSecretRequest().overlap
    made = rotate_secret(desk.deps.alerts.endpoints, endpoint_id, overlap, desk.now, form.once_of(endpoint_id))
    return _with_secret(form, "secret of an endpoint rotated", made)


@router.post("/console/alert-endpoints/<endpoint_id>/test")
@tolerates_query
@takes_body
def post_test(endpoint_id: str) -> Response[str]:
    """Ring a test for one endpoint, and show what becomes of it."""
    form = router.form("POST /v1/alert-endpoints/{endpoint_id}/test")
    desk = form.desk
    alert = ring_test(desk.deps.table, endpoint_id, form.once, desk.now)
    return desk.done(address("alerts", alert.id), "test_rung")


@router.post("/console/alert-endpoints/<endpoint_id>/enabled")
@tolerates_query
@takes_body
def post_enabled(endpoint_id: str) -> Response[str]:
    """Disable an endpoint, or enable it."""
    form = router.form("PATCH /v1/alert-endpoints/{endpoint_id}")
    request = form.read(ChangeEndpointRequest, enabled=_ENABLED.get(form.fields.get("do", "")))
    changed = alter_endpoint(form.desk.deps.alerts.endpoints, endpoint_id, request.change, form.desk.now)
    logger.info("endpoint of alerts changed", endpoint_id=endpoint_id, version=changed.version)
    return form.desk.done(address("alerts"), "enabled" if changed.is_enabled else "disabled")


@router.post("/console/alert-endpoints/<endpoint_id>/delete")
@tolerates_query
@takes_body
def post_deletion(endpoint_id: str) -> Response[str]:
    """Take an endpoint away. What waits for it is not sent."""
    desk = router.form("DELETE /v1/alert-endpoints/{endpoint_id}").desk
    remove_endpoint(desk.deps.table, endpoint_id)
    logger.info("endpoint of alerts deleted", endpoint_id=endpoint_id)
    return desk.done(address("alerts"), "endpoint_deleted")


def _with_secret(form: Form, message: str, made: WithSecret) -> Response[str]:
    logger.info(message, endpoint_id=made.endpoint.id, is_replay=made.is_replay)
    shown = endpoint_body(made.endpoint, form.desk.now)
    return form.desk.page(
        "console/endpoint_secret.html", "alerts", HTTPStatus.CREATED, endpoint=shown, text=made.secret
    )
