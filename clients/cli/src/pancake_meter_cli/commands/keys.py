"""``keys`` and ``tokens``: what opens the API. A key's text is printed where it is made, and nowhere else."""

from typing import Annotated

import typer

from pancake_meter_cli.api import customer, path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import CustomerId, Limit, Yes, without_none

app = group("keys", "API keys.")
tokens = group("tokens", "Customer tokens, for browsers and apps.")

COLUMNS = [
    ("key id", "key_id"),
    ("name", "name"),
    ("roles", "roles"),
    ("status", "status"),
    ("created", "created_at"),
    ("expires", "expires_at"),
    ("last used", "last_used_on"),
    ("replaced by", "replaced_by"),
]
KeyId = Annotated[str, typer.Argument(help="The key's id: pancake-meter keys list.")]


@command(app, "list", "keys list")
def list_keys(cli: Cli, *, limit: Limit = 0) -> None:
    """List keys, the latest made first. Their texts are not kept."""
    cli.show_list(cli.api.listed("/v1/keys", "keys", limit), "keys", COLUMNS)


@command(app, "own", "keys own")
def own(cli: Cli) -> None:
    """Show what the key of this profile may do."""
    cli.show(cli.api.get("/v1/key"))


@command(
    app,
    "create",
    "keys create backend --role meter --role sell",
    "keys create ci --role operate --expires-at 2027-01-01T00:00:00Z",
)
def create(
    cli: Cli,
    name: Annotated[str, typer.Argument(help="A name for people; it is in the ledger with what the key did.")],
    *,
    role: Annotated[list[str], typer.Option("--role", help="meter, sell, report, operate or admin; may be repeated.")],
    expires_at: Annotated[str | None, typer.Option(help="When it ends (ISO 8601); without: never.")] = None,
) -> None:
    """Make a key. Its text is printed now, and never again."""
    body = without_none(name=name, roles=role, expires_at=expires_at)
    cli.show(cli.api.post("/v1/keys", body, is_repeatable=False))
    cli.say("Keep the key now: it is not shown again.")


@command(app, "rotate", "keys rotate k1b2c3 --overlap-seconds 3600")
def rotate(
    cli: Cli,
    key_id: KeyId,
    *,
    overlap_seconds: Annotated[int | None, typer.Option(help="How long the old key goes on.")] = None,
) -> None:
    """Make a key like another, which ends after an overlap. The new text is printed now, and never again."""
    body = without_none(overlap_seconds=overlap_seconds)
    cli.show(cli.api.post(path("keys", key_id, "rotate"), body, is_repeatable=False))
    cli.say("Keep the key now: it is not shown again.")


@command(app, "revoke", "keys revoke k1b2c3 --yes")
def revoke(cli: Cli, key_id: KeyId, *, yes: Yes = False) -> None:
    """End a key. It opens nothing within a minute."""
    cli.confirm(f"Revoke the key {key_id}? It cannot be undone.", yes=yes)
    cli.show(cli.api.delete(path("keys", key_id)))


@command(tokens, "create", "tokens create acct_1001 --scope read --scope buy")
def create_token(
    cli: Cli,
    customer_id: CustomerId,
    *,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="read, buy or hold; may be repeated.")] = None,
    lifetime_seconds: Annotated[int | None, typer.Option(help="A minute to an hour.")] = None,
) -> None:
    """Make a token of minutes with which a browser or an app acts for one customer."""
    body = without_none(scopes=scope, lifetime_seconds=lifetime_seconds)
    cli.show(cli.api.post(customer(customer_id, "tokens"), body, is_repeatable=False))
