"""``deliveries``: the webhooks of Waffo, and what became of each."""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from pancake_meter_cli.api import Api, Json, path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import Limit, Reason
from pancake_meter_cli.failures import Failure, usage

app = group("deliveries", "Webhooks from Waffo, and what became of each.")

VERDICTS: Final = ("applied", "ignored", "parked", "failed", "dismissed")
PAGE_SIZE: Final = 50
COLUMNS: Final = [
    ("delivery id", "delivery_id"),
    ("received", "received_at"),
    ("event", "event_type"),
    ("verdict", "verdict"),
    ("reason", "reason"),
    ("customer", "customer_id"),
    ("order", "order_id"),
    ("attempts", "attempts"),
]


class Verdict(StrEnum):
    """What was made of a delivery."""

    APPLIED = "applied"
    IGNORED = "ignored"
    PARKED = "parked"
    FAILED = "failed"
    DISMISSED = "dismissed"


DeliveryId = Annotated[str, typer.Argument(help="The delivery's id: pancake-meter deliveries list.")]


@command(
    app,
    "list",
    "deliveries list",
    "deliveries list --verdict parked",
    "deliveries list --order ORD_4kPz8sYvN1qJ6tGwB2dXfR --json",
)
def list_deliveries(
    cli: Cli,
    *,
    verdict: Annotated[Verdict | None, typer.Option(help="Those with this verdict.")] = None,
    order: Annotated[str | None, typer.Option(help="Those of this order.")] = None,
    limit: Limit = 50,
) -> None:
    """List deliveries, the newest first."""
    if verdict is None and order is None:
        newest_first = newest(cli.api, limit)
        cli.show_list({"deliveries": newest_first, "has_more": False}, "deliveries", COLUMNS)
        return
    answer = cli.api.listed("/v1/deliveries", "deliveries", limit, verdict=verdict, order_id=order)
    cli.show_list(answer, "deliveries", COLUMNS)


@command(app, "show", "deliveries show 3f9a1c...")
def show(cli: Cli, delivery_id: DeliveryId) -> None:
    """Show one delivery: verdict, why, times, headers, raw body."""
    cli.show(cli.api.get(path("deliveries", delivery_id)))


@command(app, "replay", "deliveries replay 3f9a1c...", "deliveries replay --parked")
def replay(
    cli: Cli,
    delivery_id: Annotated[str | None, typer.Argument(help="The delivery's id.")] = None,
    *,
    parked: Annotated[bool, typer.Option("--parked", help="Every parked one.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Every failed one.")] = False,
) -> None:
    """Apply a delivery again. One that is done is not touched."""
    if (delivery_id is None) == (not (parked or failed)):
        raise usage("name one delivery, or say --parked or --failed")
    if delivery_id is not None:
        cli.show(cli.api.post(path("deliveries", delivery_id, "replay")))
        return
    verdicts = [verdict for verdict, is_meant in (("parked", parked), ("failed", failed)) if is_meant]
    with cli.progress("replaying"):
        answers = [answer for verdict in verdicts for answer in replay_all(cli.api, verdict)]
    columns = [
        ("delivery id", "delivery_id"),
        ("verdict", "verdict"),
        ("reason", "reason"),
        ("customer", "customer_id"),
    ]
    cli.show_list({"replayed": answers}, "replayed", columns)


@command(app, "assign", "deliveries assign 3f9a1c... acct_1001")
def assign(cli: Cli, delivery_id: DeliveryId, customer_id: Annotated[str, typer.Argument(help="Whose it is.")]) -> None:
    """Say whose event a delivery is, and apply it."""
    cli.show(cli.api.post(path("deliveries", delivery_id, "assign"), {"customer_id": customer_id}))


@command(app, "dismiss", "deliveries dismiss 3f9a1c... --reason 'settled by hand'")
def dismiss(cli: Cli, delivery_id: DeliveryId, *, reason: Reason) -> None:
    """Take a delivery off the lists of what is open. It is kept, and may still be replayed."""
    cli.show(cli.api.post(path("deliveries", delivery_id, "dismiss"), {"reason": reason}))


def newest(api: Api, limit: int) -> list[Json]:
    """Return the newest deliveries of every verdict. Raises ``Failure``."""
    try:
        found: list[Json] = api.listed("/v1/deliveries", "deliveries", limit)["deliveries"]
    except Failure as failure:
        # An older stack wants a filter.
        if failure.code != "invalid_request":
            raise
        by_verdict = [
            api.listed("/v1/deliveries", "deliveries", limit, verdict=each)["deliveries"] for each in VERDICTS
        ]
        found = sorted((each for page in by_verdict for each in page), key=_age, reverse=True)
    return found[:limit] if limit else found


def replay_all(api: Api, verdict: str) -> list[Json]:
    """Replay every delivery with a verdict, the oldest first. Raises ``Failure``."""
    open_ones = api.listed("/v1/deliveries", "deliveries", 0, verdict=verdict)["deliveries"]
    return [api.post(path("deliveries", each["delivery_id"], "replay")) for each in reversed(open_ones)]


def _age(delivery: Json) -> Any:
    return delivery["received_at"]
