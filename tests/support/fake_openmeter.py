"""OpenMeter's ingest in a few lines, in process or over HTTP: knows events by (source, id), and has faults on request."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pancake_meter.openmeter.client import OpenMeterClient
from tests.support.fixed_key import FixedKey
from tests.support.ports import free_port

API_KEY = "om_test_key"
START_SECONDS_MAX = 10.0
Event = dict[str, Any]


@dataclass
class FakeOpenMeter:
    """``trouble`` holds what the next requests meet instead of an answer: a status, or an error; `lost` answers come after
    the events were taken. ``refuses`` says which events are malformed: a batch with one of them is 400, all of it.
    """

    trouble: list[int | Exception] = field(default_factory=list)
    lose_answers: int = 0
    refuses: Callable[[Event], bool] = lambda _: False
    requests: list[httpx.Request] = field(default_factory=list)
    taken: dict[tuple[str, str], Event] = field(default_factory=dict)
    sent: list[Event] = field(default_factory=list)

    def client(self) -> OpenMeterClient:
        """A client of this fake."""
        return OpenMeterClient("https://openmeter.test/", FixedKey(API_KEY), transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        if self.trouble:
            trouble = self.trouble.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return httpx.Response(trouble, json={"title": "trouble"})
        assert (request.method, request.url.path) == ("POST", "/api/v1/events")
        assert request.headers["Content-Type"] == "application/cloudevents-batch+json"
        if request.headers["Authorization"] != f"Bearer {API_KEY}":
            return httpx.Response(401)
        events: list[Event] = json.loads(request.content)
        if any(map(self.refuses, events)):
            return httpx.Response(400, json={"title": "Bad Request", "detail": "malformed event"})
        self.sent += events
        for event in events:
            known = self.taken.setdefault((event["source"], event["id"]), event)
            assert known == event, "one id, two contents"
        if self.lose_answers:
            self.lose_answers -= 1
            raise httpx.ReadTimeout("no answer", request=request)
        return httpx.Response(204)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Listen on a free port of this machine; the base URL."""

        async def ingest(request: Request) -> Response:
            asked = httpx.Request(
                request.method, str(request.url), headers=request.headers, content=await request.body()
            )
            try:
                answer = self.answer(asked)
            except httpx.TransportError:
                return Response(status_code=HTTPStatus.GATEWAY_TIMEOUT)
            return Response(answer.content, answer.status_code)

        port = free_port()
        app = Starlette(routes=[Route("/api/v1/events", ingest, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while not server.started:
                assert time.monotonic() < deadline, "the fake OpenMeter did not start"
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=START_SECONDS_MAX)
