"""A real LiteLLM proxy before a made-up stack: no route goes around the limit, none leaves a hold, a stop loses nothing."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.fake_openai import FakeOpenAI, fake_openai
from tests.support.litellm_proxy import ROOT, LiteLLMProxy, litellm_proxy

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

WITHIN_SECONDS = 20.0


@dataclass
class MadeUpStack:
    """Holds, releases and counts as the API does, by id; ``is_exhausted`` refuses, ``is_away`` answers 503."""

    is_exhausted: bool = False
    is_away: bool = False
    placed: int = 0
    refused: int = 0
    holds: set[str] = field(default_factory=set)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if self.is_away:
            return 503, {"code": "unavailable"}
        parts = [unquote(part) for part in path.split("/")]
        if method == "DELETE":
            self.holds.discard(parts[-1])
            return 200, {}
        if path == "/v1/usage/litellm":
            for call in body:
                self.told[call["litellm_call_id"]] = call
                self.holds.discard(call.get("pancake_meter_hold", {}).get("hold_id", ""))
            return 200, {"counted": len(body), "duplicate": 0, "ignored": 0, "parked": 0, "holds_ended": 0}
        if self.is_exhausted:
            self.refused += 1
            return 402, {"code": "quota_exhausted", "detail": "none left"}
        if method == "GET":
            return 200, QUOTA
        self.placed += 1
        self.holds.add(body["id"])
        return 201, {"hold_id": body["id"], "id": body["id"], "quantity": 1, "expires_at": "", "quota": QUOTA}


QUOTA = {"customer_id": "c", "meter": "tokens", "plan": None, "allowance": 1, "used": 0, "held": 0, "available": 1}
QUOTA |= {"overage": 0, "resets_at": "", "blocked": None}


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[MadeUpStack, str]]:
    state = MadeUpStack()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = state.answer(self.command, urlsplit(self.path).path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeOpenAI]:
    with fake_openai() as serving:
        yield serving


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, stack: tuple[MadeUpStack, str], upstream: FakeOpenAI
) -> Iterator[LiteLLMProxy]:
    parameters = {"model": "openai/fine", "api_base": upstream.base_url, "api_key": "none", "max_retries": 0}
    failing = {**parameters, "model": "openai/fails"}
    config = {
        "model_list": [
            {"model_name": "fine", "litellm_params": parameters},
            {"model_name": "fails", "litellm_params": failing},
        ],
        "litellm_settings": {"callbacks": "pancake_meter_client.litellm.pancake_meter_logger"},
        "general_settings": {
            "pass_through_endpoints": [
                {"path": "/through", "target": f"{upstream.base_url}/chat/completions", "auth": True}
            ]
        },
        "router_settings": {"num_retries": 0},
    }
    environment = {
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
        "PANCAKE_METER_URL": stack[1],
        "PANCAKE_METER_CUSTOMER": "end_user",
        "PANCAKE_METER_API_KEY": "pm_test_x",
        "PANCAKE_METER_METER": "tokens",
        "PANCAKE_METER_DEADLINE_SECONDS": "5",
        "PANCAKE_METER_WHEN_UNREACHABLE": "open",
        "OPENAI_API_KEY": "none",
        "OPENAI_API_BASE": upstream.base_url.removesuffix("/v1"),
    }
    with litellm_proxy(tmp_path_factory.mktemp("litellm"), config, environment) as running:
        yield running


@pytest.fixture(autouse=True)
def _afresh(stack: tuple[MadeUpStack, str]) -> None:
    stack[0].is_exhausted = stack[0].is_away = False
    stack[0].placed = stack[0].refused = 0
    stack[0].holds.clear()
    stack[0].told.clear()


def until(is_so: Any) -> bool:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(is_so())


CHAT = {"model": "fine", "messages": [{"role": "user", "content": "hi"}]}
PASSED = ("/through", "/openai/v1/chat/completions")
CUSTOMER = {"x-litellm-end-user-id": "acct-1"}


@pytest.mark.parametrize("path", PASSED)
def test_scenario_103_a_passthrough_route_is_held_for_counted_and_no_way_around_the_limit(
    proxy: LiteLLMProxy, stack: tuple[MadeUpStack, str], upstream: FakeOpenAI, path: str
) -> None:
    with proxy.client() as client:
        # When somebody has units, the call is made, told, and holds nothing afterwards
        assert client.post(path, json=CHAT, headers=CUSTOMER).status_code == HTTPStatus.OK
        assert until(lambda: stack[0].told and not stack[0].holds), (stack[0].holds, stack[0].told)
        before = upstream.calls.total()

        # When nobody is named, or nothing is left, it is not made
        assert client.post(path, json=CHAT).status_code == HTTPStatus.FORBIDDEN
        stack[0].is_exhausted = True
        assert client.post(path, json=CHAT, headers=CUSTOMER).status_code == HTTPStatus.PAYMENT_REQUIRED
    assert upstream.calls.total() == before


def test_scenario_103_a_passthrough_that_fails_holds_nothing(
    proxy: LiteLLMProxy, stack: tuple[MadeUpStack, str]
) -> None:
    with proxy.client() as client:
        failing = {**CHAT, "model": "fails"}
        assert client.post("/through", json=failing, headers=CUSTOMER).status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert until(lambda: not stack[0].holds), stack[0].holds


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent"])
@pytest.mark.parametrize("model", ["fine", "fails"])
def test_scenario_103_generate_content_on_another_provider_counts_once_and_holds_nothing(
    proxy: LiteLLMProxy, stack: tuple[MadeUpStack, str], verb: str, model: str
) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    with proxy.client() as client:
        for _ in range(3):
            client.post(f"/v1beta/models/{model}:{verb}", json=body, headers=CUSTOMER)
    counted = 3 if model == "fine" else 0

    def successes() -> list[dict[str, Any]]:
        return [call for call in stack[0].told.values() if call["status"] == "success"]

    assert stack[0].placed == 3
    assert until(lambda: len(successes()) == counted and not stack[0].holds), (stack[0].holds, stack[0].told)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/batches", {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
        ("/v1/videos", {"model": "fine", "prompt": "hi"}),
        ("/v1/realtime/client_secrets", {"model": "fine"}),
    ],
)
def test_scenario_103_other_calls_are_refused_with_nothing_left(
    proxy: LiteLLMProxy, stack: tuple[MadeUpStack, str], path: str, body: dict[str, Any]
) -> None:
    stack[0].is_exhausted = True
    with proxy.client() as client:
        answer = client.post(path, json=body, headers=CUSTOMER)
    assert stack[0].refused == 1
    # Without the database's packages LiteLLM makes a 500 of a refusal on its batch route.
    assert answer.status_code in {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.INTERNAL_SERVER_ERROR}, answer.text


def test_scenario_102_a_proxy_that_is_stopped_tells_what_waited(
    proxy: LiteLLMProxy, stack: tuple[MadeUpStack, str]
) -> None:
    # Given calls that went on while the stack was away
    stack[0].is_away = True
    with proxy.client() as client:
        for _ in range(5):
            assert client.post("/v1/chat/completions", json=CHAT, headers=CUSTOMER).status_code == HTTPStatus.OK
    time.sleep(5)
    assert stack[0].told == {}

    # When the stack is back and the proxy is stopped
    stack[0].is_away = False
    proxy.stop()
    assert len(stack[0].told) == 5
