"""Holds: reserve before the work, settle with the true quantity after it, or release."""

from http import HTTPStatus
from uuid import uuid4

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.quota import QuotaDeps
from pancake_meter.deps.telemetry import report_refused
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.http.balance.holds import (
    HoldRequest,
    ReleaseQuery,
    SettleRequest,
    hold_body,
    released_body,
    settled_body,
)
from pancake_meter.http.balance.quota import quota_body, rate_limit_headers, refusal_problem
from pancake_meter.http.idempotency import caller_made_id
from pancake_meter.http.request import answer, base_url, body, problem_answer
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.usecases.balance.hold_quota import (
    HoldRefused,
    balance_after,
    hold_quota,
    hold_to_release,
    named_hold,
    release_hold,
    settle_hold,
)

logger = Logger()
router = Router[QuotaDeps]()


@router.post("/v1/customers/<customer_id>/holds")
@takes_body
def post_hold(customer_id: str) -> Response[str]:
    """Reserve units: 201, or 200 for a repeat of the same request, or 402 with a purchase link.

    A hold that is placed writes nothing to the log: the access log counts it.
    """
    check_live_customer_id(customer_id)
    request = HoldRequest.model_validate(body(router))
    deps = router.deps
    now = deps.clock()
    hold_id = caller_made_id(router, request.id) or uuid4().hex
    placed = hold_quota(deps.metering, customer_id, request.meter, hold_id, request.quantity, request.ttl, now)
    if isinstance(placed, HoldRefused):
        report_refused("hold", placed.refusal.reason, request.quantity, placed.balance)
        deps.tell_refused(placed.balance, placed.refusal, request.quantity, base_url(router))
        links = deps.offers.links(placed.balance, router.links_base, now)
        return problem_answer(refusal_problem(placed.refusal, placed.balance, links, now), router)
    quota = quota_body(placed.balance, deps.offers.nudge(placed.balance, router.links_base, now))
    status = HTTPStatus.OK if placed.is_replay else HTTPStatus.CREATED
    return answer(status, hold_body(placed, quota), rate_limit_headers(placed.balance, now))


@router.post("/v1/customers/<customer_id>/holds/<hold_id>/settle")
@takes_body
def post_settle(customer_id: str, hold_id: str) -> Response[str]:
    """Count what was really used and end the hold, also one that has expired; answer the quota that is left."""
    check_live_customer_id(customer_id)
    request = SettleRequest.model_validate(body(router))
    deps = router.deps
    now = deps.clock()
    handle = named_hold(deps.metering, customer_id, hold_id, request.meter)
    event = usage_event(handle.id, request.quantity, request.time, now).made_of(request.model, request.source)
    settled = settle_hold(deps.metering, customer_id, handle, event, now)
    balance = balance_after(deps.metering, customer_id, handle.meter, now)
    if balance is None:
        logger.warning("quota after a settlement not read", customer_id=customer_id, meter=handle.meter)
        return answer(HTTPStatus.OK, settled_body(settled, None))
    quota = quota_body(balance, deps.offers.nudge(balance, router.links_base, now))
    return answer(HTTPStatus.OK, settled_body(settled, quota), rate_limit_headers(balance, now))


@router.delete("/v1/customers/<customer_id>/holds/<hold_id>")
def delete_hold(customer_id: str, hold_id: str, query: ReleaseQuery) -> Response[str]:
    """End a hold with nothing used."""
    deps = router.deps
    handle = hold_to_release(deps.metering, customer_id, hold_id, query.meter)
    return answer(HTTPStatus.OK, released_body(release_hold(deps.metering, customer_id, handle)))
