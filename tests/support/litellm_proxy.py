"""A real LiteLLM proxy, in the environment that requirements-litellm.txt locks (``make setup``)."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.dynoxide import free_port

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".venv-litellm" / "bin" / "litellm"
MASTER_KEY = "sk-made-up-for-tests"
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0

ALONE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks the network for prices first
    "LITELLM_MASTER_KEY": MASTER_KEY,
    "LITELLM_LOG": "INFO",
    "NO_PROXY": "127.0.0.1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass
class LiteLLMProxy:
    """A running proxy, and how to call it."""

    base_url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def client(self) -> httpx.Client:
        """A client with the master key."""
        limits = httpx.Limits(max_connections=64)
        return httpx.Client(
            base_url=self.base_url, headers={"Authorization": f"Bearer {MASTER_KEY}"}, timeout=60, limits=limits
        )

    def stop(self) -> None:
        """End it as an orchestrator does: it may finish what it is doing."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once: what it has not told yet is lost."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS_MAX)


def model(provider_url: str) -> dict[str, Any]:
    """The configuration of the one model, ``gpt``, which our provider serves."""
    parameters = {"model": "openai/gpt-4o-mini", "api_base": provider_url, "api_key": "none", "max_retries": 0}
    return {"model_name": "gpt", "litellm_params": parameters}


@contextmanager
def litellm_proxy(
    folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[LiteLLMProxy]:
    """Start a proxy with ``config`` (what its ``config.yaml`` says), yield it when it answers, and stop it."""
    assert PROGRAM.exists(), "LiteLLM is not installed: run `make setup`"
    port, path, log = free_port(), folder / "config.yaml", folder / "litellm.log"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    command = [str(PROGRAM), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    outer = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**outer, **ALONE, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    proxy = LiteLLMProxy(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_until_ready(proxy)
        yield proxy
    finally:
        if process.poll() is None:
            proxy.stop()


def _wait_until_ready(proxy: LiteLLMProxy) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and proxy.process.poll() is None:
        try:
            if httpx.get(f"{proxy.base_url}/health/liveliness", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"LiteLLM did not start:\n{proxy.log.read_text(errors='replace')[-4000:]}")
