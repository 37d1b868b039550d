"""Checkouts for the seller's backend: open, list, read."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.metrics import MetricUnit

from checkout_collaborators import CheckoutCollaborators
from pancake_meter.domain.errors import CheckoutNotFound
from pancake_meter.http.resolver import answer, body, path_customer_id, path_value
from pancake_meter.http.selling.checkouts import CheckoutRequest, CheckoutsQuery, checkout_body, checkout_page
from pancake_meter.store.selling.checkouts import list_checkouts, read_checkout
from pancake_meter.usecases.selling.open_checkout import open_checkout
from pancake_meter.usecases.selling.quote_sale import SaleRequest

router = APIGatewayHttpRouter()


@router.post("/v1/customers/<customer_id>/checkouts")
def post_checkout(customer_id: str) -> Response[str]:
    """Open a checkout: 201, or 200 when the customer has one open for just that."""
    customer_id = path_customer_id(customer_id)
    request = CheckoutRequest.model_validate(body(router))
    with_: CheckoutCollaborators = router.context["collaborators"]
    now = with_.clock()
    wanted = request.wanted_kind
    sale = SaleRequest(wanted, request.meter, request.quantity, request.plan, request.currency, request.timing)
    opened = open_checkout(with_.selling, customer_id, sale, request.success_url, now)
    if opened.is_new:
        router.context["metrics"].add_metric("CheckoutOpened", MetricUnit.Count, 1)
    status = HTTPStatus.CREATED if opened.is_new else HTTPStatus.OK
    return answer(status, {**checkout_body(opened.checkout, now), "url": opened.url})


@router.get("/v1/customers/<customer_id>/checkouts")
def get_checkouts(customer_id: str) -> Response[str]:
    """A customer's checkouts, newest first, in pages."""
    customer_id = path_customer_id(customer_id)
    with_: CheckoutCollaborators = router.context["collaborators"]
    query = CheckoutsQuery.model_validate(router.current_event.query_string_parameters)
    table = with_.selling.metering.table
    checkouts, following = list_checkouts(table, customer_id, limit=query.limit, after=query.after)
    return answer(HTTPStatus.OK, checkout_page(checkouts, following, with_.clock()))


@router.get("/v1/customers/<customer_id>/checkouts/<checkout_id>")
def get_checkout(customer_id: str, checkout_id: str) -> Response[str]:
    """One checkout of a customer."""
    customer_id = path_customer_id(customer_id)
    with_: CheckoutCollaborators = router.context["collaborators"]
    checkout = read_checkout(with_.selling.metering.table, path_value(checkout_id))
    if checkout is None or checkout.customer_id != customer_id:
        raise CheckoutNotFound("the customer has no such checkout")
    return answer(HTTPStatus.OK, checkout_body(checkout, with_.clock()))
