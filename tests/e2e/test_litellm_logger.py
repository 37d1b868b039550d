"""PancakeMeterLogger in a real LiteLLM proxy: calls that fit are answered and counted, the rest are refused with a link."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Stack
from tests.support.fake_openai import COMPLETION_TOKENS, PROMPT_TOKENS, FakeOpenAI, fake_openai
from tests.support.litellm_proxy import MASTER_KEY, ROOT, litellm_proxy
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CLIENT = ROOT / "clients" / "python" / "src"
TOKENS = PROMPT_TOKENS + COMPLETION_TOKENS
ALLOWANCE = 10_000
"""Tokens of the free plan."""
OUTPUT_MAX = 320
"""What a call may answer: with its few tokens of prompt, 30 calls fit into the free plan, and 31 do not."""
SETTLED_WITHIN_SECONDS = 30.0
MODELS = ("fine", "waits", "fails", "trickles", "breaks")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeOpenAI]:
    with fake_openai() as serving:
        yield serving


def configuration(upstream: FakeOpenAI) -> dict[str, Any]:
    """A proxy with the logger and nothing else; ``falls_back`` is a model that fails, and another that does not."""
    models = [*((name, name) for name in MODELS), ("falls_back", "fails")]
    return {
        "model_list": [
            {
                "model_name": alias,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": upstream.base_url,
                    "api_key": "none",
                    "max_retries": 0,
                },
            }
            for alias, model in models
        ],
        "litellm_settings": {
            "callbacks": "pancake_meter_client.litellm.pancake_meter_logger",
            "cache": True,
            "cache_params": {"type": "local", "mode": "default_off"},
        },
        "router_settings": {"num_retries": 1, "fallbacks": [{"falls_back": ["fine"]}]},
    }


def environment(stack: Stack, **settings: str) -> dict[str, str]:
    return {
        "PYTHONPATH": str(CLIENT),
        "PANCAKE_METER_URL": stack.ready["api_url"],
        "PANCAKE_METER_API_KEY": stack.meter_key,
        "PANCAKE_METER_METER": "tokens",
        "PANCAKE_METER_CUSTOMER": "key_metadata.customer_id,team_id,end_user",
        "PANCAKE_METER_DEADLINE_SECONDS": "60",  # the emulator is no Lambda
        **settings,
    }


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, stack: Stack, upstream: FakeOpenAI) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("litellm")
    with (
        litellm_proxy(folder, configuration(upstream), environment(stack)) as running,
        caller(running.base_url) as client,
    ):
        yield client


def caller(base_url: str, key: str = MASTER_KEY) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=base_url, headers=headers, timeout=180, limits=httpx.Limits(max_connections=60))


def body(customer_id: str, model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "user": customer_id, "messages": [{"role": "user", "content": "hi"}], **more}


def chat(proxy: httpx.Client, customer_id: str, model: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return proxy.post("/v1/chat/completions", json=body(customer_id, model, **more), headers=headers)


def figures(stack: Stack, customer_id: str) -> tuple[int, int]:
    quota = stack.quota(customer_id)
    return int(quota["used"]), int(quota["held"])


def settled(stack: Stack, customer_id: str, used: int) -> tuple[int, int]:
    """The figures once so much is used and nothing is held, or after a time in which that should have come."""
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while (now := figures(stack, customer_id)) != (used, 0) and time.monotonic() < deadline:
        time.sleep(0.2)
    return now


def told(refusal: httpx.Response) -> dict[str, Any]:
    """What a refused client learns, beside the status."""
    fields: dict[str, Any] = refusal.json()["error"]["provider_specific_fields"]
    return fields


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_counted_as_the_model_says_streamed_or_not(
    proxy: httpx.Client, stack: Stack, customer_id: str, *, stream: bool
) -> None:
    answer = chat(proxy, customer_id, "fine", stream=stream)
    assert (answer.status_code, "four" in answer.text) == (HTTPStatus.OK, True)
    assert settled(stack, customer_id, TOKENS) == (TOKENS, 0)


def test_fifty_calls_at_once_on_an_allowance_for_thirty_are_thirty(
    proxy: httpx.Client, stack: Stack, upstream: FakeOpenAI, customer_id: str
) -> None:
    # Given calls that all wait for their model until the last of them is judged
    with ThreadPoolExecutor(50) as callers:
        calls = [
            callers.submit(chat, proxy, customer_id, "waits", max_tokens=OUTPUT_MAX, num_retries=0) for _ in range(50)
        ]
        refused_by = time.monotonic() + 120
        while sum(call.done() for call in calls) < 20 and time.monotonic() < refused_by:
            time.sleep(0.1)
        upstream.may_go_on.set()
        answers = [call.result() for call in calls]

    # Then exactly those that fit were made, and the others sell
    assert Counter(answer.status_code for answer in answers) == {HTTPStatus.OK: 30, HTTPStatus.PAYMENT_REQUIRED: 20}
    assert upstream.calls["waits"] == 30
    refusals = [told(answer) for answer in answers if answer.status_code == HTTPStatus.PAYMENT_REQUIRED]
    assert {refusal["code"] for refusal in refusals} == {"quota_exhausted"}
    assert all(refusal["purchase_url"].startswith(f"{stack.ready['api_url']}/buy/") for refusal in refusals)

    # And each was counted as it was, and holds nothing
    assert settled(stack, customer_id, 30 * TOKENS) == (30 * TOKENS, 0)


def test_a_call_that_fails_gives_its_units_back(
    proxy: httpx.Client, stack: Stack, upstream: FakeOpenAI, customer_id: str
) -> None:
    before = upstream.calls.get("fails", 0)
    assert chat(proxy, customer_id, "fails").status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert upstream.calls["fails"] > before
    assert settled(stack, customer_id, 0) == (0, 0)
    assert stack.quota(customer_id)["available"] == ALLOWANCE


def test_a_fallback_is_the_same_call_and_counts_once(proxy: httpx.Client, stack: Stack, customer_id: str) -> None:
    assert chat(proxy, customer_id, "falls_back").status_code == HTTPStatus.OK
    assert settled(stack, customer_id, TOKENS) == (TOKENS, 0)


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent"])
def test_promise_3_twelve_small_calls_in_googles_words_all_pass_on_the_free_plan(
    proxy: httpx.Client, stack: Stack, customer_id: str, verb: str
) -> None:
    # Given calls that LiteLLM passes on, under another id, to a model that is not Google's
    words = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    headers = {"x-litellm-end-user-id": customer_id}

    # When each follows at once upon the one before
    answers = [proxy.post(f"/v1beta/models/fine:{verb}", json=words, headers=headers) for _ in range(12)]

    # Then none has found the units of an earlier one still held, and each is counted once
    assert [answer.status_code for answer in answers] == [HTTPStatus.OK] * 12
    assert settled(stack, customer_id, 12 * TOKENS) == (12 * TOKENS, 0)


def test_a_client_that_leaves_a_stream_pays_for_what_it_had(
    proxy: httpx.Client, stack: Stack, customer_id: str
) -> None:
    # Given a client that reads some words of an endless stream, and leaves
    with proxy.stream("POST", "/v1/chat/completions", json=body(customer_id, "trickles", stream=True)) as answer:
        lines = answer.iter_lines()
        for _ in range(6):
            next(lines)
        assert figures(stack, customer_id)[1] > 0

    # Then what came is counted, once, and nothing is held
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while figures(stack, customer_id)[1] > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    used, held = figures(stack, customer_id)
    assert held == 0
    assert 0 < used < OUTPUT_MAX
    time.sleep(2)
    assert figures(stack, customer_id) == (used, 0)


def test_a_stream_that_breaks_holds_nothing_afterwards(proxy: httpx.Client, stack: Stack, customer_id: str) -> None:
    chat(proxy, customer_id, "breaks", stream=True)
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while figures(stack, customer_id)[1] > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert figures(stack, customer_id)[1] == 0


def test_an_answer_out_of_the_proxys_cache_costs_nothing(
    proxy: httpx.Client, stack: Stack, upstream: FakeOpenAI, customer_id: str
) -> None:
    cached = {"cache": {"use-cache": True}}
    assert chat(proxy, customer_id, "fine", **cached).status_code == HTTPStatus.OK
    assert settled(stack, customer_id, TOKENS) == (TOKENS, 0)
    before = upstream.calls["fine"]
    assert chat(proxy, customer_id, "fine", **cached).status_code == HTTPStatus.OK
    assert upstream.calls["fine"] == before
    assert settled(stack, customer_id, TOKENS) == (TOKENS, 0)


def test_a_call_of_nobody_or_with_an_id_of_the_clients_is_not_made(
    proxy: httpx.Client, upstream: FakeOpenAI, customer_id: str
) -> None:
    before = dict(upstream.calls)
    nobody = chat(proxy, "", "fine")
    assert (nobody.status_code, told(nobody)["code"]) == (HTTPStatus.FORBIDDEN, "customer_unknown")
    brought = chat(proxy, customer_id, "fine", headers={"x-litellm-call-id": "mine"})
    assert (brought.status_code, told(brought)["code"]) == (HTTPStatus.BAD_REQUEST, "call_id_not_accepted")
    assert upstream.calls == before


def test_the_customer_of_the_key_pays_whoever_the_request_names(
    stack: Stack, upstream: FakeOpenAI, tmp_path: Path, customer_id: str
) -> None:
    # Given keys that are bound to customers
    config = configuration(upstream)
    config["general_settings"] = {"custom_auth": "customer_keys.user_api_key_auth"}
    shutil.copy(ROOT / "tests" / "support" / "litellm" / "customer_keys.py", tmp_path)

    # When a call names somebody else
    with (
        litellm_proxy(tmp_path, config, environment(stack)) as running,
        caller(running.base_url, f"sk-of-{customer_id}") as proxy,
    ):
        refused = chat(proxy, "acct-victim", "fine", max_tokens=ALLOWANCE)
        answered = chat(proxy, "acct-victim", "fine")

    # Then the key's customer is refused, held for and counted
    assert (refused.status_code, answered.status_code) == (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.OK)
    assert settled(stack, customer_id, TOKENS) == (TOKENS, 0)
    assert figures(stack, "acct-victim") == (0, 0)


def test_a_stack_that_is_not_reached_stops_calls_where_the_setting_says_so(
    stack: Stack, upstream: FakeOpenAI, tmp_path: Path
) -> None:
    away = {"PANCAKE_METER_URL": f"http://127.0.0.1:{free_port()}", "PANCAKE_METER_DEADLINE_SECONDS": "1"}
    unreached = environment(stack, PANCAKE_METER_WHEN_UNREACHABLE="closed", **away)
    with (
        litellm_proxy(tmp_path, configuration(upstream), unreached) as running,
        caller(running.base_url) as proxy,
    ):
        started = time.monotonic()
        answer = chat(proxy, "acct-away", "fine", num_retries=0)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert time.monotonic() - started < 10
    assert (told(answer)["code"], answer.headers["retry-after"]) == ("metering_unavailable", "1")
