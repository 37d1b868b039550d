"""Customer tokens: a backend asks for one, and gives it to the customer's browser or app. No log has a token."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.customer_token import SCOPES, ScopeNotAllowed
from pancake_meter.domain.access.pseudonym import check_live_customer_id
from pancake_meter.http.access.caller import key_caller_of
from pancake_meter.http.access.routes import scopes_of
from pancake_meter.http.access.tokens import TokenRequest, token_body
from pancake_meter.http.idempotency import REPLAYED, once_of
from pancake_meter.http.request import answer, optional_body
from pancake_meter.http.resolver import Router, takes_body
from pancake_meter.usecases.access.customer_token import MadeToken, make_token, make_token_once
from pancake_meter.usecases.access.manage_keys import check_caller

logger = Logger()
router = Router[AccessDeps]()


@router.post("/v1/customers/<customer_id>/tokens")
@takes_body
def post_token(customer_id: str) -> Response[str]:
    """Make a token for one customer. A key gives no more than it may do itself. No token is stored."""
    check_live_customer_id(customer_id)
    request = TokenRequest.model_validate(optional_body(router))
    deps = router.deps
    now = deps.clock()
    caller = key_caller_of(router.current_event.raw_event)
    # API Gateway may remember a key for a minute after it was revoked, and a token would outlive that.
    key = check_caller(deps.table, caller.key_id if caller is not None else "", now)
    may_give = scopes_of(key.roles)
    wanted = frozenset(request.scopes)
    if not wanted <= may_give:
        raise ScopeNotAllowed(
            "the API key may not do itself all that the token would allow",
            allowed=[scope for scope in SCOPES if scope in may_give],
        )
    deps.erasures.check_not_erased(customer_id)
    once = once_of(router, request, customer_id)
    if once is None:
        made = MadeToken(*make_token(deps.tokens, customer_id, wanted, request.life, now), now)
    else:
        made = make_token_once(deps.table, deps.tokens, once, customer_id, wanted, request.life, now)
    logger.info("customer token made", made_token_id=made.token.id, customer_id=customer_id, scopes=sorted(wanted))
    headers = {"Cache-Control": "no-store", **(REPLAYED if made.is_replay else {})}
    return answer(HTTPStatus.CREATED, token_body(made.text, made.token, made.at), headers)
