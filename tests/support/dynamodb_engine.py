"""The DynamoDB of the tests, in memory: Dynoxide where there is one for the machine, else MiniStack's.

moto loses concurrent updates; both of these are right under concurrency. TESTS_DYNAMODB chooses one by its name.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from local.processes import dies_with_parent
from tests.support import dynoxide, ministack_dynamodb
from tests.support.ports import free_port

VARIABLE = "TESTS_DYNAMODB"
START_ATTEMPTS_MAX = 3
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0


class DynamoDBUnavailableError(RuntimeError):
    """The engine that was asked for is not installed, or did not answer in time."""


class Engine(StrEnum):
    """What plays DynamoDB."""

    DYNOXIDE = "dynoxide"
    MINISTACK = "ministack"


def chosen(environ: Mapping[str, str], program: Path | None) -> Engine:
    """Return the engine of a run: the one that is asked for, else Dynoxide where its `program` is here.

    Raises `DynamoDBUnavailableError`.
    """
    wanted = environ.get(VARIABLE) or (Engine.DYNOXIDE if program else Engine.MINISTACK)
    if wanted not in set(Engine):
        raise DynamoDBUnavailableError(f"{VARIABLE} must be {' or '.join(Engine)}")
    if wanted == Engine.DYNOXIDE and not program:
        raise DynamoDBUnavailableError(f"Dynoxide is not installed: run `make setup`, or unset {VARIABLE}")
    return Engine(wanted)


def engine_here() -> Engine:
    """Return the engine of this run. Raises `DynamoDBUnavailableError`."""
    return chosen(os.environ, dynoxide.binary())


@contextmanager
def dynamodb_engine() -> Iterator[str]:
    """Start the engine on a free port, yield its endpoint URL, and stop it. Raises `DynamoDBUnavailableError`."""
    engine = engine_here()
    for _ in range(START_ATTEMPTS_MAX):
        port = free_port()
        command, environment = _program(engine, port)
        process = subprocess.Popen(
            [*dies_with_parent(), *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            if _answers(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            process.wait(timeout=STOP_SECONDS_MAX)
    raise DynamoDBUnavailableError(f"{engine}: no answer within {START_SECONDS_MAX:.0f} s, {START_ATTEMPTS_MAX} times")


def _program(engine: Engine, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
    if engine is Engine.MINISTACK:
        return ministack_dynamodb.command(), ministack_dynamodb.environment(port)
    program = dynoxide.binary()
    assert program is not None, "the choice has found it"
    return dynoxide.command(program, port), dict(os.environ)


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
