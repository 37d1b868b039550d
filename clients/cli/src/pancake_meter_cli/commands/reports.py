"""``report``: revenue, usage, subscriptions; as a table, as JSON, or as CSV."""

import csv
import io
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.text import Text

from pancake_meter_cli import output
from pancake_meter_cli.api import Json
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.failures import usage as usage_failure

app = group("report", "Revenue, usage and subscriptions.")

Month = Annotated[str | None, typer.Option(help="One month: 2026-03. Without any: this month, by the stack's clock.")]
From = Annotated[str | None, typer.Option("--from", help="The first month.")]
To = Annotated[str | None, typer.Option("--to", help="The last month; without: this month.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]

REVENUE_COLUMNS: Final = [
    "month",
    "currency",
    "sold",
    "plan",
    "received",
    "tax",
    "refunded",
    "refunded_tax",
    "net",
    "payments",
    "refunds",
    "unstated",
]


@command(
    app, "revenue", "report revenue --month 2026-03", "report revenue --from 2026-01 --to 2026-06 --csv > revenue.csv"
)
def revenue(cli: Cli, *, month: Month = None, from_: From = None, to: To = None, as_csv: Csv = False) -> None:
    """Show revenue by month, currency and what was sold."""
    answer = cli.api.get("/v1/reports/revenue", **_months(cli, month, from_, to))
    rows = [
        {"month": of["month"], "currency": each["currency"], **row}
        for of in answer["months"]
        for each in of["currencies"]
        for row in each["rows"]
    ]
    _show(cli, answer, rows, REVENUE_COLUMNS, as_csv=as_csv)


@command(app, "usage", "report usage --month 2026-03", "report usage --meter tokens --csv")
def usage(
    cli: Cli,
    *,
    month: Month = None,
    from_: From = None,
    to: To = None,
    meter: Annotated[str | None, typer.Option(help="One meter.")] = None,
    as_csv: Csv = False,
) -> None:
    """Show units, overage and active customers by month and meter."""
    answer = cli.api.get("/v1/reports/usage", **_months(cli, month, from_, to), meter=meter)
    _show(cli, answer, answer["months"], _columns(answer["months"]), as_csv=as_csv)


@command(app, "live", "report live", "report live --meter tokens --days 7")
def live(
    cli: Cli,
    *,
    meter: Annotated[str | None, typer.Option(help="One meter.")] = None,
    days: Annotated[int | None, typer.Option(help="How many days back.")] = None,
    as_csv: Csv = False,
) -> None:
    """Show usage of today and of the open periods over all customers, day by day, with how far it is behind."""
    answer = cli.api.get("/v1/reports/live", meter=meter, days=days)
    rows = [
        {"meter": of["meter"], **{name: value for name, value in day.items() if name != "by_plan"}}
        for of in answer["meters"]
        for day in of["days"]
    ]
    if as_csv:
        _print_csv(cli, rows, _columns(rows))
        return
    most = {of["meter"]: max((float(day["used"]) for day in of["days"]), default=0) for of in answer["meters"]}
    barred = [{**row, "bar": output.bar(row["used"], most[row["meter"]])} for row in rows]
    columns = [("meter", "meter"), ("day", "day"), ("used", "used"), ("", "bar"), ("customers", "customers")]
    behind = answer["seconds_behind"]
    title = Text(
        "nothing has been read yet"
        if behind is None
        else f"{behind} s behind; {answer['active_this_month']} active this month"
    )
    cli.show(answer, lambda: Group(title, output.table(barred, columns, "no usage")))


@command(app, "subscriptions", "report subscriptions", "report subscriptions --months 6 --csv")
def subscriptions(
    cli: Cli,
    *,
    months: Annotated[int | None, typer.Option(help="How many months back.")] = None,
    as_csv: Csv = False,
) -> None:
    """Show subscriptions by plan and state, new and lost ones by month, and what they come to a month."""
    answer = cli.api.get("/v1/reports/subscriptions", months=months)
    if as_csv:
        _print_csv(cli, answer["plans"], _columns(answer["plans"]))
        return
    cli.show(answer)


def _show(cli: Cli, answer: Json, rows: list[Json], columns: list[str], *, as_csv: bool) -> None:
    if as_csv:
        _print_csv(cli, rows, columns)
        return
    cli.show(answer, lambda: output.table(rows, [(name.replace("_", " "), name) for name in columns], "nothing yet"))


def _months(cli: Cli, month: str | None, first: str | None, last: str | None) -> dict[str, str | None]:
    """Return the months that are asked for. Raises ``Failure``."""
    if month is not None and (first or last):
        raise usage_failure("give --month, or --from and --to")
    if last is not None and first is None:
        raise usage_failure("--to needs --from")
    return {"from": first, "to": last or _this_month(cli)} if first else {"month": month or _this_month(cli)}


def _this_month(cli: Cli) -> str:
    """Return the stack's month: this machine's clock may be another, and that of a local stack may have been moved."""
    figures = cli.api.get("/v1/reports/live", days=1)
    today: str = max(day["day"] for of in figures["meters"] for day in of["days"])
    return today[: len("2026-03")]


def _print_csv(cli: Cli, rows: list[Json], columns: list[str]) -> None:
    """Print rows as CSV. Raises ``Failure`` where JSON is asked for too."""
    if cli.as_json:
        raise usage_failure("--csv and --json say different things", "give one of them")
    typer.echo(_csv(rows, columns), nl=False)


def _columns(rows: list[Json]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: list[Json], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row, name) for name in columns] for row in rows)
    return text.getvalue()


def _cell(row: Mapping[str, Any], name: str) -> str:
    """Return a cell. A text that a spreadsheet would run as a formula begins with ', and so does one that began with it."""
    value = row.get(name)
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in {"=", "+", "@", "\t", "'"} else text
