"""A model provider that answers as OpenAI does, with exactly the usage that the prompt asks for.

The last message of a request may be JSON (``Wish``): what the call shall have used is known to the test before it is made.
Other calls use ``PROMPT_TOKENS`` and ``COMPLETION_TOKENS``. Some models behave as their names say: ``fails`` is a 500,
``waits`` answers once it is let go on, ``trickles`` streams for ever, ``breaks`` streams a word and ends with an error.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from typing import Any, Final
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.ports import free_port

PROMPT_TOKENS: Final = 10
COMPLETION_TOKENS: Final = 20
WORDS: Final = ("one ", "two ", "three ", "four ")
TRICKLE_SECONDS: Final = 0.1
WAIT_SECONDS_MAX: Final = 120.0
START_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True)
class Wish:
    """What a call shall use: ``cached`` is a part of ``prompt``, ``reasoning`` of ``completion``.

    ``seconds``: how long the answer takes, streamed or not. ``status``: that of the answer, where it is no success. ``id``:
    that of the answer, for providers that say the same in many.
    """

    prompt: int = PROMPT_TOKENS
    completion: int = COMPLETION_TOKENS
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
    """A running provider: the calls it has had, by model, and whether those that wait may go on."""

    base_url: str
    calls: Counter[str] = field(default_factory=Counter)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    async def complete(self, request: Request) -> Response:
        """Answer ``POST /chat/completions``."""
        body = await request.json()
        model, wish = body["model"], _wish(body)
        self.calls[model] += 1
        if model == "waits":
            await asyncio.to_thread(self.may_go_on.wait, WAIT_SECONDS_MAX)
        status = 500 if model == "fails" else wish.status
        if status != 200:
            return JSONResponse({"error": {"message": "as you wished", "type": "server_error"}}, status)
        if body.get("stream"):
            return StreamingResponse(_stream(body, wish), media_type="text/event-stream")
        await asyncio.sleep(wish.seconds)
        text = "".join(word for word, _ in zip(cycle(WORDS), range(wish.completion), strict=False))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return JSONResponse({**_head(body, wish, "chat.completion"), "choices": [choice], "usage": _usage(wish)})


@contextmanager
def fake_openai() -> Iterator[FakeOpenAI]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    port = free_port()
    provider = FakeOpenAI(f"http://127.0.0.1:{port}/v1")
    app = Starlette(routes=[Route("/v1/chat/completions", provider.complete, methods=["POST"])])
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
        provider.may_go_on.set()
        server.should_exit = True
        thread.join(timeout=10)


def _wish(body: dict[str, Any]) -> Wish:
    content = body["messages"][-1]["content"]
    return Wish(**json.loads(content)) if content.startswith("{") else Wish()


async def _stream(body: dict[str, Any], wish: Wish) -> AsyncIterator[str]:
    model, head = body["model"], _head(body, wish, "chat.completion.chunk")
    words = max(1, wish.completion)
    pause = TRICKLE_SECONDS if model == "trickles" else wish.seconds / words
    for number in count() if model == "trickles" else range(words):
        word = {"content": WORDS[number % len(WORDS)]}
        delta = word if number else {"role": "assistant", **word}
        yield _line({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if model == "breaks":
            yield _line({"error": {"message": "out of order", "type": "server_error"}})
            return
        await asyncio.sleep(pause)
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
