"""``migrate``: what an earlier version wrote comes into the lists and the live figures, now and not by and by."""

import json
from typing import Any, Final

import typer

from pancake_meter_cli import aws
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.failures import Failure, refused

FUNCTION: Final = "CustomerDataFunction"
RUNS_MAX: Final = 100_000


def register(root: typer.Typer) -> None:
    """Add it."""

    @command(root, "migrate", "migrate", "migrate --json")
    def migrate(cli: Cli) -> None:
        """List what an earlier version wrote: customers, payments, live figures.

        The stack does it by itself, on a schedule; this has it go on without a pause. It may be stopped and repeated. Needs
        boto3 and AWS credentials, or the local stack.
        """
        functions = {each.logical_id: each.physical_id for each in aws.resources(cli)}
        if FUNCTION not in functions:
            raise refused("no_such_function", f"the stack has no {FUNCTION}", "deploy a version that has it")
        lambdas, items = aws.client(cli, "lambda"), 0
        with cli.progress("walking through the table"):
            for _ in range(RUNS_MAX):
                run = _run(lambdas, functions[FUNCTION])
                items += run["backfilled"]
                if run["backfill_complete"]:
                    break
        cli.show({"items": items, "complete": run["backfill_complete"]})


def _run(lambdas: Any, function: str) -> dict[str, Any]:
    """Have the function go on as its schedule does."""
    try:
        answer = lambdas.invoke(FunctionName=function, Payload=b"{}")
        body = json.loads(answer["Payload"].read())
    except Failure:
        raise
    except Exception as error:
        raise aws.trouble(error) from error
    if "FunctionError" in answer or "backfilled" not in body:
        raise refused("run_failed", f"{FUNCTION} failed", "its log says why; the same command goes on")
    return dict(body)
