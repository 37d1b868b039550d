"""``doctor``: whether the stack is well, and ready to take money."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.commands.money import price_page
from pancake_meter_cli.doctoring import account, launch, stack
from pancake_meter_cli.doctoring.findings import Check, Finding, Patient, examine
from pancake_meter_cli.failures import ExitStatus, Failure, usage
from pancake_meter_cli.profiles import require

AREAS: dict[str, dict[str, Check]] = {"stack": stack.CHECKS, "launch": launch.CHECKS, "aws": account.CHECKS}
STYLES = {"ok": "green", "fault": "bold red", "warning": "yellow", "open": "cyan", "not_checked": "dim"}


def register(root: typer.Typer) -> None:
    """Add it."""

    @command(root, "doctor", "doctor", "doctor --launch --page", "doctor --fix", "doctor --only stack --json")
    def doctor(
        cli: Cli,
        *,
        is_launch: Annotated[bool, typer.Option("--launch", help="Open steps of the launch count as faults.")] = False,
        fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely, then look again.")] = False,
        page: Annotated[bool, typer.Option("--page", help="Print the page of prices that customers see.")] = False,
        only: Annotated[list[str] | None, typer.Option(help="stack, launch, aws, or the name of a check.")] = None,
    ) -> None:
        """Run the launch checklist and the technical checks. Each finding names the fault and the fix.

        The exit status is 1 when there is a fault, 3 when the stack gives no answer. What nobody could look at is told
        as not checked, never as fine.
        """
        _demand_known(only or [])
        patient = Patient(cli)
        if _is_wanted("stack", "key", only or []):
            require(cli.profile, "api_url")
        found = _look(cli, patient, only or [])
        mended: list[str] = []
        if fix:
            for name, finding in found:
                if finding.status == "fault" and finding.repair is not None:
                    mended.append(_repair(name, finding))
            if mended:
                found = _look(cli, Patient(cli), only or [])
        rows = [finding.shown(name) for name, finding in found]
        counts = {status: sum(row["status"] == status for row in rows) for status in STYLES}
        answer: dict[str, Any] = {"findings": rows, "counts": counts, "mended": mended}
        if page:
            answer["prices"] = patient.prices
        cli.show(
            answer,
            lambda: Group(_table(rows, mended, counts), *([Text(), price_page(answer["prices"])] if page else [])),
        )
        if counts["fault"] or (is_launch and counts["open"]):
            raise typer.Exit(int(ExitStatus.REFUSED))
        if any(row["check"] == "key" and row["status"] == "not_checked" for row in rows):
            raise typer.Exit(int(ExitStatus.UNREACHABLE))


def _look(cli: Cli, patient: Patient, only: list[str]) -> list[tuple[str, Finding]]:
    found: list[tuple[str, Finding]] = []
    for area, checks in AREAS.items():
        for name, check in checks.items():
            if _is_wanted(area, name, only):
                with cli.progress(f"looking at {name.replace('_', ' ')}"):
                    found += examine(name, check, patient)
            if name == "key" and any(each.status in {"fault", "not_checked"} for _, each in found[-1:]):
                # Without a key that the stack takes, every further finding would be the same one.
                return found
    return found


def _is_wanted(area: str, name: str, only: list[str]) -> bool:
    return not only or area in only or name in only


def _demand_known(only: list[str]) -> None:
    """Raise ``Failure`` for a name that is no area and no check: nothing looked at would look like nothing found."""
    known = [*AREAS, *(name for checks in AREAS.values() for name in checks)]
    for each in only:
        if each not in known:
            raise usage(f"there is no check {each!r}", f"one of: {', '.join(known)}", "unknown_check")


def _repair(name: str, finding: Finding) -> str:
    try:
        if finding.repair is not None:
            finding.repair()
    except Failure as failure:
        return f"{name}: could not be mended: {failure.detail}"
    return f"{name}: {finding.fix}"


def _table(rows: list[dict[str, Any]], mended: list[str], counts: dict[str, int]) -> Group:
    made = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        made.add_column(overflow="fold")
    for row in rows:
        text = Text(row["text"])
        if row["fix"] and row["status"] != "ok":
            text.append(f"\n→ {row['fix']}", style="italic")
        made.add_row(Text(row["mark"], style=STYLES[row["status"]]), Text(row["check"].replace("_", " ")), text)
    summary = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if count)
    return Group(made, *(Text(f"mended {each}") for each in mended), Text(f"\n{summary}", style="bold"))
