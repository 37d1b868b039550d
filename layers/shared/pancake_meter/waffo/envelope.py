"""Waffo's answer envelope: ``{"data": {...}|null, "errors": [...]?, "warnings": [...]?}``.

What decides is the errors, then the status, then the data: a 2xx can carry errors and is then a failure.
"""

from collections.abc import Mapping
from http import HTTPStatus

from pancake_meter.value import Value
from pancake_meter.waffo.bounded_json import UnreadableJson, is_object, read_json_object
from pancake_meter.waffo.errors import (
    Notice,
    WaffoApiError,
    WaffoInFlight,
    WaffoRejected,
    WaffoUnavailable,
    WaffoUnreadable,
)

MAX_NOTICES = 10
MAX_NOTICE_LENGTH = 300


class Answer(Value):
    """A successful answer: its data, and the warnings (deprecation notices) that came with it."""

    data: Mapping[str, object]
    warnings: tuple[Notice, ...]


def read_answer(operation: str, status: int, body: bytes, *, has_idempotency_key: bool) -> Answer:
    """The data of an answer, or the error it stands for.

    Raises:
        WaffoUnavailable: 429 or 5xx (but 501), whatever the body.
        WaffoInFlight: 409 to a request with an idempotency key.
        WaffoRejected: any other status that is not 2xx; a 2xx with errors or without data.
        WaffoUnreadable: a 2xx that is not an envelope.
    """
    envelope, unreadable = _read(body)
    errors = _notices(envelope, "errors")
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise _failure(operation, status, errors, has_idempotency_key=has_idempotency_key)
    if unreadable is not None:
        raise WaffoUnreadable(operation, f"the answer {unreadable}", status=status)
    data = envelope.get("data")
    if envelope.get("errors"):  # also when they are not of the promised form
        raise WaffoRejected(operation, _problem(status, errors), status=status, notices=errors)
    if data is None:
        raise WaffoRejected(operation, f"HTTP {status} without data", status=status)
    if not is_object(data):
        raise WaffoUnreadable(operation, "data is not a JSON object", status=status)
    return Answer(data=data, warnings=_notices(envelope, "warnings"))


def _read(body: bytes) -> tuple[Mapping[str, object], str | None]:
    try:
        return read_json_object(body), None
    except UnreadableJson as error:
        return {}, error.problem


def _failure(operation: str, status: int, errors: tuple[Notice, ...], *, has_idempotency_key: bool) -> WaffoApiError:
    kind: type[WaffoApiError] = WaffoRejected
    if status == HTTPStatus.CONFLICT and has_idempotency_key:
        kind = WaffoInFlight
    elif status == HTTPStatus.TOO_MANY_REQUESTS or _is_passing(status):
        kind = WaffoUnavailable
    return kind(operation, _problem(status, errors), status=status, notices=errors)


def _is_passing(status: int) -> bool:
    """Whether a server's trouble may pass: what is not implemented today is not in a second either."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED


def _problem(status: int, errors: tuple[Notice, ...]) -> str:
    return f"HTTP {status}: {errors[0].message}" if errors else f"HTTP {status}"


def _notices(envelope: Mapping[str, object], name: str) -> tuple[Notice, ...]:
    entries = envelope.get(name)
    if not isinstance(entries, list):
        return ()
    return tuple(_notice(entry) for entry in entries[:MAX_NOTICES] if is_object(entry))


def _notice(entry: Mapping[str, object]) -> Notice:
    return Notice(
        message=_text(entry.get("message")) or "(no message)",
        layer=_text(entry.get("layer")),
        ai_hint=_text(entry.get("aiHint")),
    )


def _text(value: object) -> str | None:
    return value[:MAX_NOTICE_LENGTH] if isinstance(value, str) and value else None
