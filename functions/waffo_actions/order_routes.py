"""Cancelling and reactivating a subscription for a customer."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.waffo_actions import WaffoActionsDeps
from pancake_meter.http.idempotency import REPLAYED, caller_made_id
from pancake_meter.http.request import answer, optional_body, problem_answer
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.selling.order_actions import OrderActionRequest, order_action_body, problem_of_action
from pancake_meter.store.selling.order_actions import Action
from pancake_meter.usecases.selling.act_on_order import Wish, act_on_order
from pancake_meter.waffo.errors import WaffoApiError

logger = Logger()
router = Router[WaffoActionsDeps]()


@router.post("/v1/customers/<customer_id>/subscriptions/<order_id>/cancel")
@takes_body
def post_cancel(customer_id: str, order_id: str) -> Response[str]:
    """Have Waffo end a subscription: with its period, or at once where nothing is paid."""
    return _acted(customer_id, order_id, "cancel")


@router.post("/v1/customers/<customer_id>/subscriptions/<order_id>/reactivate")
@takes_body
def post_reactivate(customer_id: str, order_id: str) -> Response[str]:
    """Have Waffo withdraw a cancellation."""
    return _acted(customer_id, order_id, "reactivate")


def _acted(customer_id: str, order_id: str, action: Action) -> Response[str]:
    request = OrderActionRequest.model_validate(optional_body(router))
    deps = router.deps
    wish = Wish(action, caller_made_id(router, request.id), request.reason, router.key_name)
    try:
        acted = act_on_order(deps.acting, customer_id, order_id, wish, deps.clock())
    except WaffoApiError as error:
        logger.warning("Waffo did not act", extra={"operation": error.operation, "reason": str(error)})
        return problem_answer(problem_of_action(error), router)
    logger.info("order acted on", order=order_id, action=action, status=acted.action.status)
    is_repeat = acted.is_replay and wish.id is not None
    return answer(HTTPStatus.OK, order_action_body(customer_id, acted), REPLAYED if is_repeat else None)
