"""Limits of one customer below the plan's: the operator's caps, and the customer's own spend cap."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.access.caller import key_caller_of
from pancake_meter.http.balance.limits import LimitsQuery, LimitsRequest, limits_body, limits_list
from pancake_meter.http.problem import problem_not_operator
from pancake_meter.http.request import answer, body, problem_answer
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.usecases.balance.limits import limit

router = Router[MeteringDeps]()


@router.get("/v1/customers/<customer_id>/limits")
def get_limits(customer_id: str, query: LimitsQuery) -> Response[str]:
    """The limits of every meter, or of one, and what holds."""
    deps = router.deps
    if query.meter is None:
        balances = deps.metering.current_balances(customer_id, deps.clock())
    else:
        deps.metering.check_meter(query.meter)
        balances = [deps.metering.current_balance(customer_id, query.meter, deps.clock())]
    return answer(HTTPStatus.OK, limits_list(customer_id, balances))


@router.put("/v1/customers/<customer_id>/limits")
@takes_body
def put_limits(customer_id: str) -> Response[str]:
    """Set limits of one meter: the operator's caps with the role operate, the spend cap by the customer too."""
    check_live_customer_id(customer_id)
    request = LimitsRequest.model_validate(body(router))
    caller = key_caller_of(router.current_event.raw_event)
    if request.wanted.named - {"spend_cap"} and (caller is None or "operate" not in caller.roles):
        return problem_answer(problem_not_operator(), router)
    deps = router.deps
    balance = limit(deps.metering, customer_id, request.meter, request.wanted, deps.clock(), by=router.key_name)
    return answer(HTTPStatus.OK, limits_body(balance))
