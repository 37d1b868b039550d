"""Examples: requests are those of ``events/``, which tests send; answers are of ``answers.json``, which a stack gave."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from tools.cfn_template import ROOT

_EVENTS: Final = ROOT / "events"
ANSWERS: Final = Path(__file__).parent / "answers.json"


@dataclass(frozen=True)
class Sent:
    """A request: the name of its file, its parameters and its body."""

    name: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str
    body: Any


def requests_of(key: str) -> list[Sent]:
    """Return the requests of ``events/`` for a route."""
    return [sent for route_key, sent in _events() if route_key == key]


def answers_of(operation: str, status: HTTPStatus) -> Iterator[tuple[str, str, Any]]:
    """Yield the recorded answers of an operation: content type, name, body."""
    for answer in _answers():
        if (answer["operation"], answer["status"]) == (operation, status.value):
            yield answer["content_type"], answer["name"], answer["body"]


@cache
def _answers() -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return answers


@cache
def _events() -> list[tuple[str, Sent]]:
    read = ((path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(_EVENTS.glob("*.json")))
    return [
        (event["routeKey"], _sent(name, event)) for name, event in read if "rawPath" in event and "routeKey" in event
    ]


def _sent(name: str, event: Mapping[str, Any]) -> Sent:
    content_type = event.get("headers", {}).get("content-type", "application/json").partition(";")[0]
    body = event.get("body")
    return Sent(
        name,
        event.get("pathParameters") or {},
        dict(parse_qsl(event.get("rawQueryString") or "")),
        content_type,
        json.loads(body) if body and content_type.endswith("json") and "ndjson" not in content_type else body,
    )
