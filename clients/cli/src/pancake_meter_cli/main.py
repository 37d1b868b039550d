"""``pancake-meter``: the root of all commands.

Exit statuses: 0 done, 1 refused by the API (or a check found a fault), 2 not called as it should be, 3 no useful answer.
"""

import json
import sys
from typing import Annotated, Final

import typer

from pancake_meter_cli import output
from pancake_meter_cli.commands import (
    alerts,
    customers,
    deliveries,
    doctor,
    grants,
    keys,
    live,
    migrate,
    money,
    operate,
    parked,
    push,
    redrive,
    reports,
    session,
    trigger,
    usage,
)
from pancake_meter_cli.failures import ExitStatus
from pancake_meter_cli.failures import usage as usage_failure
from pancake_meter_cli.version import __version__

NAME: Final = "pancake-meter"

EXIT_STATUSES = (
    "Exit statuses: 0 done; 1 refused by the API, or a check found a fault; "
    "2 not called as it should be; 3 no useful answer, so the same may work later."
)

app = typer.Typer(
    name=NAME,
    help="Run a day with a pancake-meter stack, on this machine or in AWS.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # a key could be among them
)


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it
    if value:
        typer.echo(f"pancake-meter {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run a day with a pancake-meter stack, on this machine or in AWS."""


for module in (session, doctor, operate, trigger, live, usage, grants, money, migrate):
    module.register(app)
for noun in (
    customers.app,
    deliveries.app,
    parked.app,
    alerts.app,
    reports.app,
    keys.app,
    keys.tokens,
    push.app,  # that of the catalog, with diff and push
    redrive.app,
):
    app.add_typer(noun)


def main() -> None:
    """Run the command. With ``--json`` a wrong call too is told as one JSON document.

    Who reads may have seen enough, as ``head`` has: that is no failure, whatever was being written.
    """
    output.leave_closed_pipes()
    stdout, is_closed, status = sys.stdout, False, 0
    try:
        status = _status()
        stdout.flush()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    except BrokenPipeError:
        is_closed = True
    # Typer puts another stdout in the place of one that is closed, and calls that a failure.
    if is_closed or sys.stdout is not stdout:
        output.write_no_more()
        status = 0
    sys.exit(status)


def _status() -> int:
    if "--json" not in sys.argv:
        app(prog_name=NAME)
        return 0
    try:
        return app(prog_name=NAME, standalone_mode=False) or 0
    except typer.Abort:
        return int(ExitStatus.REFUSED)
    except Exception as error:
        detail = getattr(error, "format_message", None)
        if detail is None:
            raise
        typer.echo(json.dumps(usage_failure(str(detail())).to_json(), ensure_ascii=False), err=True)
        return int(ExitStatus.USAGE)
