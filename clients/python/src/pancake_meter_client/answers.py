"""Reading answers: the same for both clients."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import httpx

from pancake_meter_client.calls import Call
from pancake_meter_client.errors import Unavailable, error_of, unexpected

Answer = TypeVar("Answer")


def read(call: Call[Answer], response: httpx.Response) -> Answer:
    """Return what the call was answered; raise the ``PancakeMeterError`` of a refusal, or of an answer that is not ours."""
    body = _results(response) if response.status_code in call.refusals else None
    if body is None:
        if not response.is_success:
            raise error_of(response)
        try:
            body = json.loads(response.text, parse_float=Decimal)
        except ValueError as error:
            raise unexpected(response, "no JSON") from error
    try:
        return call.read(body)
    except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise unexpected(response, "JSON of another shape than pancake-meter's") from error


def no_answer(error: Exception, base_url: str, deadline_seconds: float) -> Unavailable:
    """Return the error of a request that got no answer within its deadline."""
    said = str(error)
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    hint = " Is it http:// instead of https://?" if "SSL" in said or "disconnected" in said else ""
    detail = f"no answer from {base_url} within {deadline_seconds:g} s ({what}).{hint}"
    return Unavailable(None, {"code": "no_answer", "detail": detail})


def _results(response: httpx.Response) -> Mapping[str, Any] | None:
    """What became of each of a batch in which everything was refused; ``None`` for any other refusal."""
    try:
        body = json.loads(response.text, parse_float=Decimal)
    except ValueError:
        return None
    return body if isinstance(body, dict) and not body.keys().isdisjoint(_BY_ITEM) else None


_BY_ITEM = frozenset({"results", "refused_items"})
