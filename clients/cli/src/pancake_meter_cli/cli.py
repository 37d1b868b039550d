"""What every command is given: the profile, the API behind it, and the way to show an answer."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx
import typer
from rich.console import RenderableType

from pancake_meter_cli import output
from pancake_meter_cli.api import Api
from pancake_meter_cli.failures import Failure, usage
from pancake_meter_cli.profiles import Profile, ProfileFile, profile_in_use, require
from pancake_meter_cli.simulator import Simulator
from pancake_meter_cli.waffo import Waffo, waffo_of


@dataclass
class Cli:
    """One run of a command. The fields with a default are what tests replace."""

    profile_name: str | None = None
    as_json: bool = False
    file: ProfileFile = field(default_factory=ProfileFile.at_home)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    transport: httpx.BaseTransport | None = None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    aws: Callable[[str, Profile], Any] | None = None
    given: Profile | None = None
    """A profile that is tried and not kept yet."""

    @cached_property
    def profile(self) -> Profile:
        """The profile in use. Raises ``Failure``."""
        return self.given or profile_in_use(self.profile_name, self.file, self.environ)

    @cached_property
    def api(self) -> Api:
        """The stack's API. Raises ``Failure`` when nothing says where it is."""
        url, key = require(self.profile, "api_url"), require(self.profile, "api_key")
        return Api(url, key, transport=self.transport, sleep=self.sleep)

    @cached_property
    def waffo(self) -> Waffo:
        """Waffo's API, signed as the merchant. Raises ``Failure`` when something is missing for it."""
        return waffo_of(self.profile, self.environ, self.transport)

    @cached_property
    def simulator(self) -> Simulator:
        """The controls of the Waffo simulator. Raises ``Failure`` where Waffo is the real one."""
        url = require(self.profile, "waffo_url")
        if not self.profile.has_simulator:
            raise usage(f"{url} is no simulator: this is for the local stack", code="not_local")
        return Simulator(url, self.transport)

    def show(self, answer: Any, view: Callable[[], RenderableType] | RenderableType | None = None) -> None:
        """Print an answer: as one JSON document, or as its view (without one: as a record)."""
        if self.as_json:
            typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
            return
        shown = view() if callable(view) else view
        output.console().print(output.record(answer) if shown is None else shown)

    def show_list(
        self, answer: Mapping[str, Any], name: str, columns: list[output.Column], empty: str = "none"
    ) -> None:
        """Print a list: as JSON, or as a table."""
        self.show(answer, lambda: output.table(answer[name], columns, empty))
        if answer.get("has_more") and not self.as_json:
            self.say("There are more: --limit 0 shows all.")

    def show_line(self, entry: Mapping[str, Any], view: str) -> None:
        """Print one entry of a stream: as a line of JSON, or as a line of text."""
        typer.echo(output.json_line(entry) if self.as_json else view)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Tell a person something, on stderr."""
        if not self.as_json:
            typer.echo(text, err=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on when a person says so, or ``--yes`` did. Raises ``Failure``: nobody can be asked, or the answer is no."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise usage(f"{question} Say so with --yes.", code="confirmation_needed")
        if not typer.confirm(question, err=True):
            raise usage("nothing was done", code="not_confirmed")

    @contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Show that something takes its time, where a person looks."""
        shown = output.console(stderr=True)
        if self.as_json or not shown.is_terminal:
            yield
            return
        with shown.status(text):
            yield

    def fail(self, failure: Failure) -> typer.Exit:
        """Print a failure on stderr; return what ends the command."""
        if self.as_json:
            typer.echo(json.dumps(failure.to_json(), ensure_ascii=False), err=True)
        else:
            request_id = failure.more.get("request_id")
            typer.echo(f"{failure.code}: {failure.detail}", err=True)
            for fault in failure.more.get("errors", ()):
                where = f"{fault['field']}: " if fault.get("field") else ""
                typer.echo(f"  {where}{fault.get('fault')}", err=True)
            for name in ("reason", "purchase_url", "upgrade_url", "resets_at"):
                if failure.more.get(name):
                    typer.echo(f"{name}: {failure.more[name]}", err=True)
            if failure.helps:
                typer.echo(f"what helps: {failure.helps}", err=True)
            if request_id:
                typer.echo(f"request id: {request_id}", err=True)
        return typer.Exit(int(failure.status))
