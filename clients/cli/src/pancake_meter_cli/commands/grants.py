"""``grants``, ``block``, ``unblock`` and ``limits``: what an operator gives a customer, and where the customer stops."""

from typing import Annotated

import typer

from pancake_meter_cli.api import customer
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import (
    ActionId,
    CustomerId,
    Limit,
    OptionalReason,
    Reason,
    action_id,
    without_none,
)
from pancake_meter_cli.failures import usage

app = group("grants", "Units that you give a customer.")

COLUMNS = [
    ("id", "id"),
    ("meter", "meter"),
    ("kind", "kind"),
    ("quantity", "quantity"),
    ("left", "left"),
    ("status", "status"),
    ("starts", "starts_at"),
    ("expires", "expires_at"),
    ("priority", "priority"),
    ("reason", "reason"),
]


@command(
    app,
    "add",
    "grants add acct_1001 tokens 50000 --reason 'outage of 3 May'",
    "grants add acct_1001 tokens 10000 --kind trial --expires-at 2026-12-31T00:00:00Z --reason 'trial of Pro'",
)
def add(
    cli: Cli,
    customer_id: CustomerId,
    meter: Annotated[str, typer.Argument(help="The meter whose units are given.")],
    quantity: Annotated[str, typer.Argument(help="How many units.")],
    *,
    reason: Reason,
    kind: Annotated[str, typer.Option(help="promotion or trial.")] = "promotion",
    starts_at: Annotated[str | None, typer.Option(help="When they may be used first (ISO 8601).")] = None,
    expires_at: Annotated[str | None, typer.Option(help="When they end (ISO 8601).")] = None,
    priority: Annotated[int | None, typer.Option(help="Burn order: lower first.")] = None,
    id: ActionId = None,  # noqa: A002 - the API's name
) -> None:
    """Give a customer units of a meter."""
    body = without_none(
        id=action_id(id),
        meter=meter,
        quantity=quantity,
        kind=kind,
        starts_at=starts_at,
        expires_at=expires_at,
        priority=priority,
        reason=reason,
    )
    cli.show(cli.api.post(customer(customer_id, "grants"), body))


@command(app, "list", "grants list acct_1001")
def list_grants(cli: Cli, customer_id: CustomerId, *, limit: Limit = 50) -> None:
    """List the grants of a customer."""
    cli.show_list(cli.api.listed(customer(customer_id, "grants"), "grants", limit), "grants", COLUMNS)


@command(app, "void", "grants void acct_1001 cli-4f1c --reason 'given twice'")
def void(
    cli: Cli,
    customer_id: CustomerId,
    grant_id: Annotated[str, typer.Argument(help="The grant's id: pancake-meter grants list.")],
    *,
    reason: OptionalReason = None,
) -> None:
    """Take back what is left of a grant. What was used stays used."""
    cli.show(cli.api.post(customer(customer_id, "grants", grant_id, "void"), without_none(reason=reason)))


def register(root: typer.Typer) -> None:
    """Add the group, and the verbs that stand alone."""
    root.add_typer(app)

    @command(root, "block", "block acct_1001 --reason 'stolen card'")
    def block(cli: Cli, customer_id: CustomerId, *, reason: Reason) -> None:
        """Cut a customer off. Every hold and check is refused, with the reason."""
        cli.show(cli.api.post(customer(customer_id, "block"), {"reason": reason}))

    @command(root, "unblock", "unblock acct_1001")
    def unblock(cli: Cli, customer_id: CustomerId, *, reason: OptionalReason = None) -> None:
        """Let a customer in again."""
        cli.show(cli.api.post(customer(customer_id, "unblock"), without_none(reason=reason)))

    @command(
        root,
        "limits",
        "limits acct_1001",
        "limits acct_1001 --meter tokens --overage-limit 500000 --reason 'agreed by phone'",
    )
    def limits(
        cli: Cli,
        customer_id: CustomerId,
        *,
        meter: Annotated[str | None, typer.Option(help="The meter to set limits of.")] = None,
        allowance: Annotated[str | None, typer.Option(help="Units a period, in place of the plan's.")] = None,
        overage_limit: Annotated[str | None, typer.Option(help="Overage that may be held at once.")] = None,
        reason: OptionalReason = None,
    ) -> None:
        """Show a customer's limits, or set them for one meter."""
        where = customer(customer_id, "limits")
        stated = without_none(allowance=allowance, overage_limit=overage_limit, reason=reason)
        if meter is None and stated:
            raise usage("limits are set for one meter", "add --meter METER")
        cli.show(cli.api.get(where) if meter is None else cli.api.put(where, {"meter": meter, **stated}))
