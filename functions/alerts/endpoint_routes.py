"""Endpoints of alerts for the operator. A secret is in the answer of the call that makes it, and nowhere else."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.alert_endpoints import AlertsDeps
from pancake_meter.http.alerts.endpoints import (
    ChangeEndpointRequest,
    CreateEndpointRequest,
    RotateSecretRequest,
    endpoint_body,
    endpoint_list,
    new_secret_body,
    rung_test_body,
)
from pancake_meter.http.idempotency import REPLAYED, idempotency_key, once_of
from pancake_meter.http.request import answer, body, optional_body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.store.alerts.endpoints import list_endpoints
from pancake_meter.usecases.alerts.endpoints import (
    WithSecret,
    alter_endpoint,
    create_endpoint,
    find_endpoint,
    remove_endpoint,
    ring_test,
    rotate_secret,
)

logger = Logger()
router = Router[AlertsDeps]()


@router.get("/v1/alert-endpoints")
def get_endpoints() -> Response[str]:
    """All endpoints: one query."""
    return answer(HTTPStatus.OK, endpoint_list(list_endpoints(router.deps.table), router.deps.clock()))


@router.post("/v1/alert-endpoints")
@takes_body
def post_endpoint() -> Response[str]:
    """Make an endpoint, with its first secret."""
    request = CreateEndpointRequest.model_validate(body(router))
    deps, events = router.deps, tuple(dict.fromkeys(request.events))
    once = once_of(router, request)
    made = create_endpoint(
        deps.endpoints, request.url, events, request.description, deps.clock(), once, by=router.key_name
    )
    return _with_secret("endpoint of alerts made", made)


@router.get("/v1/alert-endpoints/<endpoint_id>")
def get_endpoint(endpoint_id: str) -> Response[str]:
    """One endpoint: one read."""
    return answer(HTTPStatus.OK, endpoint_body(find_endpoint(router.deps.table, endpoint_id), router.deps.clock()))


@router.patch("/v1/alert-endpoints/<endpoint_id>")
@takes_body
def patch_endpoint(endpoint_id: str) -> Response[str]:
    """Change an endpoint, disable or enable it."""
    request = ChangeEndpointRequest.model_validate(body(router))
    changed = alter_endpoint(
        router.deps.endpoints, endpoint_id, request.change, router.deps.clock(), by=router.key_name
    )
    logger.info("endpoint of alerts changed", endpoint_id=endpoint_id, version=changed.version)
    return answer(HTTPStatus.OK, endpoint_body(changed, router.deps.clock()))


@router.delete("/v1/alert-endpoints/<endpoint_id>")
def delete_endpoint(endpoint_id: str) -> Response[str]:
    """Take an endpoint away. What waits for it is not sent."""
    endpoint = find_endpoint(router.deps.table, endpoint_id)
    remove_endpoint(router.deps.table, endpoint_id)
    logger.info("endpoint of alerts deleted", endpoint_id=endpoint_id)
    return answer(HTTPStatus.OK, endpoint_body(endpoint, router.deps.clock()))


@router.post("/v1/alert-endpoints/<endpoint_id>/rotate")
@takes_body
def post_rotation(endpoint_id: str) -> Response[str]:
    """Give an endpoint a new secret. A body is not needed."""
    request = RotateSecretRequest.model_validate(optional_body(router))
    deps, once = router.deps, once_of(router, request, endpoint_id)
    made = rotate_secret(deps.endpoints, endpoint_id, request.overlap, deps.clock(), once, by=router.key_name)
    return _with_secret("secret of an endpoint rotated", made)


@router.post("/v1/alert-endpoints/<endpoint_id>/test")
def post_test(endpoint_id: str) -> Response[str]:
    """Ring a test for one endpoint: it goes the way of every alert."""
    deps = router.deps
    alert = ring_test(deps.table, endpoint_id, idempotency_key(router), deps.clock())
    return answer(HTTPStatus.ACCEPTED, rung_test_body(alert, endpoint_id))


def _with_secret(message: str, made: WithSecret) -> Response[str]:
    headers = {"Cache-Control": "no-store", **(REPLAYED if made.is_replay else {})}
    logger.info(message, endpoint_id=made.endpoint.id, is_replay=made.is_replay)
    return answer(HTTPStatus.CREATED, new_secret_body(made, router.deps.clock()), headers)
