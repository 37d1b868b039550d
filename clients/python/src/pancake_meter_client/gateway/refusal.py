"""Our refusals as the gateway's: a status, what the client is told, and how long to wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pancake_meter_client.errors import Conflict, InvalidRequest, PancakeMeterError, QuotaRefused, TooManyRequests

RETRY_AFTER_SECONDS: Final = 1
_TOLD: Final = ("reason", "purchase_url", "upgrade_url", "resets_at")


@dataclass(frozen=True, slots=True)
class GatewayRefusal:
    """What the gateway answers its client instead of calling the model."""

    status: HTTPStatus
    detail: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def refusal_of(error: PancakeMeterError) -> GatewayRefusal:
    """Return what a client is told of a hold that was refused.

    402 sells: the reason, where to buy, and when units start afresh. What the client cannot help (our key is wrong, say) is
    503, and says nothing of why.
    """
    match error:
        case QuotaRefused():
            told = _told(error.problem)
            if error.quota is not None:
                told["available"] = str(error.quota.available)
            return GatewayRefusal(HTTPStatus.PAYMENT_REQUIRED, _detail(error, "Payment required", **told))
        case TooManyRequests():
            wait = error.retry_after_seconds or RETRY_AFTER_SECONDS
            return GatewayRefusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                _detail(error, "Too many requests", **_told(error.problem)),
                {"Retry-After": str(wait)},
            )
        case Conflict():
            return GatewayRefusal(HTTPStatus.CONFLICT, _detail(error, "The call's id is in use"))
        case InvalidRequest() if error.code == "invalid_customer_id":
            return GatewayRefusal(HTTPStatus.BAD_REQUEST, _detail(error, "The customer's id has a wrong form"))
        case _:
            return unavailable()


def unavailable() -> GatewayRefusal:
    """Return what a client is told where the quota cannot be asked."""
    return GatewayRefusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        {
            "code": "metering_unavailable",
            "title": "Service unavailable",
            "detail": "The quota cannot be checked just now. Try again in a moment.",
        },
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def customer_unknown() -> GatewayRefusal:
    """Return what a client is told whose key, team and request name no customer."""
    return GatewayRefusal(
        HTTPStatus.FORBIDDEN,
        {
            "code": "customer_unknown",
            "title": "Forbidden",
            "detail": "The request does not say whose it is, or not in a way that is trusted.",
        },
    )


def call_type_refused(call_type: str) -> GatewayRefusal:
    """Return what a client is told whose kind of call the settings do not allow."""
    return GatewayRefusal(
        HTTPStatus.FORBIDDEN,
        {
            "code": "call_type_refused",
            "title": "Forbidden",
            "detail": f"Calls of this kind ({call_type}) cannot be held to a quota and are not allowed here.",
        },
    )


def call_id_not_accepted() -> GatewayRefusal:
    """Return what a client is told who brings an id for the call: one id twice would count once."""
    return GatewayRefusal(
        HTTPStatus.BAD_REQUEST,
        {
            "code": "call_id_not_accepted",
            "title": "Bad request",
            "detail": "Leave out the x-litellm-call-id header: the proxy makes the id.",
        },
    )


def _detail(error: PancakeMeterError, title: str, **more: Any) -> dict[str, Any]:
    detail = str(error.problem.get("detail") or title)
    request_id = {"request_id": error.request_id} if error.request_id else {}
    return {"code": error.code, "title": title, "detail": detail, **more, **request_id}


def _told(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {name: problem[name] for name in _TOLD if problem.get(name) is not None}
