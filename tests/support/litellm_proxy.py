"""A real LiteLLM proxy, in the environment that requirements-litellm.txt locks (``make setup``)."""

import atexit
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-litellm" / "bin" / "python"
FORKED = ROOT / "tests" / "support" / "litellm" / "forked.py"
MASTER_KEY = "sk-made-up-for-tests"
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0

OUTER = ("PATH", "HOME", "LANG", "TMPDIR")
"""What a proxy has of our own environment."""

ALONE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks the network for prices first
    "LITELLM_MASTER_KEY": MASTER_KEY,
    "LITELLM_LOG": "INFO",
    "NO_PROXY": "127.0.0.1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class LiteLLMProxy:
    """A running proxy, and how to call it."""

    base_url: str
    process_id: int
    log: Path

    def client(self) -> httpx.Client:
        """A client with the master key."""
        limits = httpx.Limits(max_connections=64)
        return httpx.Client(
            base_url=self.base_url, headers={"Authorization": f"Bearer {MASTER_KEY}"}, timeout=60, limits=limits
        )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        try:
            os.kill(self.process_id, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self) -> None:
        """End it as an orchestrator does: it may finish what it is doing."""
        os.kill(self.process_id, signal.SIGTERM)
        if not self._ends():
            self.kill()

    def kill(self) -> None:
        """End it at once: what it has not told yet is lost."""
        os.killpg(self.process_id, signal.SIGKILL)
        assert self._ends()

    def _ends(self) -> bool:
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while self.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.is_running


@cache
def _forking() -> "subprocess.Popen[str]":
    """Start the process that all proxies of this run come out of. It is ready when it answers."""
    outer = {name: os.environ[name] for name in OUTER if name in os.environ}
    process = subprocess.Popen(
        [str(PYTHON), str(FORKED)],
        env={**outer, **ALONE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def end() -> None:
        process.kill()
        process.communicate()

    atexit.register(end)
    return process


def model(provider_url: str) -> dict[str, Any]:
    """The configuration of the one model, ``gpt``, which our provider serves."""
    parameters = {"model": "openai/gpt-4o-mini", "api_base": provider_url, "api_key": "none", "max_retries": 0}
    return {"model_name": "gpt", "litellm_params": parameters}


@contextmanager
def litellm_proxy(
    folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[LiteLLMProxy]:
    """Start a proxy with ``config`` (what its ``config.yaml`` says), yield it when it answers, and stop it."""
    assert PYTHON.exists(), "LiteLLM is not installed: run `make setup`"
    port, path, log = free_port(), folder / "config.yaml", folder / "litellm.log"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    outer = {name: os.environ[name] for name in OUTER if name in os.environ}
    asked = {
        "arguments": ["--config", str(path), "--host", "127.0.0.1", "--port", str(port)],
        "folder": str(folder),
        "environment": {**outer, **ALONE, **(environment or {})},
        "log": str(log),
    }
    forking = _forking()
    assert forking.stdin is not None
    assert forking.stdout is not None
    print(json.dumps(asked), file=forking.stdin, flush=True)
    proxy = LiteLLMProxy(f"http://127.0.0.1:{port}", int(forking.stdout.readline()), log)
    try:
        _wait_until_ready(proxy)
        yield proxy
    finally:
        if proxy.is_running:
            proxy.stop()


def _wait_until_ready(proxy: LiteLLMProxy) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and proxy.is_running:
        try:
            if httpx.get(f"{proxy.base_url}/health/liveliness", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"LiteLLM did not start:\n{proxy.log.read_text(errors='replace')[-4000:]}")
