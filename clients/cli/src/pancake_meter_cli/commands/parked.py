"""``parked``: usage that could not be counted."""

from enum import StrEnum
from typing import Annotated

import typer

from pancake_meter_cli.api import path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import Limit, Reason
from pancake_meter_cli.failures import usage

app = group("parked", "Usage that could not be counted, and why.")

COLUMNS = [
    ("id", "id"),
    ("parked", "parked_at"),
    ("source", "source"),
    ("code", "code"),
    ("detail", "detail"),
    ("customer", "customer_id"),
    ("dismissed", "dismissed_at"),
]


class Status(StrEnum):
    """Which of them."""

    OPEN = "open"
    DISMISSED = "dismissed"


ParkedId = Annotated[str, typer.Argument(help="The id: pancake-meter parked list.")]


@command(app, "list", "parked list", "parked list --status dismissed --json")
def list_parked(
    cli: Cli,
    *,
    status: Annotated[Status, typer.Option(help="Open ones, or dismissed ones.")] = Status.OPEN,
    limit: Limit = 50,
) -> None:
    """List parked usage, the latest first."""
    cli.show_list(cli.api.listed("/v1/usage/parked", "parked", limit, status=status), "parked", COLUMNS)


@command(app, "replay", "parked replay 7c2f...", "parked replay --all")
def replay(
    cli: Cli,
    parked_id: Annotated[str | None, typer.Argument(help="The id: pancake-meter parked list.")] = None,
    *,
    all_of_them: Annotated[bool, typer.Option("--all", help="Every open one.")] = False,
) -> None:
    """Try parked usage again, after its cause was mended. What is counted already is not counted twice."""
    if (parked_id is None) != all_of_them:
        raise usage("name one, or say --all")
    if parked_id is not None:
        cli.show(cli.api.post(path("usage", "parked", parked_id, "replay")))
        return
    with cli.progress("replaying"):
        open_ones = cli.api.listed("/v1/usage/parked", "parked", 0, status="open")["parked"]
        answers = [cli.api.post(path("usage", "parked", each["id"], "replay")) for each in reversed(open_ones)]
    cli.show_list({"replayed": answers}, "replayed", [("id", "id"), ("status", "status"), ("code", "code")])


@command(app, "dismiss", "parked dismiss 7c2f... --reason 'a test of ours'")
def dismiss(cli: Cli, parked_id: ParkedId, *, reason: Reason) -> None:
    """Take parked usage off the list."""
    cli.show(cli.api.post(path("usage", "parked", parked_id, "dismiss"), {"reason": reason}))
