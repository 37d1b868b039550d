"""API Gateway requests for handler tests: the files of events/, changed where a test needs another path or body."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

EVENTS = Path(__file__).resolve().parents[2] / "events"


@dataclass
class LambdaContext:
    """The part of Lambda's context that handlers and Powertools read."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id: str = "0e4a1bf5-9c1e-4c8c-a6f9-0b8e3f1f6c11"
    remaining_ms: list[int] = field(default_factory=lambda: [30_000])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left: each entry once, the last one for ever."""
        return self.remaining_ms.pop(0) if len(self.remaining_ms) > 1 else self.remaining_ms[0]


@dataclass(frozen=True)
class Answer:
    """A handler's answer, read."""

    status: int
    headers: dict[str, str]
    body: Any


def api_event(
    name: str, *, path: str | None = None, body: Any = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return the event of ``events/<name>.json``, with another path, body or query where given."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    if path is not None:
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    if query is not None:
        event["queryStringParameters"] = query
        event["rawQueryString"] = urlencode(query)
    return event


def read_answer(response: dict[str, Any]) -> Answer:
    """Return a handler's answer, its body parsed when it is JSON."""
    headers = response.get("headers") or {}
    body = response.get("body") or ""
    return Answer(
        response["statusCode"], headers, json.loads(body) if "json" in headers.get("Content-Type", "") else body
    )
