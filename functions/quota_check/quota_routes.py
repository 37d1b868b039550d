"""Quotas: how much a customer may spend, and whether a given amount is within it."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.deps.telemetry import report_refused
from pancake_meter.domain.balance.spend import refusal
from pancake_meter.domain.quantity import parse_quantity
from pancake_meter.http.balance.quota import QuotaQuery, quota_body, rate_limit_headers, refusal_problem
from pancake_meter.http.request import answer, base_url, problem_answer
from pancake_meter.http.resolver import Router

router = Router[QuotaDeps]()


@router.get("/v1/customers/<customer_id>/quota")
def get_quotas(customer_id: str) -> Response[str]:
    """Every meter's quota of a customer."""
    deps = router.deps
    now = deps.clock()
    balances = deps.metering.current_balances(customer_id, now)
    quotas = [quota_body(balance, deps.offers.nudge(balance, router.links_base, now)) for balance in balances]
    return answer(HTTPStatus.OK, {"customer_id": customer_id, "quotas": quotas})


@router.get("/v1/customers/<customer_id>/quota/<meter>")
def get_quota(customer_id: str, meter: str, query: QuotaQuery) -> Response[str]:
    """One meter's quota: one read. With ``amount``, 402 when that many units may not be spent."""
    deps = router.deps
    deps.metering.check_meter(meter)
    wanted = parse_quantity(query.amount) if query.amount is not None else None
    now = deps.clock()
    balance = deps.metering.current_balance(customer_id, meter, now)
    refused = refusal(balance, wanted) if wanted is not None else None
    if refused is not None and wanted is not None:
        report_refused("check", refused.reason, wanted, balance)
        deps.tell_refused(balance, refused, wanted, base_url(router))
        links = deps.offers.links(balance, router.links_base, now)
        return problem_answer(refusal_problem(refused, balance, links, now), router)
    content = quota_body(balance, deps.offers.nudge(balance, router.links_base, now))
    return answer(HTTPStatus.OK, content, rate_limit_headers(balance, now))
