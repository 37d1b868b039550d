"""The examples run as their READMEs say: calls that fit are answered and counted, the rest are refused with a link."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.conftest import ROOT, Stack
from tests.support.fake_openai import COMPLETION_TOKENS, PROMPT_TOKENS, fake_openai
from tests.support.litellm_proxy import litellm_proxy
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

EXAMPLES = ROOT / "examples"
CLIENT = ROOT / "clients" / "python" / "src"
START_SECONDS_MAX = 60.0
SETTLED_WITHIN_SECONDS = 30.0


@contextmanager
def backend(stack: Stack, folder: Path) -> Iterator[str]:
    """Run the FastAPI example as its README does; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES / "fastapi_backend"), "app:app"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CLIENT),
        "PANCAKE_METER_URL": stack.ready["api_url"],
        "PANCAKE_METER_API_KEY": stack.meter_key,
    }
    log = folder / "backend.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while b"startup complete" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_issue_14_12_the_fastapi_example_answers_until_it_refuses_with_a_link(
    stack: Stack, customer_id: str, tmp_path: Path
) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (EXAMPLES / "fastapi_backend" / "README.md").read_text(), re.DOTALL)
    quota, answer = next(block for block in blocks if block.startswith("curl")).strip().splitlines()
    with backend(stack, tmp_path) as address:

        def typed(curl: str) -> tuple[int, str]:
            """Type a command of the README; return the status and the body."""
            here = curl.replace("acct_1001", customer_id).replace("http://127.0.0.1:8100", address)
            command = ["bash", "-euc", f"{here} -sS -w '\\n%{{http_code}}'"]
            told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout
            body, _, status = told.rpartition("\n")
            return int(status), body

        # Given a new customer with 10,000 tokens, of whom each call may use 4,008 and uses 2,002
        assert typed(quota) == (HTTPStatus.OK, '{"plan":"free","used":"0","available":"10000"}')
        answered = [typed(answer) for _ in range(4)]

        # Then three calls are answered, and the fourth is refused with a link that leads to a payment page
        assert [status for status, _ in answered] == [200, 200, 200, 402]
        refusal = httpx.Response(402, content=answered[-1][1]).json()
        assert refusal["code"] == "quota_exhausted"
        assert httpx.post(refusal["purchase_url"], timeout=60).status_code == HTTPStatus.SEE_OTHER

    # And what was used is counted, and nothing stays held
    left = stack.quota(customer_id)
    assert (left["used"], left["held"]) == (3 * 2002, 0)


def test_issue_14_12_the_litellm_example_counts_and_refuses_in_a_real_proxy(
    stack: Stack, customer_id: str, tmp_path: Path
) -> None:
    # Given the configuration as it is; keys are bound to customers without the proxy's database
    config = yaml.safe_load((EXAMPLES / "litellm_proxy" / "config.yaml").read_text())
    config["general_settings"] = {"custom_auth": "customer_keys.user_api_key_auth"}
    shutil.copy(ROOT / "tests" / "support" / "litellm" / "customer_keys.py", tmp_path)
    with fake_openai() as upstream:
        environment = {
            "PYTHONPATH": str(CLIENT),
            "PANCAKE_METER_URL": stack.ready["api_url"],
            "PANCAKE_METER_API_KEY": stack.meter_key,
            "PANCAKE_METER_METER": "tokens",
            "PANCAKE_METER_DEADLINE_SECONDS": "60",  # the emulator is no Lambda
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": upstream.base_url,
        }
        with (
            litellm_proxy(tmp_path, config, environment) as proxy,
            httpx.Client(
                base_url=proxy.base_url, headers={"Authorization": f"Bearer sk-of-{customer_id}"}, timeout=120
            ) as caller,
        ):
            call = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
            answered = caller.post("/v1/chat/completions", json=call)
            refused = caller.post("/v1/chat/completions", json={**call, "max_tokens": 10_000})

            # Then the call that fits is answered and counted, and the other one is refused with a link
            assert (answered.status_code, refused.status_code) == (HTTPStatus.OK, HTTPStatus.PAYMENT_REQUIRED)
            assert "/buy/" in refused.json()["error"]["provider_specific_fields"]["purchase_url"]
            deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
            while (left := stack.quota(customer_id))["used"] == 0 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert (left["used"], left["held"]) == (PROMPT_TOKENS + COMPLETION_TOKENS, 0)
        assert upstream.calls == {"gpt-4o-mini": 1}
