"""``reconcile``, ``connect``, ``clock``: the stack and Waffo brought together."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from pancake_meter_cli.api import Json
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.failures import usage
from pancake_meter_cli.missing import lost_deliveries, unknown_orders
from pancake_meter_cli.profiles import require
from pancake_meter_cli.waffo import EVENT_TYPES, Waffo

_DURATION: Final = re.compile(r"(\d{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def register(root: typer.Typer) -> None:
    """Add them."""

    @command(root, "reconcile", "reconcile", "reconcile --dry-run", "reconcile --json")
    def reconcile(
        cli: Cli,
        *,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is missing, and change nothing.")] = False,
    ) -> None:
        """Ask Waffo now for what no webhook reported, and heal it. The schedule does so too.

        With --dry-run the command itself compares: webhooks that Waffo gave up on, and live subscriptions.
        """
        with cli.progress("asking Waffo"):
            answer: Json = (
                {"deliveries": lost_deliveries(cli), "orders": unknown_orders(cli)}
                if dry_run
                else cli.api.post("/v1/reconciliations")
            )
        if dry_run and not any(answer.values()):
            cli.show(answer, Text("nothing is missing"))
            return
        cli.show(answer)

    @command(root, "connect", "connect", "connect --webhook-url https://abc.lambda-url.eu-west-1.on.aws/")
    def connect(
        cli: Cli,
        *,
        webhook_url: Annotated[
            str | None, typer.Option(help="The stack's WebhookUrl, where the profile has none.")
        ] = None,
    ) -> None:
        """Register the stack's webhook at Waffo, for all events. What is right already is left as it is."""
        url = webhook_url or require(cli.profile, "webhook_url")
        answer = register_webhook(cli, url)
        cli.show({name: value for name, value in answer.items() if name != "secret"})

    @command(root, "clock", "clock", "clock --advance 31d", "clock --to 2026-05-01T00:00:00Z")
    def clock(
        cli: Cli,
        *,
        advance: Annotated[str | None, typer.Option(help="By so much: 90s, 15m, 2h, 31d, 4w.")] = None,
        to: Annotated[str | None, typer.Option(help="To this instant (ISO 8601).")] = None,
        stop: Annotated[bool, typer.Option("--stop", help="Let it stand still there.")] = False,
    ) -> None:
        """Show or move the clock of the local stack. Subscriptions renew and end on the way, as they would."""
        if advance is None and to is None and not stop:
            cli.show({"now": cli.simulator.get("state")["now"]})
            return
        if advance is not None and to is not None:
            raise usage("say --advance or --to, not both")
        seconds = None if advance is None else duration(advance).total_seconds()
        with cli.progress("time passes"):
            answer = cli.simulator.post("clock", {"advance_seconds": seconds, "now": to, "stopped": stop or None})
        cli.show(answer)


def register_webhook(cli: Cli, url: str) -> Json:
    """See that a webhook of the store leads to ``url`` for all events; return it with what was done. Raises ``Failure``."""
    found = webhook_at(cli.waffo, url)
    if found is None and cli.profile.has_simulator and not url.startswith("https://"):
        # Waffo takes https alone; the simulator has a door of its own for this machine.
        made = cli.simulator.post("webhooks", {"url": url, "events": list(EVENT_TYPES)})
        return {"done": "registered", **made}
    if found is None:
        body = {
            "storeId": cli.waffo.store_id,
            "channel": "http",
            "url": url,
            "events": list(EVENT_TYPES),
            "testMode": is_test(cli),
        }
        return {"done": "registered", **cli.waffo.act("store/add-webhook", body)["webhook"]}
    missing = deaf_to(found)
    if not missing:
        return {"done": "nothing", **found}
    changed = cli.waffo.act("store/update-webhook", {"id": found["id"], "events": list(EVENT_TYPES)})["webhook"]
    return {"done": f"added {len(missing)} events", **changed}


def webhook_at(waffo: Waffo, url: str) -> dict[str, Any] | None:
    """Return the store's webhook that leads to a URL; the one with most events where there are several."""
    fitting = [each for each in waffo.webhooks() if each["url"].rstrip("/") == url.rstrip("/")]
    return max(fitting, key=lambda each: len(each["events"]), default=None)


def deaf_to(webhook: dict[str, Any]) -> list[str]:
    """Return the events that a webhook was not registered for."""
    return [each for each in EVENT_TYPES if each not in webhook["events"]]


def is_test(cli: Cli) -> bool:
    """Whether the stack takes test events. Raises ``Failure``."""
    environment = cli.profile.waffo_environment or {"test": "test", "live": "prod"}[cli.api.get("/v1/key")["mode"]]
    return environment == "test"


def duration(text: str) -> timedelta:
    """Read ``31d``. Raises ``Failure``."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise usage(f"{text!r} is no length of time", "such as 90s, 15m, 2h, 31d, 4w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
