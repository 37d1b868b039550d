"""``usage``, ``check`` and ``ledger``: what a customer used and may use, and every movement of a balance."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from pancake_meter_cli import output
from pancake_meter_cli.api import Json, customer
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.commands.customers import quotas
from pancake_meter_cli.commands.options import CustomerId, Limit


def register(root: typer.Typer) -> None:
    """Add them."""

    @command(root, "usage", "usage acct_1001", "usage acct_1001 tokens --periods 3")
    def usage(
        cli: Cli,
        customer_id: CustomerId,
        meter: Annotated[str | None, typer.Argument(help="One meter, day by day; without: all, in short.")] = None,
        *,
        periods: Annotated[int | None, typer.Option(help="How many periods back.")] = None,
    ) -> None:
        """Show what a customer used: all meters in short, or one by period and day."""
        if meter is None:
            answer = cli.api.get(customer(customer_id, "quota"))
            cli.show(answer, lambda: quotas(answer["quotas"]))
            return
        answer = cli.api.get(customer(customer_id, "usage"), meter=meter, periods=periods)
        cli.show(answer, lambda: _periods(answer))

    @command(root, "check", "check acct_1001 tokens 4000")
    def check(
        cli: Cli,
        customer_id: CustomerId,
        meter: Annotated[str, typer.Argument(help="The meter.")],
        quantity: Annotated[str, typer.Argument(help="How many units.")],
    ) -> None:
        """Ask whether units may be used now, as your backend asks. A refusal shows its reason and links; nothing is held."""
        answer = cli.api.get(customer(customer_id, "quota", meter), amount=quantity)
        cli.show(answer, lambda: quotas([answer]))

    @command(root, "ledger", "ledger acct_1001 tokens", "ledger acct_1001 tokens --limit 0 --json")
    def ledger(
        cli: Cli,
        customer_id: CustomerId,
        meter: Annotated[str, typer.Argument(help="The meter.")],
        *,
        limit: Limit = 20,
    ) -> None:
        """Show every movement of a balance with its cause, newest first."""
        answer = cli.api.listed(customer(customer_id, "ledger"), "entries", limit, meter=meter)
        rows = [{**entry, "moved": moved(entry)} for entry in answer["entries"]]
        columns = [
            ("at", "at"),
            ("cause", "cause"),
            ("moved", "moved"),
            ("by", "by"),
            ("reference", "reference"),
            ("available", "available"),
        ]
        cli.show(answer, lambda: output.table(rows, columns, "no movement"))


def moved(entry: Json) -> str:
    """Return what an entry of the ledger moved, in words."""
    return ", ".join(f"{each['kind']} {output.plain(each['quantity'])}" for each in entry["movements"]) or "nothing"


def _periods(answer: Json) -> RenderableType:
    if not answer["periods"]:
        return Text("no usage")
    shown: list[RenderableType] = []
    for period in answer["periods"]:
        most = max((float(used) for used in period["days"].values()), default=0)
        days = [
            {"day": day, "used": used, "bar": output.bar(used, most)} for day, used in sorted(period["days"].items())
        ]
        state = "open" if period["open"] else "closed"
        title = f"{period['start']} to {period['end']} ({state}): {output.plain(period['used'])} used"
        shown += [
            Text(title, style="bold"),
            output.table(days, [("day", "day"), ("used", "used"), ("", "bar")]),
            Text(),
        ]
    return Group(*shown)
