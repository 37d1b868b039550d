"""What may be spent, and whether a given amount is within it."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from pancake_meter.deps.telemetry import tell_refused
from pancake_meter.domain.balance.spend import refusal
from pancake_meter.domain.quantity import parse_quantity
from pancake_meter.http.balance.quota import quota_body, rate_limit_headers, refusal_problem
from pancake_meter.http.resolver import answer, base_url, path_customer_id, request_id
from quota_collaborators import QuotaCollaborators

router = APIGatewayHttpRouter()


@router.get("/v1/customers/<customer_id>/quota")
def get_quotas(customer_id: str) -> Response[str]:
    """Every meter's quota of a customer."""
    customer_id = path_customer_id(customer_id)
    with_: QuotaCollaborators = router.context["collaborators"]
    now = with_.clock()
    balances = with_.metering.current_balances(customer_id, now)
    quotas = [quota_body(balance, with_.offers.nudge(balance, base_url(router), now)) for balance in balances]
    return answer(HTTPStatus.OK, {"customer_id": customer_id, "quotas": quotas})


@router.get("/v1/customers/<customer_id>/quota/<meter>")
def get_quota(customer_id: str, meter: str) -> Response[str]:
    """One meter's quota: one read. With ``amount``, 402 when that many units may not be spent."""
    customer_id = path_customer_id(customer_id)
    with_: QuotaCollaborators = router.context["collaborators"]
    with_.metering.check_meter(meter)
    now = with_.clock()
    balance = with_.metering.current_balance(customer_id, meter, now)
    amount = router.current_event.query_string_parameters.get("amount")
    wanted = parse_quantity(amount) if amount is not None else None
    refused = refusal(balance, wanted) if wanted is not None else None
    if refused is not None and wanted is not None:
        tell_refused("CheckRefused", refused.reason, wanted, balance)
        links = with_.offers.links(balance, base_url(router), now)
        return refusal_problem(refused, balance, links, now).response(request_id(router))
    content = quota_body(balance, with_.offers.nudge(balance, base_url(router), now))
    return answer(HTTPStatus.OK, content, rate_limit_headers(balance, now))
