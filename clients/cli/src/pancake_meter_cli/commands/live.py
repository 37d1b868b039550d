"""``listen`` and ``tail``: what happens, as it happens. Both ask again and again; with ``--json`` each line is one thing."""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Annotated, Final

import typer

from pancake_meter_cli import output
from pancake_meter_cli.api import Api, Json, customer
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command
from pancake_meter_cli.commands.deliveries import PAGE_SIZE, newest
from pancake_meter_cli.commands.usage import moved

LEDGER_PAGE: Final = 20
SEEN_MAX: Final = 10_000

Interval = Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")]
Seconds = Annotated[float | None, typer.Option("--for", min=0, help="End after so many seconds.")]
Past = Annotated[bool, typer.Option("--past", help="Begin with what is there already.")]


def register(root: typer.Typer) -> None:
    """Add both."""

    @command(root, "listen", "listen", "listen --past --for 60 --json")
    def listen(cli: Cli, *, interval: Interval = 2.0, seconds: Seconds = None, past: Past = False) -> None:
        """Show webhooks as they arrive, with what became of each."""
        cli.say("Listening. Ctrl-C ends it.")
        _follow(cli, lambda: _deliveries(cli.api), interval=interval, seconds=seconds, past=past)

    @command(root, "tail", "tail --customer acct_1001", "tail --json | jq .reason")
    def tail(
        cli: Cli,
        *,
        customer_id: Annotated[str | None, typer.Option("--customer", help="One customer's movements, too.")] = None,
        meter: Annotated[str | None, typer.Option(help="With a customer: this meter alone.")] = None,
        interval: Interval = 2.0,
        seconds: Seconds = None,
        past: Past = False,
    ) -> None:
        """Show decisions as they are made, each with its reason: on webhooks, and on a customer's units."""

        def look() -> list[Json]:
            decisions = _deliveries(cli.api, customer_id)
            if customer_id is not None:
                decisions += _ledger(cli.api, customer_id, meter)
            return sorted(decisions, key=lambda each: str(each["at"]))

        cli.say("Following. Ctrl-C ends it.")
        _follow(cli, look, interval=interval, seconds=seconds, past=past)


def _follow(
    cli: Cli, look: Callable[[], Iterable[Json]], *, interval: float, seconds: float | None, past: bool
) -> None:
    """Show what was not there at the last look, until the time is over."""
    looks = count() if seconds is None else range(int(seconds / interval) + 1)
    seen: dict[str, None] = {} if past else dict.fromkeys(_identity(each) for each in look())
    for number in looks:
        if number:
            cli.sleep(interval)
        for each in look():
            identity = _identity(each)
            if identity not in seen:
                seen[identity] = None
                cli.show_line(each, _line(each))
        for old in list(seen)[:-SEEN_MAX]:
            del seen[old]


def _deliveries(api: Api, customer_id: str | None = None) -> list[Json]:
    """Return the newest deliveries, the oldest of them first."""
    return [
        {"kind": "delivery", "at": each["judged_at"], **each}
        for each in reversed(newest(api, PAGE_SIZE))
        if customer_id is None or each["customer_id"] in {customer_id, None}
    ]


def _ledger(api: Api, customer_id: str, meter: str | None) -> list[Json]:
    meters = [meter] if meter else [each["meter"] for each in api.get(customer(customer_id, "quota"))["quotas"]]
    return [
        {"kind": "ledger", "customer_id": customer_id, "meter": each, **entry}
        for each in meters
        for entry in api.get(customer(customer_id, "ledger"), meter=each, limit=LEDGER_PAGE)["entries"]
    ]


def _identity(each: Json) -> str:
    """A delivery is new again when it was judged again; an entry of the ledger is what its segment and content say."""
    if each["kind"] == "delivery":
        return f"{each['delivery_id']} {each['verdict']} {each['attempts']}"
    return output.json_line(each)


def _line(each: Json) -> str:
    who = each.get("customer_id") or "?"
    if each["kind"] == "delivery":
        why = f" ({each['reason']})" if each["reason"] else ""
        return f"{each['at']}  {each['event_type']:<36} {each['verdict']}{why}  {who}  {each['delivery_id'][:12]}"
    by = f" by {each['by']}" if each.get("by") else ""
    return f"{each['at']}  {each['cause']:<36} {moved(each)}{by}  {who}/{each['meter']}  left {each['available']}"
