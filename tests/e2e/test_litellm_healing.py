"""A real LiteLLM proxy is killed in the middle of its work; its spend log leads to the true total."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_litellm_callbacks import call, generic_api
from tests.e2e.test_litellm_logger import environment as logger_environment
from tests.support.fake_litellm import serve_spend_log
from tests.support.fake_openai import Wish, fake_openai
from tests.support.litellm_proxy import ROOT, litellm_proxy, model

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

WRITER = ROOT / "tests" / "support" / "litellm" / "spend_log_file.py"
DONE, HANGING = 40, 8
WRITTEN_SECONDS_MAX = 30.0


def heal(stack: Stack) -> dict[str, Any]:
    answer = stack.api.post("/v1/usage/healings", json={"patience_seconds": 0})
    assert answer.status_code == httpx.codes.OK, answer.text
    report: dict[str, Any] = answer.json()
    return report


def wait_for_rows(file: Path, count: int) -> None:
    deadline = time.monotonic() + WRITTEN_SECONDS_MAX
    while not file.exists() or len(file.read_text().splitlines()) < count:
        assert time.monotonic() < deadline, "the proxy wrote no such log"
        time.sleep(0.2)


def stock_callback(stack: Stack) -> tuple[dict[str, Any], dict[str, str]]:
    """Configuration and environment of a proxy whose own callback keeps what it has to tell for ten minutes."""
    return generic_api(stack), {"DEFAULT_FLUSH_INTERVAL_SECONDS": "600"}


def our_logger(stack: Stack) -> tuple[dict[str, Any], dict[str, str]]:
    """Those of a proxy with our logger, which holds before each call and tells after it, on however slow a machine."""
    callback = "pancake_meter_client.litellm.pancake_meter_logger"
    small_holds = logger_environment(stack, PANCAKE_METER_OUTPUT_TOKENS_DEFAULT="20")
    return {"litellm_settings": {"callbacks": [callback]}}, small_holds


@pytest.mark.parametrize("told_by", [stock_callback, our_logger])
def test_after_a_kill_mid_flight_the_spend_log_leads_to_the_true_total(
    stack: Stack, tmp_path: Path, customer_id: str, told_by: Callable[[Stack], tuple[dict[str, Any], dict[str, str]]]
) -> None:
    # Given: a proxy with calls that are done, told of or not, and calls under way
    assert stack.ready["litellm_url"], "start the stack with LITELLM_BASE_URL and LITELLM_API_KEY"
    file = tmp_path / "spend_log.jsonl"
    shutil.copy(WRITER, tmp_path)
    wishes = [Wish(prompt=10 + number, completion=number % 5, cached=number % 10) for number in range(DONE)]
    config, environment = told_by(stack)
    config["litellm_settings"]["callbacks"].append("spend_log_file.spend_log_file")
    with fake_openai() as provider, ThreadPoolExecutor(HANGING) as callers:
        config["model_list"] = [model(provider.base_url)]
        with (
            litellm_proxy(tmp_path, config, {**environment, "SPEND_LOG_FILE": str(file)}) as proxy,
            proxy.client() as client,
        ):
            done = callers.map(
                lambda each: call(client, customer_id, each[1], streamed=each[0] % 2 == 0), enumerate(wishes)
            )
            assert set(done) == {httpx.codes.OK}
            wait_for_rows(file, DONE)
            under_way = [
                callers.submit(call, client, customer_id, Wish(seconds=30, completion=50), streamed=number % 2 == 0)
                for number in range(HANGING)
            ]
            time.sleep(1)
            # When
            proxy.kill()
            assert all(isinstance(each.exception(), httpx.TransportError) for each in under_way)
    told = stack.quota(customer_id)["used"]
    assert told == 0 or told_by is our_logger
    # Then: one run finds what nobody told
    with serve_spend_log(urlsplit(stack.ready["litellm_url"]).port or 0, lambda: file):
        report = heal(stack)
        assert report["failure"] is None
        assert report["known"] + report["recorded"] == DONE
        assert stack.quota(customer_id)["used"] == sum(wish.total for wish in wishes)
        # And: another changes nothing
        assert heal(stack)["recorded"] == 0
    assert stack.quota(customer_id)["used"] == sum(wish.total for wish in wishes)
