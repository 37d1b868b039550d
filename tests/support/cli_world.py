"""A stack, Waffo and its simulator behind one fake transport. Requests to the stack are held against docs/openapi.json."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from local.waffo_simulator.app import create_app
from local.waffo_simulator.config import SimulatorConfig
from local.waffo_simulator.simulator import Simulator
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.main import app
from pancake_meter_cli.profiles import Profile, ProfileFile
from tests.support.contract import document
from tests.support.waffo_simulator import MERCHANT_ID, MERCHANT_PRIVATE_PEM, PRODUCTS, STORE_ID
from tests.support.waffo_webhooks import platform_key, public_pem, signing_with_our_key

API_URL, API_KEY = "http://127.0.0.1:8000", "pm_test_0123456789abcdef0123456789abcdef"
WAFFO_URL = "http://127.0.0.1:8001"
WAIT_SECONDS_MAX = 10.0
ERRORS_FROM = 400
NOW = datetime(2026, 3, 10, 15, 14, 30, tzinfo=UTC)


@dataclass
class Asked:
    """A request of the command's to the stack."""

    operation: str
    path: str
    query: dict[str, str]
    body: Any


Answerer = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class FakeWorld:
    """Answers requests. ``answers`` are the stack's, by operation; the last of several stays."""

    answers: dict[str, list[httpx.Response]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    others: list[Answerer] = field(default_factory=list)
    date: datetime | None = None

    def answer(self, operation: str, body: Any, status: int = 200, *, is_whole: bool = False) -> None:
        """Have the stack answer an operation. Fields that the body lacks are null, unless it ``is_whole``."""
        whole = body if is_whole or status >= ERRORS_FROM else {**dict.fromkeys(required_of(operation)), **body}
        self.answers.setdefault(operation, []).append(httpx.Response(status, json=whole))

    def refuse(self, operation: str, status: int, code: str, **more: Any) -> None:
        """Have the stack refuse an operation."""
        problem = {"type": "about:blank", "title": "No", "status": status, "code": code, "detail": "it says no"}
        content = json.dumps({**problem, "request_id": "req-1", **more})
        response = httpx.Response(status, content=content, headers={"Content-Type": "application/problem+json"})
        self.answers.setdefault(operation, []).append(response)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if f"{request.url.scheme}://{request.url.netloc.decode()}" != API_URL:
            for other in self.others:
                response = other(request)
                if response is not None:
                    return response
            raise httpx.ConnectError("nobody is there", request=request)
        assert request.headers["Authorization"] == f"Bearer {API_KEY}"
        asked = documented(request)
        self.asked.append(asked)
        waiting = self.answers.get(asked.operation)
        assert waiting, f"the test has no answer to {asked.operation}"
        made = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        headers = {
            "Content-Type": made.headers["Content-Type"],
            "Date": format_datetime(self.date or datetime.now(UTC)),
        }
        return httpx.Response(made.status_code, content=made.content, headers=headers, request=request)

    def operations(self) -> list[str]:
        """Return what was asked of the stack, in order."""
        return [each.operation for each in self.asked]


@dataclass
class Ran:
    """What a run of the command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The lines of JSON on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


PROFILE = Profile(
    "default",
    api_url=API_URL,
    api_key=API_KEY,
    webhook_url=f"{API_URL}/webhooks/waffo",
    waffo_url=WAFFO_URL,
    waffo_environment="test",
    waffo_store_id=STORE_ID,
    waffo_merchant_id=MERCHANT_ID,
    aws_endpoint_url="http://127.0.0.1:8002",
    stack_name="pancake-meter",
)


def run(
    world: FakeWorld,
    *arguments: str,
    folder: Path,
    profile: Profile | None = PROFILE,
    environ: Mapping[str, str] | None = None,
    stdin: str | None = None,
    **fields: Any,
) -> Ran:
    """Run the command as a person would, but for the network, the clock and the waiting."""
    file = ProfileFile(folder / "profiles.json")
    if profile is not None:
        file.write(profile.name, {profile.name: profile})
    cli = Cli(
        file=file,
        environ=environ or {},
        transport=httpx.MockTransport(world.handle),
        sleep=lambda _seconds: None,
        **{"now": lambda: NOW, **fields},
    )
    result = CliRunner().invoke(app, list(arguments), obj=cli, input=stdin, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def required_of(operation: str) -> Sequence[str]:
    """Return the fields that every answer to an operation has by the document."""
    method, _, path = operation.partition(" ")
    answers = document()["paths"][path][method.lower()]["responses"]
    named = [
        answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for status, answer in answers.items()
        if status.startswith("2") and "application/json" in answer.get("content", {})
    ]
    schemas = [document()["components"]["schemas"][name] for name in named]
    return sorted({name for schema in schemas for name in schema.get("required", ())})


def documented(request: httpx.Request) -> Asked:
    """Return the operation that a request is; fail where the document has none, or not with this query and body."""
    raw_path = request.url.raw_path.decode().partition("?")[0]
    query = dict(parse_qsl(request.url.query.decode()))
    body = json.loads(request.content) if request.content else None
    for template, methods in document()["paths"].items():
        operation = methods.get(request.method.lower())
        if operation is not None and _fits(template, raw_path):
            parameters = {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == "query"}
            assert query.keys() <= parameters.keys(), (
                f"{request.method} {template} knows no {query.keys() - parameters.keys()}"
            )
            for name, text in query.items():
                _check(_typed(parameters[name]["schema"], text), parameters[name]["schema"], f"?{name}")
            assert {name for name, each in parameters.items() if each.get("required")} <= query.keys()
            stated = operation.get("requestBody")
            if body is not None:
                assert stated is not None, f"{request.method} {template} takes no body"
                _check(body, stated["content"]["application/json"]["schema"], "body")
            else:
                assert stated is None or not stated.get("required"), f"{request.method} {template} needs a body"
            return Asked(f"{request.method} {template}", unquote(raw_path), query, body)
    message = f"no document has {request.method} {raw_path}"
    raise AssertionError(message)


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", template), path) is not None


def _typed(schema: Mapping[str, Any], text: str) -> Any:
    return int(text) if schema.get("type") == "integer" else text


def _check(value: Any, schema: Mapping[str, Any], where: str) -> None:
    whole = {**schema, "components": document()["components"]}
    errors = [error.message for error in Draft202012Validator(whole).iter_errors(value)]
    assert not errors, f"{where}: {errors}"


@dataclass
class SimulatedWaffo:
    """A simulator that runs, what it has delivered, and the profile that leads to it."""

    client: httpx.Client
    simulator: Simulator
    delivered: list[dict[str, Any]]
    profile: Profile


@contextmanager
def simulated_waffo(world: FakeWorld, folder: Path, **config: Any) -> Iterator[SimulatedWaffo]:
    """The real simulator behind the fake transport: the command signs, and the simulator believes only that.

    Its webhooks go to the stack of the fake world, which takes them all.
    """
    key_file = folder / "merchant.pem"
    key_file.write_text(MERCHANT_PRIVATE_PEM)
    delivered: list[dict[str, Any]] = []

    def webhook(request: httpx.Request) -> httpx.Response:
        delivered.append(json.loads(request.content))
        return httpx.Response(200)

    wanted = {"merchant_id": MERCHANT_ID, "store_id": STORE_ID, "products": PRODUCTS, "seed": 7, "base_url": WAFFO_URL}
    wanted |= {"merchant_public_key_pem": public_pem(platform_key()), "webhook_url": PROFILE.webhook_url}
    with signing_with_our_key():
        made = create_app(SimulatorConfig(**{**wanted, **config}))
    made.state.simulator.deliverer._client = httpx.AsyncClient(transport=httpx.MockTransport(webhook))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    transport = httpx.ASGITransport(made)

    async def asked(request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        response = await transport.handle_async_request(sent)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def answer(request: httpx.Request) -> httpx.Response | None:
        if not str(request.url).startswith(WAFFO_URL):
            return None
        return asyncio.run_coroutine_threadsafe(asked(request), loop).result(WAIT_SECONDS_MAX)

    world.others.append(answer)
    client = httpx.Client(base_url=WAFFO_URL, transport=httpx.MockTransport(world.handle))
    profile = replace(PROFILE, waffo_private_key_file=str(key_file))
    try:
        yield SimulatedWaffo(client, made.state.simulator, delivered, profile)
    finally:
        asyncio.run_coroutine_threadsafe(made.state.simulator.close(), loop).result(WAIT_SECONDS_MAX)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_SECONDS_MAX)
        loop.close()
