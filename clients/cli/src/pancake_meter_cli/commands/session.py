"""``login``, ``logout``, ``profiles``, ``use``: which stack the commands speak to."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pancake_meter_cli import aws, output
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.failures import usage
from pancake_meter_cli.profiles import DEFAULT_NAME, Profile


def register(root: typer.Typer) -> None:  # noqa: C901 - a list of commands
    """Add them."""

    @command(
        root,
        "login",
        "login --api-url https://abc.execute-api.eu-west-1.amazonaws.com",
        "login --stack pancake-meter --region eu-west-1 --profile production",
        "login --ready 'ready {...}'",
        "login --ready - < ready.txt",
    )
    def login(
        cli: Cli,
        *,
        api_url: Annotated[str | None, typer.Option(help="The stack's ApiUrl.")] = None,
        api_key_stdin: Annotated[
            bool, typer.Option("--api-key-stdin", help="Read the key from stdin, do not ask.")
        ] = False,
        ready: Annotated[str | None, typer.Option(help="The local stack's ready line; - reads it from stdin.")] = None,
        stack: Annotated[
            str | None, typer.Option(help="Read ApiUrl and WebhookUrl from this CloudFormation stack.")
        ] = None,
        region: Annotated[str | None, typer.Option(help="Its region.")] = None,
        webhook_url: Annotated[str | None, typer.Option(help="The stack's WebhookUrl.")] = None,
        waffo_url: Annotated[str | None, typer.Option(help="Waffo's API, where it is not the usual one.")] = None,
        waffo_environment: Annotated[str | None, typer.Option(help="test or prod.")] = None,
        waffo_store_id: Annotated[str | None, typer.Option(help="The store: STO_...")] = None,
        waffo_merchant_id: Annotated[str | None, typer.Option(help="The merchant: MER_...")] = None,
        waffo_private_key_file: Annotated[
            Path | None, typer.Option(help="Where the merchant's private key is; the key itself is not kept.")
        ] = None,
        catalog: Annotated[Path | None, typer.Option(help="Where the catalog is.")] = None,
        check: Annotated[bool, typer.Option(help="Ask the stack whether it takes the key.")] = True,
    ) -> None:
        """Keep where a stack is and a key to it, under a name, in a file that only you can read."""
        current, known = cli.file.read()
        name = cli.profile_name or cli.environ.get("PANCAKE_METER_PROFILE") or (DEFAULT_NAME if not known else current)
        if ready is not None:
            kept = Profile.of_ready_line(name, sys.stdin.read() if ready == "-" else ready)
        else:
            kept = known.get(name, Profile(name))
        stated = {
            "api_url": api_url,
            "webhook_url": webhook_url,
            "waffo_url": waffo_url,
            "waffo_environment": waffo_environment,
            "waffo_store_id": waffo_store_id,
            "waffo_merchant_id": waffo_merchant_id,
            "waffo_private_key_file": str(waffo_private_key_file.resolve()) if waffo_private_key_file else None,
            "catalog_path": str(catalog.resolve()) if catalog else None,
            "stack_name": stack,
            "region": region,
        }
        kept = replace(kept, **{field: value for field, value in stated.items() if value is not None})
        if stack is not None:
            told = aws.outputs(replace(cli, given=kept), stack)
            kept = replace(
                kept, api_url=api_url or told.get("ApiUrl"), webhook_url=webhook_url or told.get("WebhookUrl")
            )
        if kept.waffo_environment not in {None, "test", "prod"}:
            raise usage("--waffo-environment is test or prod")
        if not kept.api_url:
            raise usage("where is the stack?", "--api-url URL, --stack NAME, or --ready 'ready {...}'")
        was = known.get(name)
        if was is not None and was.api_url != kept.api_url and ready is None:
            # The key of one stack is never sent to another.
            kept = replace(kept, api_key=None)
        if ready is None:
            kept = replace(kept, api_key=_key(cli, kept, from_stdin=api_key_stdin))
        if check:
            replace(cli, given=kept).api.get("/v1/key")
        cli.file.write(name, {**known, name: kept})
        cli.show({"profile": name, **kept.shown(), "file": str(cli.file.path)})

    @command(root, "logout", "logout --profile production")
    def logout(cli: Cli) -> None:
        """Forget a profile, with its key. The key goes on at the stack: pancake-meter keys revoke ends it."""
        current, known = cli.file.read()
        name = cli.profile_name or current
        if name not in known:
            raise usage(f"there is no profile {name!r}")
        rest = {each: of for each, of in known.items() if each != name}
        cli.file.write(current if current in rest else next(iter(rest), DEFAULT_NAME), rest)
        cli.show({"forgotten": name})

    @command(root, "profiles", "profiles", "profiles --json")
    def profiles(cli: Cli) -> None:
        """List the profiles. Keys are not shown."""
        current, known = cli.file.read()
        rows = [{"profile": name, "in_use": name == current, **of.shown()} for name, of in known.items()]
        columns = [("profile", "profile"), ("in use", "in_use"), ("api url", "api_url"), ("waffo", "waffo_environment")]
        cli.show({"profiles": rows}, lambda: output.table(rows, columns, "none: pancake-meter login makes one"))

    @command(root, "use", "use production")
    def use(cli: Cli, name: Annotated[str, typer.Argument(help="The profile's name.")]) -> None:
        """Use this profile from now on."""
        _, known = cli.file.read()
        if name not in known:
            raise usage(f"there is no profile {name!r}", "pancake-meter profiles lists them")
        cli.file.write(name, known)
        cli.show({"profile": name, **known[name].shown()})


def _key(cli: Cli, kept: Profile, *, from_stdin: bool) -> str:
    if from_stdin:
        text = sys.stdin.read().strip()
    else:
        text = cli.environ.get("PANCAKE_METER_API_KEY") or ""
        if not text and not cli.as_json and sys.stdin.isatty():
            text = typer.prompt("API key", hide_input=True, err=True, default=kept.api_key or "", show_default=False)
    if not (text or kept.api_key):
        raise usage("no key was given", "set PANCAKE_METER_API_KEY, or pipe it in with --api-key-stdin")
    return text or str(kept.api_key)
