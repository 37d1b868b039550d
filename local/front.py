"""Plain URLs for the local stack: `/` is the HTTP API, `/webhooks/waffo` is the webhook function's URL.

`/_local/` is this process's own: see `local/signed_in.py`.

MiniStack starts one worker process for every request it handles at once, and a cold one takes about a second of processor
time. A limit on what is in flight keeps a burst of requests from starting dozens of them; the rest wait their turn, which
takes milliseconds once the workers are warm.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.settings import DEFAULT_IN_FLIGHT_MAX
from local.signed_in import signed_in_routes

WEBHOOK_PATH = "/webhooks/waffo"
TIMEOUT_SECONDS = 60.0
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class Behind:
    """What the front stands before."""

    endpoint_url: str
    api_id: str
    function_url: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What the front needs to open pages signed in: a key that may do everything, and where people find the stack."""

    api_key: str
    url: str


def create_front(
    behind: Behind,
    on_ready: Callable[[], None],
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    in_flight_max: int = DEFAULT_IN_FLIGHT_MAX,
    opened: Opened | None = None,
) -> Starlette:
    """Return the reverse proxy; it calls `on_ready` once it can answer. `transport` stands in for the network in tests.

    With `opened` it has the addresses that open pages signed in.
    """
    api = f"{behind.endpoint_url}/_aws/execute-api/{behind.api_id}/$default"
    url_id = (urlsplit(behind.function_url).hostname or "").split(".")[0]
    webhook = f"{behind.endpoint_url}/_aws/lambda-url/{url_id}"
    in_flight = asyncio.Semaphore(in_flight_max)
    # Cookies are the callers' own: one that the client kept would sign every caller in.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, transport=transport, cookies=no_cookies)

    async def to_api(request: Request) -> Response:
        async with in_flight:
            return await _forward(client, request, api + request.scope["raw_path"].decode("ascii"))

    async def to_webhook(request: Request) -> Response:
        async with in_flight:
            return await _forward(client, request, webhook + "/")

    async def to_api_as_well(request: Request, _: Exception) -> Response:
        return await to_api(request)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with client:
            on_ready()
            yield

    own = signed_in_routes(client, api, opened.api_key, opened.url) if opened is not None else []
    return Starlette(
        routes=[
            Route(WEBHOOK_PATH, to_webhook, methods=METHODS),
            *own,
            Route("/{path:path}", to_api, methods=METHODS),
        ],
        # No pattern of Starlette's takes a line break; API Gateway answers such a path too.
        exception_handlers={HTTPStatus.NOT_FOUND: to_api_as_well},
        lifespan=lifespan,
    )


async def _forward(client: httpx.AsyncClient, request: Request, url: str) -> Response:
    """Send the request on as it came, and the answer back: compressed, where it came so."""
    headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") not in _HOP_BY_HOP]
    query = f"?{request.url.query}" if request.url.query else ""
    asked = client.build_request(request.method, url + query, headers=headers, content=await request.body())
    if "accept-encoding" not in request.headers:
        # httpx would ask for what it can decode, and the caller may not be able to.
        asked.headers["accept-encoding"] = "identity"
    try:
        answer = await client.send(asked, stream=True)
        try:
            content = b"".join([part async for part in answer.aiter_raw()])
        finally:
            await answer.aclose()
    except httpx.HTTPError as error:
        return JSONResponse({"title": "The local stack did not answer", "detail": type(error).__name__}, 502)
    response = Response(content, answer.status_code)
    # The date is the one that our own server adds.
    dropped = _HOP_BY_HOP | {"date"}
    response.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower().decode("latin-1") not in dropped
    ]
    response.raw_headers.append((b"content-length", str(len(content)).encode("ascii")))
    return response
