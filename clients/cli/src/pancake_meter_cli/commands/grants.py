"""``grants``, ``block``, ``unblock`` and ``limits``: what an operator gives a customer, and where the customer stops."""

from typing import Annotated

import typer

from pancake_meter_cli.api import customer
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import (
    ActionId,
    CustomerId,
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
    ("left", "remaining"),
    ("status", "status"),
    ("starts", "starts_at"),
    ("expires", "expires_at"),
    ("priority", "priority"),
    ("reason", "reason"),
    ("by", "by"),
    ("voidable", "voidable"),
]

LIMIT_COLUMNS = [
    ("meter", "meter"),
    ("plan", "plan"),
    ("allowance", "allowance"),
    ("of the plan", "plan_allowance"),
    ("overage limit", "overage_limit"),
    ("of the plan", "plan_overage_limit"),
    ("allowance cap", "allowance_cap"),
    ("overage cap", "overage_cap"),
    ("spend cap", "spend_cap"),
]
NONE = "none"
OneMeter = Annotated[str | None, typer.Option("--meter", help="The meter.")]


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


@command(app, "list", "grants list acct_1001", "grants list acct_1001 --meter tokens")
def list_grants(
    cli: Cli, customer_id: CustomerId, *, meter: Annotated[str | None, typer.Option(help="Of this meter.")] = None
) -> None:
    """List the grants of a customer, in the order in which they are used."""
    cli.show_list(cli.api.get(customer(customer_id, "grants"), meter=meter), "grants", COLUMNS)


@command(app, "void", "grants void acct_1001 cli-4f1c")
def void(
    cli: Cli,
    customer_id: CustomerId,
    grant_id: Annotated[str, typer.Argument(help="The grant's id: pancake-meter grants list.")],
) -> None:
    """Take back what is left of a grant. What was used stays used."""
    cli.show(cli.api.post(customer(customer_id, "grants", grant_id, "void")))


def register(root: typer.Typer) -> None:
    """Add the group, and the verbs that stand alone."""
    root.add_typer(app)

    @command(
        root, "block", "block acct_1001 --reason 'stolen card'", "block acct_1001 --meter tokens --reason 'a loop'"
    )
    def block(cli: Cli, customer_id: CustomerId, *, reason: Reason, meter: OneMeter = None) -> None:
        """Cut a customer off, for one meter or for all. Holds and checks are refused, with the reason."""
        cli.show(cli.api.post(customer(customer_id, "block"), without_none(reason=reason, meter=meter)))

    @command(root, "unblock", "unblock acct_1001")
    def unblock(cli: Cli, customer_id: CustomerId, *, meter: OneMeter = None) -> None:
        """Let a customer in again, for one meter or for all."""
        cli.show(cli.api.post(customer(customer_id, "unblock"), without_none(meter=meter)))

    @command(
        root,
        "limits",
        "limits acct_1001",
        "limits acct_1001 --meter tokens --overage-cap 500000",
        "limits acct_1001 --meter tokens --spend-cap 20.00 --currency USD",
        "limits acct_1001 --meter tokens --overage-cap none",
    )
    def limits(
        cli: Cli,
        customer_id: CustomerId,
        *,
        meter: OneMeter = None,
        allowance_cap: Annotated[
            str | None, typer.Option(help="Units of a period's allowance at most; none removes it.")
        ] = None,
        overage_cap: Annotated[str | None, typer.Option(help="Units of overage at most; none removes it.")] = None,
        spend_cap: Annotated[str | None, typer.Option(help="What overage may cost a period; none removes it.")] = None,
        spend_cap_units: Annotated[str | None, typer.Option(help="The same in units.")] = None,
        currency: Annotated[str, typer.Option(help="Of the spend cap.")] = "USD",
    ) -> None:
        """Show a customer's limits, or set them for one meter. What is not named stays; the lower one holds."""
        spend: object = None
        if spend_cap is not None:
            spend = {"amount": spend_cap, "currency": currency} if spend_cap != NONE else NONE
        elif spend_cap_units is not None:
            spend = {"units": spend_cap_units} if spend_cap_units != NONE else NONE
        wanted = without_none(allowance_cap=allowance_cap, overage_cap=overage_cap, spend_cap=spend)
        where = customer(customer_id, "limits")
        if not wanted:
            cli.show_list(cli.api.get(where, meter=meter), "limits", LIMIT_COLUMNS)
            return
        if meter is None:
            raise usage("limits are set for one meter", "add --meter METER")
        named = {name: None if value == NONE else value for name, value in wanted.items()}
        cli.show(cli.api.put(where, {"meter": meter, **named}))
