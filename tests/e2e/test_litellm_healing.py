"""A real LiteLLM proxy is killed in the middle of its work; its spend log leads to the true total."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_litellm_callbacks import call, generic_api
from tests.support.fake_litellm import serve_spend_log
from tests.support.fake_openai import Wish, fake_openai
from tests.support.litellm_proxy import ROOT, litellm_proxy, model

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(300)]

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


def test_after_a_kill_mid_flight_the_spend_log_leads_to_the_true_total(
    stack: Stack, tmp_path: Path, customer_id: str
) -> None:
    # Given: a proxy whose callback has told nobody yet, with calls done and calls under way
    assert stack.ready["litellm_url"], "start the stack with LITELLM_BASE_URL and LITELLM_API_KEY"
    file = tmp_path / "spend_log.jsonl"
    shutil.copy(WRITER, tmp_path)
    wishes = [Wish(prompt=10 + number, completion=number % 5, cached=number % 10) for number in range(DONE)]
    with fake_openai() as provider, ThreadPoolExecutor(HANGING) as callers:
        config = {"model_list": [model(provider.base_url)], **generic_api(stack)}
        config["litellm_settings"]["callbacks"] = ["pancake_meter", "spend_log_file.spend_log_file"]
        queued = {"DEFAULT_FLUSH_INTERVAL_SECONDS": "600", "SPEND_LOG_FILE": str(file)}
        with litellm_proxy(tmp_path, config, queued) as proxy, proxy.client() as client:
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
    # Then: nothing was told, and one run finds all of it
    assert stack.quota(customer_id)["used"] == 0
    with serve_spend_log(urlsplit(stack.ready["litellm_url"]).port or 0, lambda: file):
        report = heal(stack)
        assert (report["failure"], report["missed"], report["recorded"]) == (None, DONE, DONE)
        assert stack.quota(customer_id)["used"] == sum(wish.total for wish in wishes)
        # And: another changes nothing
        assert heal(stack)["recorded"] == 0
    assert stack.quota(customer_id)["used"] == sum(wish.total for wish in wishes)
