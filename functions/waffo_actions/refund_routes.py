"""Refunds that the operator asks for."""

from decimal import Decimal
from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.waffo_actions import WaffoActionsDeps
from pancake_meter.http.idempotency import REPLAYED, required_id
from pancake_meter.http.request import answer, body, problem_answer
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.http.selling.order_actions import problem_of_action
from pancake_meter.http.selling.payments import RefundPaymentRequest, refund_asked_body
from pancake_meter.usecases.selling.refund_payment import RefundWish, refund_payment
from pancake_meter.waffo.errors import WaffoApiError

logger = Logger()
router = Router[WaffoActionsDeps]()


@router.post("/v1/payments/<payment_id>/refund")
@takes_body
def post_refund(payment_id: str) -> Response[str]:
    """Ask Waffo for a refund, once for each id; a repeat is answered as the first request was."""
    request = RefundPaymentRequest.model_validate(body(router))
    deps = router.deps
    amount = Decimal(request.amount) if request.amount is not None else None
    wish = RefundWish(required_id(router, request.id), amount, request.reason, router.key_name)
    try:
        asked = refund_payment(deps.refunding, payment_id, wish, deps.clock())
    except WaffoApiError as error:
        logger.warning("Waffo took no refund", extra={"operation": error.operation, "reason": str(error)})
        return problem_answer(problem_of_action(error), router)
    logger.info("refund requested", payment=payment_id, ticket=asked.request.ticket_id, replayed=asked.is_replay)
    shown = refund_asked_body(asked.payment, asked.request, replayed=asked.is_replay)
    return answer(HTTPStatus.CREATED, shown, REPLAYED if asked.is_replay else None)
