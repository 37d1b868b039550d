"""Access: cut off with a reason, and opened again. Holds in flight may settle, and usage counts all the same."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.balance.access import BlockRequest, UnblockRequest, access_body
from pancake_meter.http.request import answer, body, optional_body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.usecases.balance.operate import block, block_customer

logger = Logger()
router = Router[MeteringDeps]()


@router.post("/v1/customers/<customer_id>/block")
@takes_body
def post_block(customer_id: str) -> Response[str]:
    """Cut off one meter, or all that the customer has and will have."""
    request = BlockRequest.model_validate(body(router))
    return _set(customer_id, request.meter, request.reason)


@router.post("/v1/customers/<customer_id>/unblock")
@takes_body
def post_unblock(customer_id: str) -> Response[str]:
    """Open one meter, or all. A body is not needed."""
    request = UnblockRequest.model_validate(optional_body(router))
    return _set(customer_id, request.meter, None)


def _set(customer_id: str, meter: str | None, reason: str | None) -> Response[str]:
    check_live_customer_id(customer_id)
    deps, by = router.deps, router.key_name
    if meter is None:
        balances = block_customer(deps.metering, customer_id, reason, deps.clock(), by=by)
    else:
        balances = [block(deps.metering, customer_id, meter, reason, deps.clock(), by=by)]
    logger.info("access set", extra={"is_blocked": reason is not None, "meter": meter})
    return answer(HTTPStatus.OK, access_body(customer_id, meter, reason, balances))
