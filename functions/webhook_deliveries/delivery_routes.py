"""Deliveries for the operator: list, read, replay, assign to a customer, dismiss."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.webhooks.deliveries import (
    AssignRequest,
    DeliveriesQuery,
    delivery_body,
    listed_deliveries,
    replay_body,
)
from pancake_meter.http.webhooks.trying import try_again
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.judge import dismiss_delivery, kept_delivery

logger = Logger()
router = Router[MeteringDeps]()


@router.get("/v1/deliveries")
def get_deliveries(query: DeliveriesQuery) -> Response[str]:
    """Deliveries, all or with a verdict, the latest received first; or of an order, the latest event first."""
    return answer(HTTPStatus.OK, listed_deliveries(router.deps.metering.table, query))


@router.get("/v1/deliveries/<delivery_id>")
def get_delivery(delivery_id: str) -> Response[str]:
    """One delivery with its raw body: one read."""
    deps = router.deps
    return answer(HTTPStatus.OK, delivery_body(kept_delivery(deps.metering, delivery_id)))


@router.post("/v1/deliveries/<delivery_id>/replay")
def post_replay(delivery_id: str) -> Response[str]:
    """Apply a delivery again, by the code that took it. Effects that it has had are not repeated."""
    deps = router.deps
    outcome, kept = try_again(deps.metering, delivery_id, deps.clock(), Told(by=router.key_name))
    return answer(HTTPStatus.OK, replay_body(outcome, kept))


@router.post("/v1/deliveries/<delivery_id>/assign")
@takes_body
def post_assign(delivery_id: str) -> Response[str]:
    """Assign the event to a customer, and apply it."""
    deps = router.deps
    told = Told(customer_id=AssignRequest.model_validate(body(router)).customer_id, by=router.key_name)
    outcome, kept = try_again(deps.metering, delivery_id, deps.clock(), told)
    return answer(HTTPStatus.OK, replay_body(outcome, kept))


@router.post("/v1/deliveries/<delivery_id>/dismiss")
@takes_body
def post_dismiss(delivery_id: str) -> Response[str]:
    """Take an open delivery off the lists of open deliveries. It is kept, and may still be replayed."""
    deps = router.deps
    reason = DismissRequest.model_validate(body(router)).reason
    kept = dismiss_delivery(deps.metering, delivery_id, reason, deps.clock(), by=router.key_name)
    metrics.add(metrics.DELIVERY_DISMISSED)
    logger.info("delivery dismissed", delivery=kept.digest, reason=kept.reason)
    return answer(HTTPStatus.OK, delivery_body(kept))
