"""What can go wrong, one class for each thing that a caller would do about it. ``code`` is the problem's stable code."""

from collections.abc import Mapping
from typing import Any

import httpx

from pancake_meter_client.models import Quota
from pancake_meter_client.retrying import retry_after_seconds


class PancakeMeterError(Exception):
    """Base of all errors. ``request_id`` finds the request in the stack's logs; ``problem`` is the whole answer."""

    def __init__(self, status: int | None, problem: Mapping[str, Any]) -> None:
        """``status`` is ``None`` when there was no answer."""
        self.status = status
        self.problem = problem
        self.code: str = str(problem.get("code", "unknown"))
        self.request_id: str | None = problem.get("request_id")
        super().__init__(f"{self.code}: {problem.get('detail', 'no detail')}")


class QuotaRefused(PancakeMeterError):
    """The units may not be spent (402). ``code`` is the reason, such as ``quota_exhausted`` or ``overage_cap_reached``.

    ``purchase_url`` is a payment link for the customer, ``upgrade_url`` one to a higher plan; ``None`` where there is none.
    """

    def __init__(self, status: int | None, problem: Mapping[str, Any]) -> None:
        """Read the refusal."""
        super().__init__(status, problem)
        quota = problem.get("quota")
        self.quota: Quota | None = Quota.read(quota) if quota else None
        self.resets_at: str | None = problem.get("resets_at")
        self.purchase_url: str | None = problem.get("purchase_url")
        self.upgrade_url: str | None = problem.get("upgrade_url")


class Conflict(PancakeMeterError):
    """The id belongs to something else, or the state does not allow it (409). Repeating does not help."""


class InvalidRequest(PancakeMeterError):
    """The request is malformed or names what is not there (400, 404, 422). Nothing has changed."""


class Unauthorized(PancakeMeterError):
    """The API key is missing, unknown or revoked (401, 403)."""


class TooManyRequests(PancakeMeterError):
    """Too fast, through every retry (429)."""

    retry_after_seconds: int | None = None
    """How long the API asks to wait."""


class Unavailable(PancakeMeterError):
    """No answer, or passing trouble, through every retry. The same call, with the same id, is safe to repeat."""


def error_of(response: httpx.Response) -> PancakeMeterError:
    """Return the error of an answer that is no success."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    problem = body if isinstance(body, dict) else {}
    match response.status_code:
        case httpx.codes.PAYMENT_REQUIRED:
            kind: type[PancakeMeterError] = QuotaRefused
        case httpx.codes.CONFLICT:
            kind = Conflict
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            kind = Unauthorized
        case httpx.codes.TOO_MANY_REQUESTS:
            kind = TooManyRequests
        case status if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            kind = Unavailable
        case _:
            kind = InvalidRequest
    error = kind(response.status_code, problem)
    if isinstance(error, TooManyRequests):
        error.retry_after_seconds = retry_after_seconds(response)
    return error
