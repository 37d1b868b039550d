"""Dynoxide: a DynamoDB that is right under concurrency, one small process in memory.

moto loses concurrent updates and counts capacity wrongly: races, capacity units and tokens are tested here.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARY = Path(__file__).resolve().parents[1] / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide"
START_ATTEMPTS_MAX = 3
START_SECONDS_MAX = 10.0


class DynoxideUnavailableError(RuntimeError):
    """The binary is missing (run `make setup`) or did not answer in time."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def dynoxide() -> Iterator[str]:
    """Start Dynoxide in memory on a free port, yield its endpoint URL, and stop it.

    Raises `DynoxideUnavailableError`.
    """
    if not BINARY.exists():
        raise DynoxideUnavailableError("Dynoxide is not installed: run `make setup`")
    for _ in range(START_ATTEMPTS_MAX):
        port = free_port()
        process = subprocess.Popen(
            [str(BINARY), "--host", "127.0.0.1", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _answers(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            process.wait(timeout=5)
    raise DynoxideUnavailableError(f"no answer within {START_SECONDS_MAX:.0f} s, {START_ATTEMPTS_MAX} times")


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until the port accepts a connection; False when the process ended (port taken) or time ran out."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(0.02)
    return False
