"""Reading answers: the same for both clients."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from pancake_meter_client.calls import Call
from pancake_meter_client.errors import Unavailable, error_of

Answer = TypeVar("Answer")


def read(call: Call[Answer], response: httpx.Response) -> Answer:
    """Return what the call was answered; raise the ``PancakeMeterError`` of a refusal."""
    body = _results(response) if response.status_code in call.refusals else None
    if body is None:
        if not response.is_success:
            raise error_of(response)
        body = json.loads(response.text, parse_float=Decimal)
    return call.read(body)


def no_answer(error: httpx.TransportError) -> Unavailable:
    """Return the error of a request that got no answer."""
    detail = f"no answer: {type(error).__name__}"
    return Unavailable(None, {"code": "no_answer", "detail": detail})


def _results(response: httpx.Response) -> Mapping[str, Any] | None:
    """The per-item results of a batch in which everything was refused; ``None`` for any other refusal."""
    try:
        body = json.loads(response.text, parse_float=Decimal)
    except ValueError:
        return None
    return body if isinstance(body, dict) and "results" in body else None
