"""Child processes that never outlive us: each in its own process group, with its log in a file."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from local import ROOT
from local.errors import LocalStackError

STOP_SECONDS_MAX = 10.0
POLL_SECONDS = 0.1
LOG_TAIL_LINES = 15
ENVIRONMENT_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class Child:
    """One running program, with a name for messages and the file that takes its output."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]


class Children:
    """Starts programs and, on leaving the `with` block, ends every one of them and whatever they started.

    Use one per run. Signals to us (Ctrl-C in a terminal too) do not reach the children: we end them in order, newest first.
    """

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._running: list[Child] = []

    def __enter__(self) -> Self:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A second Ctrl-C must not interrupt the clearing up and leave orphans.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(self._running):
            _stop(child)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT) -> Child:
        """Start a program in the background, in `folder`. Its log is `<log folder>/<name>.log`."""
        log = self._log_folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*dies_with_parent(), *command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, log, process)
        self._running.append(child)
        return child

    def run(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        seconds_max: float,
        folder: Path = ROOT,
    ) -> None:
        """Run a program to its end. Raises `LocalStackError` with the end of its log when it fails or takes too long."""
        child = self.start(name, command, environment, folder)
        try:
            status = child.process.wait(timeout=seconds_max)
        except subprocess.TimeoutExpired:
            raise LocalStackError(f"{name} took longer than {seconds_max:.0f} s\n{log_tail(child.log)}") from None
        self._running.remove(child)
        if status != 0:
            raise LocalStackError(f"{name} failed with status {status}\n{log_tail(child.log)}")

    def first_ended(self) -> Child | None:
        """Return a background program that has ended although it should still run."""
        return next((child for child in self._running if child.process.poll() is not None), None)


def wait_until(ready: Callable[[], bool], child: Child, seconds_max: float) -> None:
    """Wait until `ready()`. Raises `LocalStackError` when the child ends first, or time runs out."""
    deadline = time.monotonic() + seconds_max
    while not ready():
        status = child.process.poll()
        if status is not None:
            raise LocalStackError(f"{child.name} ended with status {status}\n{log_tail(child.log)}")
        if time.monotonic() > deadline:
            raise LocalStackError(f"{child.name} was not ready within {seconds_max:.0f} s\n{log_tail(child.log)}")
        time.sleep(POLL_SECONDS)


def minimal_environment() -> dict[str, str]:
    """Return what a program needs of our environment to run, and nothing else of it."""
    return {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}


def log_tail(log: Path) -> str:
    """Return the last lines of a log, and where the rest is."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([*(f"  | {line}" for line in lines), f"  the whole log: {log}"])


def dies_with_parent() -> Sequence[str]:
    """Return the prefix of a command that lets the kernel end it when we are killed without a chance to clear up (Linux)."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()


def _stop(child: Child) -> None:
    """End a program's whole process group: politely first, so that it can save its state."""
    _signal_group(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.process.wait(timeout=STOP_SECONDS_MAX)
    # Whoever is left of the group, the program itself or what it started.
    _signal_group(child, signal.SIGKILL)
    child.process.wait(timeout=STOP_SECONDS_MAX)


def _signal_group(child: Child, number: signal.Signals) -> None:
    # macOS refuses to signal a group in which nothing runs any more; Linux does not mind.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, number)
