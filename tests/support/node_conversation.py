"""Node programs that are started once and asked many times: a line of JSON in, a line of JSON out."""

import atexit
import json
import subprocess
from select import select
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

from tests.support.node import PROGRAMS, SECONDS_MAX

END_SECONDS_MAX = 5
_running: dict[str, "_Conversation"] = {}
_starting = Lock()


def ask_node(program: str, question: object) -> Any:
    """Return a program's answer to a question. The program, one of ``tests/contract/node``, goes on until this process ends.

    A test fails where there is none; the next question is for a new one.
    """
    with _starting:
        if program not in _running:
            _running[program] = _Conversation(program)
        conversation = _running[program]
    try:
        return conversation.ask(question)
    except AssertionError:
        _running.pop(program, None)
        raise


class _Conversation:
    def __init__(self, program: str) -> None:
        self._errors = TemporaryFile("w+")  # noqa: SIM115 - closed with the rest
        self._process = subprocess.Popen(
            ["node", str(PROGRAMS / program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self._asking = Lock()
        atexit.register(self._end)

    def ask(self, question: object) -> Any:
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        with self._asking:
            asked.write(json.dumps(question).encode() + b"\n")
            asked.flush()
            line = told.readline() if select([told], [], [], SECONDS_MAX)[0] else b""
            if line.endswith(b"\n"):
                return json.loads(line)
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read()
            self._end()
        raise AssertionError(f"no answer: {said}")

    def _end(self) -> None:
        atexit.unregister(self._end)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()
        self._process.wait(END_SECONDS_MAX)
