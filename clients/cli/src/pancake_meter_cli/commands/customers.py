"""``customers``: who they are, what they have, and all that is kept of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from pancake_meter_cli import output
from pancake_meter_cli.api import Json, customer
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import CustomerId, Limit, Yes
from pancake_meter_cli.failures import ExitStatus, Failure, usage

app = group("customers", "Who your customers are, and what they have.")

ERASING_ROUNDS_MAX: Final = 1_000
LIST_COLUMNS: Final = [
    ("customer", "customer_id"),
    ("plans", "plans"),
    ("past due", "past_due"),
    ("trialing", "trialing"),
    ("canceling", "canceling"),
    ("bought twice", "bought_twice"),
    ("blocked", "blocked"),
    ("owes", "overage_due"),
    ("active", "active_at"),
]
QUOTA_COLUMNS: Final = [
    ("meter", "meter"),
    ("plan", "plan"),
    ("used", "used"),
    ("held", "held"),
    ("available", "available"),
    ("allowance", "allowance"),
    ("of the allowance", "bar"),
    ("overage", "overage"),
    ("owed", "overage_due"),
    ("resets", "resets_at"),
    ("blocked", "blocked"),
]


class Status(StrEnum):
    """What customers are in."""

    ACTIVE = "active"
    PAST_DUE = "past_due"
    BLOCKED = "blocked"
    OWING = "owing"


@command(
    app,
    "list",
    "customers list",
    "customers list --plan pro",
    "customers list --status past_due",
    "customers list --prefix acct_ --json",
)
def list_customers(
    cli: Cli,
    *,
    prefix: Annotated[str | None, typer.Option(help="Ids that begin like this.")] = None,
    plan: Annotated[str | None, typer.Option(help="Customers of this plan.")] = None,
    status: Annotated[Status | None, typer.Option(help="Recently active, past due, blocked, or owing.")] = None,
    limit: Limit = 50,
) -> None:
    """List customers, by the beginning of their id, by plan, or by what they are in."""
    answer = cli.api.listed("/v1/customers", "customers", limit, prefix=prefix, plan=plan, status=status)
    cli.show_list(answer, "customers", LIST_COLUMNS, "no customer")


@command(app, "show", "customers show acct_1001", "customers show acct_1001 --json")
def show(cli: Cli, customer_id: CustomerId) -> None:
    """Show one customer: standing, balances, what is owed, flags."""
    answer = cli.api.get(customer(customer_id))
    cli.show(answer, lambda: _customer(answer))


@command(app, "quota", "customers quota acct_1001")
def quota(cli: Cli, customer_id: CustomerId) -> None:
    """Show every meter's quota, with a bar."""
    answer = cli.api.get(customer(customer_id, "quota"))
    cli.show(answer, lambda: quotas(answer["quotas"]))


@command(
    app, "export", "customers export acct_1001 > acct_1001.jsonl", "customers export acct_1001 --to acct_1001.jsonl"
)
def export(
    cli: Cli,
    customer_id: CustomerId,
    *,
    to: Annotated[Path | None, typer.Option(help="Write to this file, and not to stdout.")] = None,
) -> None:
    """Give out everything that is kept of a customer: one line of JSON an item."""
    count = 0
    with cli.progress(f"exporting {customer_id}"), _written(to) as target:
        for page in cli.api.pages(customer(customer_id, "export")):
            for item in page["items"]:
                count += 1
                typer.echo(output.json_line(item), file=target)
    cli.say(f"{count} items")


@command(app, "erase", "customers erase acct_1001 --yes")
def erase(cli: Cli, customer_id: CustomerId, *, yes: Yes = False) -> None:
    """Erase a customer. What concerns money is kept under a pseudonym. It cannot be undone."""
    cli.confirm(f"Erase everything of {customer_id}? It cannot be undone.", yes=yes)
    with cli.progress(f"erasing {customer_id}"):
        for _ in range(ERASING_ROUNDS_MAX):
            answer = cli.api.delete(customer(customer_id))
            if answer["status"] == "erased":
                cli.show(answer)
                return
    raise Failure(ExitStatus.UNREACHABLE, "erasing", "the customer is still being erased", "run the same command again")


@contextmanager
def _written(to: Path | None) -> Iterator[IO[str] | None]:
    """Open a file that only its owner can read: it gets a customer's data. ``None`` is stdout. Raises ``Failure``."""
    if to is None:
        yield None
        return
    try:
        with open(to, "w", encoding="utf-8", opener=partial(os.open, mode=0o600)) as target:
            yield target
    except OSError as error:
        raise usage(f"{to} cannot be written ({type(error).__name__})") from None


def quotas(rows: list[Json]) -> RenderableType:
    """Return quotas as a table with a bar each."""
    barred = [{**row, "bar": output.bar(row["used"], row["allowance"])} for row in rows]
    return output.table(barred, QUOTA_COLUMNS, "no meter")


def _customer(answer: Json) -> RenderableType:
    """Return one customer, with a bar for each balance."""
    rest = {name: value for name, value in answer.items() if name != "balances"}
    grants = [
        {"meter": each["quota"]["meter"], **grant} for each in answer["balances"] for grant in each.get("grants", ())
    ]
    holds = [{"meter": each["quota"]["meter"], **hold} for each in answer["balances"] for hold in each.get("holds", ())]
    shown: list[RenderableType] = [output.record(rest), Text("\nbalances", style="bold")]
    shown.append(quotas([each["quota"] for each in answer["balances"]]))
    for title, rows in (("grants", grants), ("holds", holds)):
        if rows:
            columns = [(name.replace("_", " "), name) for name in rows[0]]
            shown += [Text(f"\n{title}", style="bold"), output.table(rows, columns)]
    return Group(*shown)
