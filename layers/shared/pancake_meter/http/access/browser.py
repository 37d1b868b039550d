"""Browsers: which origins may call the routes of customer tokens, and what their preflight is answered.

API Gateway's own CORS settings are those of the whole API. So we answer ourselves, for the routes with a scope and no other:
a page of an allowed origin can send nothing else there than a customer's token could.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pancake_meter.http.access.routes import ROUTE_OF_KEY, browser_methods

PREFLIGHT_SECONDS: Final = 7200
"""For so long a browser keeps the answer to a preflight; none keeps it longer."""

SHOWN: Final = "Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After"
"""Headers of an answer that a page may read."""

_SENT: Final = "Authorization, Content-Type, Idempotency-Key"


def preflight(event: Mapping[str, Any], origins: Sequence[str]) -> dict[str, Any]:
    """Return the answer to a preflight: 204, with what is allowed where the origin and the path are ours to allow."""
    methods = browser_methods(str(event.get("rawPath", "")))
    origin = _allowed_origin(event, origins)
    headers = {"Vary": "Origin", "Cache-Control": "no-store"}
    if methods and origin is not None:
        headers |= {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": _SENT,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
    return {"statusCode": HTTPStatus.NO_CONTENT.value, "headers": headers, "body": ""}


def shown_to_browsers(event: Mapping[str, Any], answer: Any, origins: Sequence[str]) -> Any:
    """Return an answer that a page of an allowed origin may read, where a customer token opens the route."""
    route = ROUTE_OF_KEY.get(str(event.get("routeKey")))
    origin = _allowed_origin(event, origins)
    if route is None or route.scope is None or origin is None:
        return answer
    shown = {"Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": SHOWN}
    return {**answer, "headers": {**(answer.get("headers") or {}), **shown}}


def _allowed_origin(event: Mapping[str, Any], origins: Sequence[str]) -> str | None:
    headers = event.get("headers") or {}
    origin = next((value for name, value in headers.items() if name.lower() == "origin"), None)
    return origin if origin in origins else None
