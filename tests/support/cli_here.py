"""The whole of ``pancake-meter`` as its program runs it, in this process: a Python of its own takes a second to start.

``tests/integration/test_cli_process.py`` holds what a process adds.
"""

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import httpx
import pytest

from pancake_meter_cli import api
from pancake_meter_cli.main import main

NOT_OURS = ("AWS_", "PANCAKE_", "WAFFO_", "CATALOG_")
"""Variables that the command reads: what other tests set is not of this run."""


@dataclass(frozen=True)
class Done:
    """What a run of the command came to: its exit status, and the one JSON document that it printed."""

    status: int
    answer: Any


def run_here(*arguments: str, folder: Path, environ: Mapping[str, str], ahead: timedelta | None = None) -> Done:
    """Run the command with ``--json`` as somebody whose settings are in ``folder``, on a clock that is so far ``ahead``."""
    with (
        _as_a_program(folder, environ, ahead),
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        sys.argv = ["pancake-meter", *arguments, "--json"]
        try:
            main()
            status: object = 0
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int), status
    return Done(status, json.loads(out.getvalue() or err.getvalue()))


@contextmanager
def _as_a_program(folder: Path, environ: Mapping[str, str], ahead: timedelta | None) -> Iterator[None]:
    """Give the environment of a process, and close what it would leave to its end."""
    with ExitStack() as ends, pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith(NOT_OURS)]:
            patched.delenv(name)
        for name, value in {"XDG_CONFIG_HOME": str(folder), **environ}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", [])
        client = httpx.Client

        def opened(*positional: Any, **named: Any) -> httpx.Client:
            made = client(*positional, **named)
            ends.callback(made.close)
            return made

        patched.setattr(httpx, "Client", opened)
        if ahead is not None:
            patched.setattr(api, "datetime", _clock(ahead))
        yield


def _clock(ahead: timedelta) -> type[datetime]:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            told = datetime.now(tz) + ahead
            return cls.fromtimestamp(told.timestamp(), tz)

    return Ahead
