"""What is said of one route beyond the table of routes, and the parts that several routes share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel

from pancake_meter.http.fields import NoQuery
from pancake_meter.http.request import BODY_BYTES_MAX

JSON: Final = "application/json"

RATE_LIMIT: Final = ("RateLimit", "RateLimit-Policy")
REPLAYED: Final = ("Idempotency-Replayed",)


@dataclass(frozen=True)
class Body:
    """A body that a route takes: a model, or a schema where the route reads more leniently than a model could say.

    ``media_types`` gives each content type its schema where they differ from JSON with ``model``.
    """

    model: Any
    bytes_max: int = BODY_BYTES_MAX
    is_required: bool = True
    media_types: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """An answer that is no problem: its model (``None`` for no content) and its headers beside the content type.

    ``has_csv``: a caller whose ``Accept`` asks for it gets rows as CSV.
    """

    model: Any
    headers: Sequence[str] = ()
    media_type: str = JSON
    has_csv: bool = False


@dataclass(frozen=True)
class Described:
    """What a route takes and answers.

    ``refusals`` are codes of docs/errors.md, which has their statuses, beyond those that every route of its kind has.
    ``is_once``: it happens once for each Idempotency-Key. ``is_optional``: some stacks are without it.
    ``query`` is ``None`` where a route passes over whatever parameters it is called with. ``parameters`` says what those of
    the query mean where it is not what they mean elsewhere.
    """

    name: str
    summary: str
    answers: Mapping[HTTPStatus, Any]
    body: Body | None = None
    query: type[BaseModel] | None = NoQuery
    parameters: Mapping[str, str] = field(default_factory=dict)
    refusals: Sequence[str] = ()
    refusal_headers: Mapping[HTTPStatus, Sequence[str]] = field(default_factory=dict)
    description: str = ""
    is_once: bool = False
    is_optional: bool = False
