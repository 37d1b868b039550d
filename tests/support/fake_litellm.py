"""The part of a LiteLLM proxy's API that healing reads: its spend log and its keys, as version 1.109.1 answers.

The real proxy serves these out of a database whose driver no registry carries.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

KEY = "sk-admin"
COUNT_CAP = 10_000
START_SECONDS_MAX = 10.0

Row = dict[str, Any]


@dataclass
class FakeLiteLLM:
    """``rows`` of the spend log in any order, ``keys`` by hash. ``requests`` are the queries that were answered."""

    rows: list[Row] = field(default_factory=list)
    keys: dict[str, Row] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    fails_at: int | None = None
    """Number of the request, from 1, that gets a 500."""

    def transport(self) -> httpx.MockTransport:
        """As a transport of httpx."""

        def handle(request: httpx.Request) -> httpx.Response:
            key = request.headers.get("Authorization", "")
            status, content = self.answer(request.url.path, dict(request.url.params), key)
            return httpx.Response(status, json=content)

        return httpx.MockTransport(handle)

    def answer(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, Row]:
        """Answer one request."""
        self.requests.append(query)
        if len(self.requests) == self.fails_at:
            return 500, {"error": {"message": "Internal Server Error", "type": "internal_error"}}
        if authorization != f"Bearer {KEY}":
            return 401, {"error": {"message": "Authentication Error", "type": "auth_error"}}
        if path == "/key/info":
            return self._key(query["key"])
        assert path == "/spend/logs/v2", path
        return self._page(query)

    def _key(self, key_hash: str) -> tuple[int, Row]:
        if key_hash not in self.keys:
            return 404, {"error": {"message": "Key not found in database", "type": "not_found_error"}}
        return 200, {"key": key_hash, "info": {"key_name": "sk-...abcd", **self.keys[key_hash]}}

    def _page(self, query: dict[str, str]) -> tuple[int, Row]:
        if "start_date" not in query or "end_date" not in query:
            return 400, {"error": {"message": "Start date and end date are required", "type": "bad_request"}}
        start, end = (_parse(query[name]) for name in ("start_date", "end_date"))
        page, size = int(query.get("page", "1")), int(query.get("page_size", "50"))
        assert 1 <= size <= 1000
        found = [row for row in self.rows if start <= datetime.fromisoformat(row["startTime"]) <= end]
        assert query.get("sort_by", "startTime") == "startTime"
        found.sort(key=lambda row: str(row["startTime"]), reverse=query.get("sort_order", "desc") == "desc")
        total = min(len(found), COUNT_CAP)
        return 200, {
            "data": found[(page - 1) * size : page * size],
            "total": total,
            "page": page,
            "page_size": size,
            "total_pages": -(-total // size),
            "total_is_capped": len(found) > COUNT_CAP,
        }


@contextmanager
def serve_spend_log(port: int, file: Callable[[], Path]) -> Iterator[None]:
    """Serve the spend log that a proxy wrote to a file (``tests/support/litellm/spend_log_file.py``)."""

    async def answer(request: Request) -> JSONResponse:
        lines = file().read_text(encoding="utf-8").splitlines() if file().exists() else []
        fake = FakeLiteLLM([json.loads(line) for line in lines])
        query, key = dict(request.query_params), request.headers.get("authorization", "")
        status, content = fake.answer(request.url.path, query, key)
        return JSONResponse(content, status)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS_MAX
    while not server.started:
        assert time.monotonic() < deadline, "the spend log is not served"
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def _parse(text: str) -> datetime:
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise AssertionError(f"no date: {text}")
