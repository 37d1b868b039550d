"""A real LiteLLM proxy, stock in everything: its own callbacks tell the stack of every call, by configuration alone."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Stack
from tests.support.fake_openai import FakeOpenAI, Wish, fake_openai
from tests.support.litellm_proxy import LiteLLMProxy, litellm_proxy, model

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CALLS = 60
CALLERS = 4
TOLD_SECONDS_MAX = 60.0

LEFT_OUT = ["messages", "response", "model_parameters"]


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeOpenAI]:
    with fake_openai() as provider:
        yield provider


def generic_api(stack: Stack, log_format: str = "json_array", **settings: object) -> dict[str, Any]:
    """What docs/usage-formats.md says to configure."""
    return {
        "litellm_settings": {
            "callbacks": ["pancake_meter"],
            "standard_logging_payload_excluded_fields": LEFT_OUT,
        },
        "callback_settings": {
            "pancake_meter": {
                "callback_type": "generic_api",
                "endpoint": f"{stack.ready['api_url']}/v1/usage/litellm",
                "headers": {"Authorization": f"Bearer {stack.meter_key}"},
                "event_types": ["llm_api_success", "llm_api_failure"],
                "log_format": log_format,
                "max_retries": 3,
                **settings,
            }
        },
    }


def call(client: httpx.Client, customer_id: str, wish: Wish, *, streamed: bool = False) -> int:
    """Make one call to the end; the status of its answer."""
    body = {"model": "gpt", "messages": wish.message(), "user": customer_id, "stream": streamed}
    if streamed:
        body["stream_options"] = {"include_usage": True}
    return client.post("/v1/chat/completions", json=body).status_code


def make_calls(proxy: LiteLLMProxy, customers: list[str], count: int, answer_id: str = "") -> dict[str, int]:
    """Make calls of all kinds, several at once; tokens by customer that were truly used."""
    wishes = []
    for number in range(count):
        wish = Wish(prompt=50 + number, completion=number % 7, cached=number % 50, id=answer_id)
        wishes.append((customers[number % len(customers)], wish, number))
    with proxy.client() as client, ThreadPoolExecutor(CALLERS) as callers:
        made = callers.map(lambda each: call(client, each[0], each[1], streamed=each[2] % 2 == 0), wishes)
        assert set(made) == {httpx.codes.OK}
    return {
        customer: sum(wish.total for of_customer, wish, _ in wishes if of_customer == customer)
        for customer in customers
    }


def wait_for(stack: Stack, expected: dict[str, int]) -> None:
    """Wait until all is told, and a little longer: nothing more may come."""
    deadline = time.monotonic() + TOLD_SECONDS_MAX
    while time.monotonic() < deadline:
        if used(stack, expected) == expected:
            break
        time.sleep(0.5)
    assert used(stack, expected) == expected


def used(stack: Stack, customers: dict[str, int]) -> dict[str, int]:
    return {customer: stack.quota(customer)["used"] for customer in customers}


@pytest.mark.parametrize(("log_format", "calls"), [("json_array", CALLS), ("ndjson", 12), ("single", 8)])
def test_the_generic_api_callback_is_counted_exactly(
    stack: Stack, provider: FakeOpenAI, tmp_path: Any, customer_id: str, log_format: str, calls: int
) -> None:
    customers = [f"{customer_id}-{name}" for name in ("a", "b", "c")]
    config = {"model_list": [model(provider.base_url)], **generic_api(stack, log_format)}
    with litellm_proxy(tmp_path, config, {"DEFAULT_FLUSH_INTERVAL_SECONDS": "1"}) as proxy:
        # LiteLLM's own id of a call is what counts: some providers answer every one with the same.
        expected = make_calls(proxy, customers, calls, answer_id="chatcmpl-again")
        with proxy.client() as client:
            assert call(client, customers[0], Wish(status=400)) >= httpx.codes.BAD_REQUEST
        wait_for(stack, expected)
    assert used(stack, expected) == expected


def test_the_openmeter_callback_is_counted_exactly(
    stack: Stack, provider: FakeOpenAI, tmp_path: Any, customer_id: str
) -> None:
    customers = [f"{customer_id}-{name}" for name in ("a", "b", "c")]
    config = {"model_list": [model(provider.base_url)], "litellm_settings": {"callbacks": ["openmeter"]}}
    ours = {"OPENMETER_API_ENDPOINT": stack.ready["api_url"], "OPENMETER_API_KEY": stack.meter_key}
    with litellm_proxy(tmp_path, config, ours) as proxy:
        expected = make_calls(proxy, customers, CALLS)
        wait_for(stack, expected)
    assert used(stack, expected) == expected
