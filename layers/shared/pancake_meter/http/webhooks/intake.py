"""Webhooks that are refused, as problems. One table from the reason to the status; no message quotes the request."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.problem import Problem
from pancake_meter.waffo.errors import (
    BodyTooLarge,
    MalformedEvent,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
    StaleSignature,
    WebhookRefused,
    WrongMode,
    WrongStore,
)

_ANSWERS: Final[Mapping[type[WebhookRefused], tuple[HTTPStatus, str]]] = {
    MissingSignature: (HTTPStatus.UNAUTHORIZED, "signature_missing"),
    MalformedSignature: (HTTPStatus.UNAUTHORIZED, "signature_malformed"),
    StaleSignature: (HTTPStatus.UNAUTHORIZED, "signature_stale"),
    SignatureMismatch: (HTTPStatus.UNAUTHORIZED, "signature_mismatch"),
    WrongMode: (HTTPStatus.FORBIDDEN, "wrong_mode"),
    WrongStore: (HTTPStatus.FORBIDDEN, "wrong_store"),
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"),
    # Only of a request whose own encoding is broken: a signed body that is no event is kept.
    MalformedEvent: (HTTPStatus.UNPROCESSABLE_ENTITY, "malformed_event"),
}


def problem_of_refusal(refusal: WebhookRefused) -> Problem:
    """Return the problem of a webhook request that changed nothing."""
    status, code = _ANSWERS[type(refusal)]
    return Problem(status, code, "The delivery was not accepted. Nothing was kept or changed.")
