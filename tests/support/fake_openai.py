"""A model provider that answers as OpenAI does, with exactly the usage that the prompt asks for.

The last message of a request is JSON (``Wish``): what the call shall have used is known to the test before it is made.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.dynoxide import free_port

START_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Wish:
    """What a call shall use: ``cached`` is a part of ``prompt``, ``reasoning`` of ``completion``.

    ``seconds``: how long the answer takes, streamed or not. ``status``: that of the answer, where it is no success. ``id``:
    that of the answer, for providers that say the same in many.
    """

    prompt: int = 100
    completion: int = 20
    cached: int = 0
    reasoning: int = 0
    seconds: float = 0.0
    status: int = 200
    id: str = ""

    @property
    def total(self) -> int:
        """Tokens of the whole call."""
        return self.prompt + self.completion

    def message(self) -> list[dict[str, str]]:
        """The messages of a request that wishes for this."""
        return [{"role": "user", "content": json.dumps(asdict(self))}]


@dataclass
class FakeOpenAI:
    """A running provider; ``served`` are the calls it has answered in full."""

    base_url: str
    served: list[Wish] = field(default_factory=list)


@contextmanager
def fake_openai() -> Iterator[FakeOpenAI]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    port = free_port()
    provider = FakeOpenAI(f"http://127.0.0.1:{port}/v1")

    async def complete(request: Request) -> Response:
        body = await request.json()
        wish = Wish(**json.loads(body["messages"][-1]["content"]))
        if wish.status != 200:
            await asyncio.sleep(wish.seconds)
            return JSONResponse({"error": {"message": "as you wished", "type": "server_error"}}, wish.status)
        if body.get("stream"):
            return StreamingResponse(_stream(provider, body, wish), media_type="text/event-stream")
        await asyncio.sleep(wish.seconds)
        provider.served.append(wish)
        message = {"role": "assistant", "content": "word " * wish.completion}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**_head(body, wish, "chat.completion"), "choices": [choice], "usage": _usage(wish)})

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS_MAX
    while not server.started:
        assert time.monotonic() < deadline, "the provider did not start"
        time.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join(timeout=10)


async def _stream(provider: FakeOpenAI, body: dict[str, Any], wish: Wish) -> AsyncIterator[str]:
    head = _head(body, wish, "chat.completion.chunk")
    words = max(1, wish.completion)
    for word in range(words):
        delta = {"role": "assistant", "content": "word "} if word == 0 else {"content": "word "}
        yield _line({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await asyncio.sleep(wish.seconds / words)
    provider.served.append(wish)
    yield _line({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _line({**head, "choices": [], "usage": _usage(wish)})
    yield "data: [DONE]\n\n"


def _line(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def _head(body: dict[str, Any], wish: Wish, kind: str) -> dict[str, Any]:
    return {
        "id": wish.id or f"chatcmpl-{uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": body["model"],
    }


def _usage(wish: Wish) -> dict[str, Any]:
    return {
        "prompt_tokens": wish.prompt,
        "completion_tokens": wish.completion,
        "total_tokens": wish.total,
        "prompt_tokens_details": {"cached_tokens": wish.cached},
        "completion_tokens_details": {"reasoning_tokens": wish.reasoning},
    }
