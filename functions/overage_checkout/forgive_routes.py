"""Overage that the seller lets go."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from checkout_collaborators import CheckoutCollaborators
from pancake_meter.http.resolver import answer, body, path_customer_id
from pancake_meter.http.selling.overage import ForgiveRequest, forgiven_body
from pancake_meter.usecases.selling.forgive_overage import forgive

router = APIGatewayHttpRouter()


@router.post("/v1/customers/<customer_id>/overage/<meter>/forgive")
def post_forgiveness(customer_id: str, meter: str) -> Response[str]:
    """Let owed units go, once for each id of the caller's."""
    customer_id = path_customer_id(customer_id)
    request = ForgiveRequest.model_validate(body(router))
    with_: CheckoutCollaborators = router.context["collaborators"]
    forgiven = forgive(with_.selling.metering, customer_id, meter, request.id, request.quantity, with_.clock())
    return answer(HTTPStatus.OK, forgiven_body(request, meter, forgiven))
