"""Overage that the seller forgives."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.http.idempotency import required_id
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.selling.overage import ForgiveRequest, forgiven_body
from pancake_meter.usecases.selling.forgive_overage import forgive

router = Router[CheckoutDeps]()


@router.post("/v1/customers/<customer_id>/overage/<meter>/forgive")
@takes_body
def post_forgiveness(customer_id: str, meter: str) -> Response[str]:
    """Forgive owed units, once for each id that the caller makes."""
    request = ForgiveRequest.model_validate(body(router))
    forgiveness_id = required_id(router, request.id)
    deps = router.deps
    forgiven = forgive(
        deps.selling.metering, customer_id, meter, forgiveness_id, request.quantity, deps.clock(), by=router.key_name
    )
    return answer(HTTPStatus.OK, forgiven_body(forgiveness_id, meter, forgiven))
