"""Grants: units that the operator gives, what a customer has, and what is taken back."""

from http import HTTPStatus
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.metering import MeteringDeps
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.balance.grants import GrantRequest, GrantsQuery, given_body, grants_body, voided_body
from pancake_meter.http.idempotency import REPLAYED, caller_made_id
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.usecases.balance.grants import give_units, held_grants, void_units

router = Router[MeteringDeps]()


@router.post("/v1/customers/<customer_id>/grants")
@takes_body
def post_grant(customer_id: str) -> Response[str]:
    """Give units, once for each id; a repeat is answered as the first request was."""
    check_live_customer_id(customer_id)
    request = GrantRequest.model_validate(body(router))
    gift_id = caller_made_id(router, request.id) or uuid4().hex
    deps = router.deps
    given, is_replay = give_units(
        deps.metering, customer_id, request.meter, gift_id, request.gift, deps.clock(), by=router.key_name
    )
    return answer(HTTPStatus.CREATED, given_body(given), REPLAYED if is_replay else None)


@router.get("/v1/customers/<customer_id>/grants")
def get_grants(customer_id: str, query: GrantsQuery) -> Response[str]:
    """Grants on the customer's balances, in burn order."""
    deps = router.deps
    now = deps.clock()
    return answer(
        HTTPStatus.OK, grants_body(customer_id, held_grants(deps.metering, customer_id, query.meter, now), now)
    )


@router.post("/v1/customers/<customer_id>/grants/<grant_id>/void")
def post_void(customer_id: str, grant_id: str) -> Response[str]:
    """Take away what is left of units that were given by hand, once."""
    deps = router.deps
    given, voided, is_replay = void_units(deps.metering, customer_id, grant_id, deps.clock(), by=router.key_name)
    return answer(HTTPStatus.OK, voided_body(given, voided, is_replay=is_replay))
