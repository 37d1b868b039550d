"""API key authorizer: decides whether the bearer of a key may call this route, and under which name. It fails closed.

Request: payload format 2.0 of an HTTP API's REQUEST authorizer. Answer: the simple format, kept by API Gateway for a minute
by key and route. Without a header API Gateway itself answers 401. A refusal here is 403, an exception 500; neither lets a
call in.
"""

from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.access import AccessDeps, access_deps
from pancake_meter.domain.access.api_key import ApiKey, Refusal
from pancake_meter.http.access.caller import KeyCaller
from pancake_meter.http.access.routes import ROUTE_OF_KEY
from pancake_meter.invocation import in_time
from pancake_meter.usecases.access.authorize import authorize_key

logger = Logger()

PRODUCTION: Final = access_deps()

_HEADER_LENGTH_MAX = 200


@in_time()
def handler(event: Mapping[str, Any], context: LambdaContext, deps: AccessDeps = PRODUCTION) -> Mapping[str, Any]:
    """Authorize one request. Neither the key nor the event is ever logged."""
    found = authorize(event, deps)
    about = {"aws_request_id": context.aws_request_id, "route_key": event.get("routeKey")}
    if isinstance(found, str):
        logger.info("refused", extra={**about, "reason": found})
        return {"isAuthorized": False}
    caller = KeyCaller.of(found)
    logger.info("authorized", extra={**about, "key_name": caller.name})
    return {"isAuthorized": True, "context": caller.context}


def authorize(event: Mapping[str, Any], deps: AccessDeps) -> ApiKey | Refusal:
    """Return the key of the request, or why it may not call. Raises `StoreError` and `CorruptItem`."""
    route = ROUTE_OF_KEY.get(str(event.get("routeKey")))
    if route is None:
        return "unknown_route"
    key = _bearer(event.get("headers") or {})
    if key is None:
        return "malformed"
    return authorize_key(deps.table, deps.mode, key, route.roles, deps.clock(), _log_unmarked)


def _bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110)."""
    values = [value for name, value in headers.items() if name.lower() == "authorization"]
    if len(values) != 1 or len(values[0]) > _HEADER_LENGTH_MAX:
        return None
    scheme, _, token = values[0].strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _log_unmarked(error: Exception) -> None:
    logger.warning("the last use of a key is not noted", extra={"reason": type(error).__name__})
