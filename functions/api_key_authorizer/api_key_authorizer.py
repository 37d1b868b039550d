"""Authorizer: decides whether the bearer of an API key or a customer token may call this route. It fails closed.

Request: payload format 2.0 of an HTTP API's REQUEST authorizer. Answer: the simple format, kept by API Gateway for a minute
by bearer and route. Without a header API Gateway itself answers 401. A refusal here is 403, an exception 500; neither lets a
call in.
"""

import pancake_meter.cold_start  # noqa: F401 - stops the search for garbage

from collections.abc import Mapping
from typing import Any, Final, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.authorizer import AuthorizerDeps, authorizer_deps
from pancake_meter.domain.access.api_key import ApiKey, KeyRefusal, RefusedKey
from pancake_meter.domain.access.customer_token import CustomerToken, TokenRefusal
from pancake_meter.http.access.caller import KeyCaller, token_context
from pancake_meter.http.access.routes import ROUTE_OF_KEY
from pancake_meter.invocation import in_time, mask_log
from pancake_meter.usecases.access.authorize import authorize_key
from pancake_meter.usecases.access.customer_token import TOKEN_LENGTH_MAX, read_token

logger = Logger()

mask_log()

PRODUCTION: Final = authorizer_deps()

_SCHEME: Final = "bearer "
_DOTS_OF_A_TOKEN: Final = 2


@in_time()
def handler(event: Mapping[str, Any], context: LambdaContext, deps: AuthorizerDeps = PRODUCTION) -> Mapping[str, Any]:
    """Authorize one request. Neither key nor token nor the event is ever logged."""
    found = authorize(event, deps)
    about = {"aws_request_id": context.aws_request_id, "route_key": event.get("routeKey")}
    if isinstance(found, RefusedKey):
        key = found.key
        logger.info("refused", extra={**about, "reason": found.reason, "key_name": key.plain_name, "key_id": key.id})
        return {"isAuthorized": False}
    if isinstance(found, str):
        logger.info("refused", extra={**about, "reason": found})
        return {"isAuthorized": False}
    if isinstance(found, CustomerToken):
        logger.info("authorized", extra={**about, "token_id": found.id})
        return {"isAuthorized": True, "context": token_context(found)}
    caller = KeyCaller.of(found)
    logger.info("authorized", extra={**about, "key_name": caller.name})
    return {"isAuthorized": True, "context": caller.context}


def authorize(
    event: Mapping[str, Any], deps: AuthorizerDeps
) -> ApiKey | CustomerToken | RefusedKey | KeyRefusal | TokenRefusal | Literal["unknown_route"]:
    """Return the key or the token of the request, or why it may not call. Raises `StoreError` and `CorruptItem`."""
    route = ROUTE_OF_KEY.get(str(event.get("routeKey")))
    if route is None:
        return "unknown_route"
    bearer = _bearer(event.get("headers") or {})
    if bearer is None:
        return "malformed"
    if bearer.count(".") != _DOTS_OF_A_TOKEN:
        return authorize_key(deps.table, deps.mode, bearer, route.roles, deps.clock(), _log_unmarked)
    if route.scope is None:
        return "no_scope"
    now = deps.clock()
    token = read_token(deps.tokens, bearer, now)
    return token if isinstance(token, str) else token.refusal_at(route.scope, now) or token


def _bearer(headers: Mapping[str, str]) -> str | None:
    """Return what `Authorization: Bearer <...>` bears; the scheme's case does not matter (RFC 9110)."""
    values = [value for name, value in headers.items() if name.lower() == "authorization"]
    if len(values) != 1 or len(values[0]) > TOKEN_LENGTH_MAX:
        return None
    value = values[0].strip()
    return value[len(_SCHEME) :].strip() if value.lower().startswith(_SCHEME) else None


def _log_unmarked(error: Exception) -> None:
    logger.warning("the last use of a key is not noted", extra={"reason": type(error).__name__})
