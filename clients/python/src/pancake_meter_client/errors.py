"""What can go wrong, one class for each thing that a caller would do about it. ``code`` is the problem's stable code."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import httpx

from pancake_meter_client.retrying import retry_after_seconds

if TYPE_CHECKING:
    from pancake_meter_client.models import EventResult


class PancakeMeterError(Exception):
    """Base of all errors. ``request_id`` finds the request in the stack's logs; ``problem`` is the whole answer."""

    def __init__(self, status: int | None, problem: Mapping[str, Any]) -> None:
        """``status`` is ``None`` when there was no answer."""
        self.status = status
        self.problem = problem
        self.code: str = str(problem.get("code", "unknown"))
        self.request_id: str | None = problem.get("request_id")
        super().__init__(f"{self.code}: {problem.get('detail', 'no detail')}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the answer it was made of, with what was added since."""
        return type(self), (self.status, dict(self.problem)), self.__dict__.copy()


class QuotaRefused(PancakeMeterError):
    """The units may not be spent (402). ``code`` is the reason, such as ``quota_exhausted`` or ``overage_cap_reached``.

    ``purchase_url`` is a payment link for the customer, ``upgrade_url`` one to a higher plan; ``None`` where there is none.
    """

    def __init__(self, status: int | None, problem: Mapping[str, Any]) -> None:
        """Read the refusal."""
        from pancake_meter_client.models import Quota  # noqa: PLC0415 - the models raise these errors

        super().__init__(status, problem)
        self.quota: Quota | None = Quota.read_if_one(problem.get("quota"))
        self.resets_at: str | None = problem.get("resets_at")
        self.purchase_url: str | None = problem.get("purchase_url")
        self.upgrade_url: str | None = problem.get("upgrade_url")


class Conflict(PancakeMeterError):
    """The id belongs to something else, or the state does not allow it (409). Repeating does not help."""


class InvalidRequest(PancakeMeterError):
    """The request is malformed or names what is not there (400, 404, 413, 422). Nothing has changed.

    ``status`` is ``None`` where the client itself refused to send it.
    """


class Unauthorized(PancakeMeterError):
    """The API key is missing, unknown or revoked (401), or may not do this (403)."""


class TooManyRequests(PancakeMeterError):
    """Too fast, through every retry (429)."""

    retry_after_seconds: int | None = None
    """How long the API asks to wait."""


class Unavailable(PancakeMeterError):
    """No answer, or passing trouble, through every retry. The same call, with the same id, is safe to repeat."""


class UnexpectedAnswer(PancakeMeterError):
    """Something answered that is no pancake-meter, or not one that this client knows: check ``base_url``."""


class BadConfiguration(PancakeMeterError):
    """The base URL or the API key is missing or cannot be used. Nothing was sent."""


class UsageRefused(PancakeMeterError):
    """Some events were not counted: ``refused`` says which, and why. All others count."""

    refused: tuple["EventResult", ...] = ()


_GATEWAY: Final[Mapping[int, tuple[str, str]]] = {
    401: ("unauthorized", "the API key is missing or has the wrong form"),
    403: ("forbidden", "the API key is unknown, revoked or may not do this"),
    404: ("not_found", "there is no such route: is base_url the stack's ApiUrl?"),
    413: ("body_too_large", "the request is larger than the API takes: send less at once"),
    429: ("throttled", "too many requests at once"),
}
"""Codes and details of answers that come from the API's gateway, or from something before it, and are no problem+json."""


def error_of(response: httpx.Response) -> PancakeMeterError:
    """Return the error of an answer that is no success."""
    status, problem = response.status_code, _problem(response)
    if status < httpx.codes.BAD_REQUEST:
        return unexpected(response, "no success, and redirects are not followed")
    match status:
        case httpx.codes.PAYMENT_REQUIRED:
            kind: type[PancakeMeterError] = QuotaRefused
        case httpx.codes.CONFLICT:
            kind = Conflict
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            kind = Unauthorized
        case httpx.codes.TOO_MANY_REQUESTS:
            kind = TooManyRequests
        case _ if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            kind = Unavailable
        case _:
            kind = InvalidRequest
    error = kind(status, problem)
    if isinstance(error, TooManyRequests):
        error.retry_after_seconds = retry_after_seconds(response)
    return error


def unexpected(response: httpx.Response, why: str) -> UnexpectedAnswer:
    """Return the error of an answer that is not the API's: it says where the answer came from."""
    kind = response.headers.get("Content-Type", "no content type")
    location = response.headers.get("Location")
    to = f", to {location}" if location else ""
    detail = f"{_asked(response)} answered {response.status_code} ({kind}{to}): {why}. Is base_url the stack's ApiUrl?"
    return UnexpectedAnswer(response.status_code, {"code": "unexpected_answer", "detail": detail})


def invalid(code: str, detail: str) -> InvalidRequest:
    """Return the error of what is not sent, because it could only be refused."""
    return InvalidRequest(None, {"code": code, "detail": detail})


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    """Return the problem of an answer; one is made up where the answer is not ours, from its status."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and "code" in body:
        return body
    status = response.status_code
    default = ("gateway_error", "passing trouble") if status >= httpx.codes.INTERNAL_SERVER_ERROR else None
    code, detail = _GATEWAY.get(status) or default or ("unknown", "no problem of pancake-meter")
    said = body.get("message") if isinstance(body, dict) else None
    words = f" ({said})" if isinstance(said, str) else " (not by pancake-meter)" if body is None else ""
    request_id = response.headers.get("apigw-requestid") or response.headers.get("x-amzn-requestid")
    problem = {"code": code, "detail": f"{_asked(response)} answered {status}{words}: {detail}"}
    return problem if request_id is None else {**problem, "request_id": request_id}


def _asked(response: httpx.Response) -> str:
    """The request without its query: a cursor in it is long, and says nothing."""
    return f"{response.request.method} {response.request.url.copy_with(query=None)}"
