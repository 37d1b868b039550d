"""API key authorizer: decides whether the bearer of a key may call, and under which name. It fails closed.

Request: payload format 2.0 of an HTTP API's REQUEST authorizer. Answer: the simple format, kept by API Gateway for a
minute. Without a header API Gateway itself answers 401. A refusal here is 403, an exception 500; neither lets a call in.
"""

from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pancake_meter.deps.stack import stack_table
from pancake_meter.domain.access.api_key import is_api_key
from pancake_meter.invocation import in_time
from pancake_meter.store.access.api_keys import read_api_key
from pancake_meter.store.table import Table

logger = Logger()

PRODUCTION: Final = stack_table()

_HEADER_LENGTH_MAX = 200
_REFUSED: Mapping[str, Any] = {"isAuthorized": False}


@in_time()
def handler(event: Mapping[str, Any], context: LambdaContext, table: Table = PRODUCTION) -> Mapping[str, Any]:
    """Authorize one request. Neither the key nor the event is ever logged."""
    answer = authorize(event, table)
    logger.info(
        "authorized" if answer["isAuthorized"] else "refused",
        extra={"aws_request_id": context.aws_request_id, "route_key": event.get("routeKey")},
    )
    return answer


def authorize(event: Mapping[str, Any], table: Table) -> Mapping[str, Any]:
    """Answer `{"isAuthorized", "context"}`; a malformed key costs no read. Raises `StoreError` and `CorruptItem`."""
    key = _bearer(event.get("headers") or {})
    if key is None or not is_api_key(key):
        return _REFUSED
    stored = read_api_key(table, key)
    if stored is None or not stored.is_active:
        return _REFUSED
    return {"isAuthorized": True, "context": {"key_name": stored.name}}


def _bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110)."""
    values = [value for name, value in headers.items() if name.lower() == "authorization"]
    if len(values) != 1 or len(values[0]) > _HEADER_LENGTH_MAX:
        return None
    scheme, _, token = values[0].strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
