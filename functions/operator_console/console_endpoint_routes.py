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
from pancake_meter.usecases.alerts.endpoints import (
    WithSecret,
    alter_endpoint,
    create_endpoint,
    remove_endpoint,
    ring_test,
    rotate_secret,
)
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address

logger = Logger()
router = ConsoleRouter()

_ENABLED: Final = {"enable": True, "disable": False}


@router.action("/console/alert-endpoints", "POST /v1/alert-endpoints", answers_alike=True)
def post_endpoint(form: Form) -> Response[str]:
    """Make an endpoint, and show its secret once. Without a type that is ticked it gets all."""
    events = [kind for kind in ALERT_TYPES if kind in form.fields]
    request = form.read(CreateEndpointRequest, "url", "description", events=events)
    desk = form.desk
    made = create_endpoint(
        desk.deps.alerts.endpoints,
        request.url,
        tuple(request.events),
        request.description,
        desk.now,
        form.once_of(),
        by=desk.operator.name,
    )
    return _with_secret(form, "endpoint of alerts made", made)


@router.action(
    "/console/alert-endpoints/<endpoint_id>/rotate", "POST /v1/alert-endpoints/{endpoint_id}/rotate", answers_alike=True
)
def post_rotation(form: Form, endpoint_id: str) -> Response[str]:
    """Give an endpoint a new secret; the one before signs too for a day."""
    desk, overlap = form.desk, RotateSecretRequest().overlap
    once, by = form.once_of(endpoint_id), desk.operator.name
    made = rotate_secret(desk.deps.alerts.endpoints, endpoint_id, overlap, desk.now, once, by=by)
    return _with_secret(form, "secret of an endpoint rotated", made)


@router.action("/console/alert-endpoints/<endpoint_id>/test", "POST /v1/alert-endpoints/{endpoint_id}/test")
def post_test(form: Form, endpoint_id: str) -> Done:
    """Ring a test for one endpoint, and show what becomes of it."""
    desk = form.desk
    alert = ring_test(desk.deps.table, endpoint_id, form.once, desk.now)
    return Done(address("alerts", alert.id), "test_rung")


@router.action("/console/alert-endpoints/<endpoint_id>/enabled", "PATCH /v1/alert-endpoints/{endpoint_id}")
def post_enabled(form: Form, endpoint_id: str) -> Done:
    """Disable an endpoint, or enable it."""
    request = form.read(ChangeEndpointRequest, enabled=_ENABLED.get(form.fields.get("do", "")))
    desk, by = form.desk, form.desk.operator.name
    changed = alter_endpoint(desk.deps.alerts.endpoints, endpoint_id, request.change, desk.now, by=by)
    logger.info("endpoint of alerts changed", endpoint_id=endpoint_id, version=changed.version)
    return Done(address("alerts"), "enabled" if changed.is_enabled else "disabled")


@router.action("/console/alert-endpoints/<endpoint_id>/delete", "DELETE /v1/alert-endpoints/{endpoint_id}")
def post_deletion(form: Form, endpoint_id: str) -> Done:
    """Take an endpoint away. What waits for it is not sent."""
    desk = form.desk
    remove_endpoint(desk.deps.table, endpoint_id)
    logger.info("endpoint of alerts deleted", endpoint_id=endpoint_id)
    return Done(address("alerts"), "endpoint_deleted")


def _with_secret(form: Form, message: str, made: WithSecret) -> Response[str]:
    logger.info(message, endpoint_id=made.endpoint.id, is_replay=made.is_replay)
    shown = endpoint_body(made.endpoint, form.desk.now)
    return form.desk.page(
        "console/endpoint_secret.html", "alerts", HTTPStatus.CREATED, endpoint=shown, text=made.secret
    )
