"""Problems: RFC 9457 answers. The table from errors to statuses is here, and no code reads message texts.

Functions without routes answer with problems too: neither pydantic nor the resolver of Powertools is imported for that.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pancake_meter.domain.access.customer_token import TokenRefusal
from pancake_meter.domain.errors import DomainError
from pancake_meter.faults import Fault, faults
from pancake_meter.http.foreign_cursor import ForeignCursor
from pancake_meter.http.json import BodyTooLarge, MalformedJson
from pancake_meter.store.errors import StoreError
from pancake_meter.value import Value, field

if TYPE_CHECKING:
    from pydantic import ValidationError

PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1

_STATUS_OF_CODE: Final[Mapping[str, HTTPStatus]] = {
    "unknown_meter": HTTPStatus.NOT_FOUND,
    "unknown_plan": HTTPStatus.NOT_FOUND,
    "unreadable_usage": HTTPStatus.BAD_REQUEST,
    "too_many_events": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "parked_usage_not_found": HTTPStatus.NOT_FOUND,
    "hold_not_found": HTTPStatus.NOT_FOUND,
    "customer_not_found": HTTPStatus.NOT_FOUND,
    "customer_erased": HTTPStatus.GONE,
    "checkout_not_found": HTTPStatus.NOT_FOUND,
    "checkout_of_no_units": HTTPStatus.CONFLICT,
    "payment_not_found": HTTPStatus.NOT_FOUND,
    "payment_not_flagged": HTTPStatus.CONFLICT,
    "resolution_conflict": HTTPStatus.CONFLICT,
    "refund_conflict": HTTPStatus.CONFLICT,
    "refund_too_large": HTTPStatus.CONFLICT,
    "too_many_refunds": HTTPStatus.CONFLICT,
    "payment_not_refundable": HTTPStatus.CONFLICT,
    "refund_refused": HTTPStatus.CONFLICT,
    "order_not_found": HTTPStatus.NOT_FOUND,
    "wrong_order_status": HTTPStatus.CONFLICT,
    "delivery_not_found": HTTPStatus.NOT_FOUND,
    "alert_not_found": HTTPStatus.NOT_FOUND,
    "endpoint_not_found": HTTPStatus.NOT_FOUND,
    "endpoint_disabled": HTTPStatus.CONFLICT,
    "no_endpoint": HTTPStatus.CONFLICT,
    "too_many_endpoints": HTTPStatus.CONFLICT,
    "too_many_secrets": HTTPStatus.CONFLICT,
    "api_key_not_found": HTTPStatus.NOT_FOUND,
    "api_key_not_active": HTTPStatus.CONFLICT,
    "own_api_key": HTTPStatus.CONFLICT,
    "longer_lived_admin": HTTPStatus.CONFLICT,
    "caller_key_not_active": HTTPStatus.FORBIDDEN,
    "scope_not_allowed": HTTPStatus.FORBIDDEN,
    "delivery_not_open": HTTPStatus.CONFLICT,
    "delivery_of_another_customer": HTTPStatus.CONFLICT,
    "delivery_body_removed": HTTPStatus.CONFLICT,
    "hold_conflict": HTTPStatus.CONFLICT,
    "event_conflict": HTTPStatus.CONFLICT,
    "forgiveness_conflict": HTTPStatus.CONFLICT,
    "gift_conflict": HTTPStatus.CONFLICT,
    "idempotency_conflict": HTTPStatus.CONFLICT,
    "grant_not_found": HTTPStatus.NOT_FOUND,
    "grant_not_voidable": HTTPStatus.CONFLICT,
    "too_many_orders": HTTPStatus.CONFLICT,
    "order_too_large": HTTPStatus.CONFLICT,
    "subscription_too_large": HTTPStatus.CONFLICT,
    "too_many_grants": HTTPStatus.CONFLICT,
    "too_many_lines": HTTPStatus.CONFLICT,
    "nothing_owed": HTTPStatus.CONFLICT,
    "below_minimum": HTTPStatus.CONFLICT,
    "not_for_sale": HTTPStatus.CONFLICT,
    "already_subscribed": HTTPStatus.CONFLICT,
    "plan_not_changeable": HTTPStatus.CONFLICT,
    "customer_blocked": HTTPStatus.CONFLICT,
}
"""The status of each domain error's code. A code that is not here is malformed content: 422."""


class Problem(Value):
    """One problem: ``code`` is stable and for programs, ``detail`` is for people, ``extra`` are further members.

    ``errors`` says what is wrong with which field.
    """

    status: HTTPStatus
    code: str
    detail: str
    extra: Mapping[str, object] = field(default_factory=dict)
    retry_after_seconds: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: list[Fault] = field(default_factory=list)

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the members of the JSON object."""
        return {
            "type": f"urn:pancake-meter:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
            **self.extra,
            **({"errors": self.errors} if self.errors else {}),
        }

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers of the answer, but for its content type."""
        after = self.retry_after_seconds
        return {**self.headers} if after is None else {**self.headers, "Retry-After": str(after)}


def status_of(error: DomainError) -> HTTPStatus:
    """Return the HTTP status of a request that the domain refused."""
    return _STATUS_OF_CODE.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)


def problem_of_domain(error: DomainError) -> Problem:
    """Return the problem of a request that the domain refused."""
    return Problem(status_of(error), error.code, str(error), error.details)


def problem_of_validation(error: "ValidationError") -> Problem:
    """Return the problem of a body with wrong fields: the faults of the first 20 fields, without their values."""
    return problem_of_faults(faults(error))


def problem_of_faults(errors: list[Fault]) -> Problem:
    """Return the problem of a request with these faults in its fields."""
    detail = "The request has wrong fields."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail, errors=errors)


def problem_of_cursor(error: ForeignCursor) -> Problem:
    """Return the problem of a cursor that is not of the list that it was sent for."""
    return problem_of_faults([{"field": "cursor", "fault": str(error)}])


def problem_of_json(error: MalformedJson) -> Problem:
    """Return the problem of a body that is not JSON."""
    return Problem(HTTPStatus.BAD_REQUEST, "malformed_json", str(error))


def problem_of_size(error: BodyTooLarge) -> Problem:
    """Return the problem of a body that is too large: ``maximum`` is how many bytes it may have."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"{error}.".capitalize(), {"maximum": error.bytes_max}
    )


def problem_of_store(_: StoreError) -> Problem:
    """Return the problem of passing trouble: nothing is lost, and the same request may be repeated."""
    detail = "Something is briefly unavailable. Repeat the same request: it cannot count twice."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retry_after_seconds=RETRY_AFTER_SECONDS)


def problem_of_method(allowed: str) -> Problem:
    """Return the problem of a wrong method; ``allowed`` is the only method of the URL."""
    detail = f"This URL takes {allowed} only."
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail, headers={"Allow": allowed})


def problem_of_token(refusal: TokenRefusal) -> Problem:
    """Return the problem of a customer token that the authorizer let in a moment ago, and that has no say any more."""
    if refusal == "expired":
        return Problem(HTTPStatus.UNAUTHORIZED, "token_expired", "The customer token has expired; ask for a new one.")
    return problem_not_authorized()


def problem_other_customer() -> Problem:
    """Return the problem of a customer token that is used for another customer."""
    return Problem(HTTPStatus.FORBIDDEN, "other_customer", "The customer token is not for this customer.")


def problem_not_authorized() -> Problem:
    """Return the problem of a call of which the authorizer did not say what it may do."""
    return Problem(HTTPStatus.FORBIDDEN, "not_authorized", "The call may not use this route.")


def problem_not_operator() -> Problem:
    """Return the problem of a call that sets a limit which is the operator's to set."""
    detail = "Only an API key with the role operate sets these limits; a customer sets the spend cap."
    return Problem(HTTPStatus.FORBIDDEN, "limit_not_allowed", detail)


def problem_not_found() -> Problem:
    """Return the problem of a route that does not exist."""
    return Problem(HTTPStatus.NOT_FOUND, "no_such_route", "There is nothing at this path for this method.")
