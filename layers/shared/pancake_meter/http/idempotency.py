"""What makes a request happen once: the caller's ``id`` in the body, or the header ``Idempotency-Key`` in its place.

The header is that of draft-ietf-httpapi-idempotency-key-header: a structured field string (``"8e03978e"``), or the bare text
that most clients send.
"""

import re
from typing import ClassVar, Final

from pydantic import BaseModel

from pancake_meter.domain.access.once import Once
from pancake_meter.domain.errors import DomainError
from pancake_meter.http.request import Routes

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = {"Idempotency-Replayed": "true"}
"""Marks an answer that an earlier request with the same id or key was given."""

KEY_PATTERN: Final = r"^[A-Za-z0-9_.:-]{1,64}$"
_KEY: Final = re.compile(KEY_PATTERN[1:-1])


class InvalidIdempotencyKey(DomainError):
    """The header has a wrong form, or says something else than the ``id`` of the body."""

    code: ClassVar[str] = "invalid_idempotency_key"


def idempotency_key(app: Routes) -> str | None:
    """Return the key of the header, ``None`` without one.

    Raises:
        InvalidIdempotencyKey: it has a wrong form.
    """
    headers = app.current_event.headers or {}
    stated = next((value for name, value in headers.items() if name.lower() == HEADER.lower()), None)
    if stated is None:
        return None
    text = stated.strip()
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if _KEY.fullmatch(key) is None:
        raise InvalidIdempotencyKey("an Idempotency-Key is 1 to 64 characters of A-Z a-z 0-9 _ . : -")
    return key


def once_of(app: Routes, request: BaseModel, subject: str = "") -> Once | None:
    """Return what makes the request in hand happen once, ``None`` without the header; ``subject`` is what its path names.

    Raises:
        InvalidIdempotencyKey: the header has a wrong form.
    """
    key = idempotency_key(app)
    route = str(app.current_event.raw_event.get("routeKey"))
    return Once.of(route, subject, key, request.model_dump_json()) if key is not None else None


def caller_made_id(app: Routes, stated: str | None) -> str | None:
    """Return the id under which a request happens once: ``stated`` in its body, or the key of its header.

    Raises:
        InvalidIdempotencyKey: the header has a wrong form, or both are there and differ.
    """
    key = idempotency_key(app)
    if key is not None and stated is not None and key != stated:
        raise InvalidIdempotencyKey("the id of the body and the Idempotency-Key differ: send one of them")
    return stated if stated is not None else key


def required_id(app: Routes, stated: str | None) -> str:
    """Return ``caller_made_id`` of a request that is made by nobody without one.

    Raises:
        InvalidIdempotencyKey: neither is there, or as ``caller_made_id``.
    """
    made = caller_made_id(app, stated)
    if made is None:
        raise InvalidIdempotencyKey("the body needs an id, or the request an Idempotency-Key")
    return made
