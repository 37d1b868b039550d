"""Deliveries for the operator: list, read, try again, say whose they are."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.metrics import MetricUnit

from pancake_meter.deps.production import MeteringCollaborators
from pancake_meter.domain.errors import DeliveryOfAnotherCustomer
from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.resolver import answer, body
from pancake_meter.http.webhooks.deliveries import (
    AssignRequest,
    DeliveriesQuery,
    delivery_body,
    delivery_page,
    replay_body,
)
from pancake_meter.store.webhooks.deliveries import deliveries_by_verdict, deliveries_of_order
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.judge import Outcome, dismiss_delivery, kept_delivery, replay_delivery

router = APIGatewayHttpRouter()


@router.get("/v1/deliveries")
def get_deliveries() -> Response[str]:
    """Deliveries with a verdict, the latest received first; or of an order, the latest event first. One query a page."""
    with_: MeteringCollaborators = router.context["collaborators"]
    query = DeliveriesQuery.model_validate(router.current_event.query_string_parameters)
    table = with_.metering.table
    if query.verdict is not None:
        page = deliveries_by_verdict(table, query.verdict, limit=query.limit, after=query.cursor)
    else:
        page = deliveries_of_order(table, query.order_id or "", limit=query.limit, after=query.cursor)
    return answer(HTTPStatus.OK, delivery_page(page))


@router.get("/v1/deliveries/<delivery_id>")
def get_delivery(delivery_id: str) -> Response[str]:
    """One delivery with its raw body: one read."""
    with_: MeteringCollaborators = router.context["collaborators"]
    return answer(HTTPStatus.OK, delivery_body(kept_delivery(with_.metering, delivery_id)))


@router.post("/v1/deliveries/<delivery_id>/replay")
def post_replay(delivery_id: str) -> Response[str]:
    """Apply a delivery again, by the code that took it. What is done already stays as it is."""
    with_: MeteringCollaborators = router.context["collaborators"]
    outcome = replay_delivery(with_.metering, delivery_id, with_.clock())
    return _tried("delivery replayed", with_, outcome)


@router.post("/v1/deliveries/<delivery_id>/assign")
def post_assign(delivery_id: str) -> Response[str]:
    """Say whose event it is, and apply it."""
    with_: MeteringCollaborators = router.context["collaborators"]
    owner = AssignRequest.model_validate(body(router)).customer_id
    outcome = replay_delivery(with_.metering, delivery_id, with_.clock(), told=Told(customer_id=owner))
    if outcome.verdict == "duplicate" and outcome.customer_id != owner:
        raise DeliveryOfAnotherCustomer("the delivery is done, and not for this customer")
    return _tried("delivery assigned", with_, outcome)


@router.post("/v1/deliveries/<delivery_id>/dismiss")
def post_dismiss(delivery_id: str) -> Response[str]:
    """Take an open delivery off the lists of what is open. It is kept, and may still be replayed."""
    with_: MeteringCollaborators = router.context["collaborators"]
    reason = DismissRequest.model_validate(body(router)).reason
    kept = dismiss_delivery(with_.metering, delivery_id, reason, with_.clock())
    router.context["metrics"].add_metric("DeliveryDismissed", MetricUnit.Count, 1)
    router.context["logger"].info("delivery dismissed", delivery=kept.digest, reason=kept.reason)
    return answer(HTTPStatus.OK, delivery_body(kept))


def _tried(message: str, with_: MeteringCollaborators, outcome: Outcome) -> Response[str]:
    kept = kept_delivery(with_.metering, outcome.digest)
    router.context["metrics"].add_metric("DeliveryReplayed", MetricUnit.Count, 1)
    router.context["metrics"].add_metric("DeliveryUnparked", MetricUnit.Count, outcome.unparked)
    # A flag is money that a person has to look at: paid twice, or another amount.
    router.context["metrics"].add_metric("PaymentFlagged", MetricUnit.Count, len(outcome.flags))
    told = {"verdict": outcome.verdict, "reason": outcome.reason, "flags": outcome.flags}
    router.context["logger"].info(message, delivery=kept.digest, **told)
    return answer(HTTPStatus.OK, replay_body(outcome, kept))
