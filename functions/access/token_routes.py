"""Customer tokens: a backend asks for one, and gives it to the customer's browser or app. No log has a token."""

from http import HTTPStatus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter.deps.access import AccessDeps
from pancake_meter.domain.access.customer_token import SCOPES, ScopeNotAllowed
from pancake_meter.http.access.caller import key_caller_of
from pancake_meter.http.access.routes import scopes_of
from pancake_meter.http.access.tokens import TokenRequest, token_body
from pancake_meter.http.idempotency import REPLAYED, once_of
from pancake_meter.http.request import answer, body
from pancake_meter.http.resolver import Router
from pancake_meter.usecases.access.customer_token import MadeToken, make_token, make_token_once

logger = Logger()
router = Router[AccessDeps]()


@router.post("/v1/customers/<customer_id>/tokens")
def post_token(customer_id: str) -> Response[str]:
    """Make a token for one customer. A key gives no more than it may do itself. No token is stored."""
    request = TokenRequest.model_validate(body(router) if router.current_event.body else {})
    caller = key_caller_of(router.current_event.raw_event)
    may_give = scopes_of(caller.roles) if caller is not None else frozenset()
    wanted = frozenset(request.scopes)
    if not wanted <= may_give:
        raise ScopeNotAllowed(
            "the API key may not do itself all that the token would allow",
            allowed=[scope for scope in SCOPES if scope in may_give],
        )
    deps = router.deps
    now = deps.clock()
    once = once_of(router, request, customer_id)
    if once is None:
        made = MadeToken(*make_token(deps.tokens, customer_id, wanted, request.life, now), now)
    else:
        made = make_token_once(deps.table, deps.tokens, once, customer_id, wanted, request.life, now)
    logger.info("customer token made", made_token_id=made.token.id, scopes=sorted(wanted))
    headers = {"Cache-Control": "no-store", **(REPLAYED if made.is_replay else {})}
    return answer(HTTPStatus.CREATED, token_body(made.text, made.token, made.at), headers)
