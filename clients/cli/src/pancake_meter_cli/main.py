"""``pancake-meter``: the root of all commands.

Exit statuses: 0 done, 1 refused by the API (or a check found a fault), 2 not called as it should be, 3 no useful answer.
"""

from typing import Annotated

import typer

from pancake_meter_cli.commands import (
    alerts,
    customers,
    deliveries,
    doctor,
    grants,
    keys,
    live,
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
from pancake_meter_cli.version import __version__

EXIT_STATUSES = (
    "Exit statuses: 0 done; 1 refused by the API, or a check found a fault; "
    "2 not called as it should be; 3 no useful answer, so the same may work later."
)

app = typer.Typer(
    name="pancake-meter",
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


for module in (session, doctor, operate, trigger, live, usage, grants, money):
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
    """Run the command."""
    app()
