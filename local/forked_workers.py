"""Workers of functions out of one process that has imported what they all import: that takes most of a worker's start.

Run as a program (by its path: it imports nothing of ours) it is that process, with a socket's number and the folders of the
layers as its arguments. What is imported comes from the layers, and from the runtime what they do not have, as in a worker
that starts as a Python of its own. Each worker then imports its function and our own code.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

PROGRAM: Final = "_worker.py"
"""What MiniStack names the program of a worker in Python."""

IMPORTED: Final = (
    "boto3",
    "botocore.endpoint",
    "botocore.httpsession",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "cryptography.hazmat.primitives.serialization",
    "httpx",
    "jinja2",
    "pydantic",
)
"""No package that a function imports by name (``pancake_meter.lazy_packages``): it would be here as a whole."""

REQUEST_BYTES_MAX: Final = 200_000
ANSWER_BYTES_MAX: Final = 20
WAIT_SECONDS: Final = 0.01
STREAMS: Final = 3


@dataclass
class Forked:
    """A worker, with as much of ``subprocess.Popen`` as MiniStack uses. Nobody learns its exit status."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]
    stderr: IO[str]
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return -1 once it has ended."""
        if self.returncode is None and not self._signalled(0):
            self.returncode = -1
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(PROGRAM, timeout or 0)
            time.sleep(WAIT_SECONDS)
        return status

    def terminate(self) -> None:
        """Ask it to end."""
        self._signalled(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._signalled(signal.SIGKILL)

    def _signalled(self, number: int) -> bool:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


class ForkedWorkers:
    """Stands for ``subprocess.Popen`` where MiniStack starts its workers: those in Python are forked."""

    def __init__(self) -> None:
        """Nothing is started before the first worker is wanted."""
        self._origins: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], socket.socket]] = {}
        self._asking = threading.Lock()

    def __call__(self, command: Sequence[str], **options: Any) -> Any:
        """Start a program."""
        if Path(command[-1]).name != PROGRAM:
            return subprocess.Popen(command, **options)
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        from_stderr, stderr = os.pipe()
        try:
            pid = self._fork(command, options["cwd"], options["env"], (stdin, stdout, stderr))
        finally:
            for each in (stdin, stdout, stderr):
                os.close(each)
        writer = os.fdopen(to_stdin, "w", buffering=1, encoding="utf-8")
        return Forked(pid, writer, os.fdopen(from_stdout, encoding="utf-8"), os.fdopen(from_stderr, encoding="utf-8"))

    def close(self) -> None:
        """Start no more: workers that run go on."""
        for process, line in self._origins.values():
            line.close()
            process.wait()

    def _fork(
        self, command: Sequence[str], folder: str, environment: Mapping[str, str], streams: tuple[int, ...]
    ) -> int:
        layers = _folders(environment)
        request = json.dumps({"program": command[-1], "folder": folder, "environment": dict(environment)}).encode()
        with self._asking:
            if layers not in self._origins:
                self._origins[layers] = _origin(command[0], layers)
            _, line = self._origins[layers]
            socket.send_fds(line, [request], streams)
            answer = line.recv(ANSWER_BYTES_MAX)
        if not answer:
            raise RuntimeError("the process that the workers come out of has ended: see the log of MiniStack")
        return int(answer)


def can_fork() -> bool:
    """Whether it is safe here to fork a process that has imported much: macOS ends some that were."""
    return sys.platform == "linux"


def _folders(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return where the layers of a worker really are: what it has itself is links to there."""
    layers = filter(None, environment.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep))
    folders = [Path(layer) / "python" for layer in layers]
    return tuple(str(folder.resolve()) for folder in folders if folder.is_dir())


def _origin(python: str, layers: Sequence[str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [python, __file__, str(theirs.fileno()), *layers],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return process, ours


def serve(line: socket.socket, layers: Sequence[str]) -> None:
    """Import, and then fork a worker for each request, until nobody can ask any more."""
    sys.path[:1] = layers
    for name in IMPORTED:
        with suppress(ImportError):
            importlib.import_module(name)
    sys.path[: len(layers)] = []
    # Nobody waits here: whoever has ended is gone, and its process id with it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        request, streams, _, _ = socket.recv_fds(line, REQUEST_BYTES_MAX, STREAMS)
        if not request:
            return
        child = os.fork()
        if child == 0:
            line.close()
            _become(json.loads(request), streams)
        for each in streams:
            os.close(each)
        line.send(str(child).encode())


def _become(asked: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Run a worker's program as a Python of its own would, to its end."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = [asked["program"]]
        sys.path.insert(0, str(Path(asked["program"]).parent))
        runpy.run_path(asked["program"], run_name="__main__")
        status = 0
    except Exception:  # noqa: BLE001 - as the interpreter does it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _line:
        serve(_line, sys.argv[2:])
