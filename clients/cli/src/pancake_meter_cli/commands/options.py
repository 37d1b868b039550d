"""Options that several commands have."""

from typing import Annotated
from uuid import uuid4

import typer

CustomerId = Annotated[str, typer.Argument(help="The customer's id, as you gave it.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="How many to show; 0 for all.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with what was done.")]
OptionalReason = Annotated[str | None, typer.Option("--reason", help="Why; it is kept with what was done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ActionId = Annotated[
    str | None,
    typer.Option("--id", help="Makes it happen once, however often it is sent. Without one, one is made for this run."),
]


def action_id(given: str | None) -> str:
    """Return the id of what is done."""
    return given or f"cli-{uuid4().hex}"


def without_none(**fields: object) -> dict[str, object]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
