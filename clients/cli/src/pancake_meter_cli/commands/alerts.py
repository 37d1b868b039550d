"""``alerts``: what has rung, what became of it, and the endpoints that it is sent to."""

from typing import Annotated, Final

import typer

from pancake_meter_cli.api import Json, path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.command import command, group
from pancake_meter_cli.commands.options import Limit, Yes, without_none
from pancake_meter_cli.failures import refused, usage

app = group("alerts", "Alerts: what has rung, and where it is sent.")
endpoints = group("endpoints", "Endpoints: where alerts are sent.")
app.add_typer(endpoints)

COLUMNS: Final = [
    ("alert id", "id"),
    ("rang", "timestamp"),
    ("type", "type"),
    ("customer", "data.customer_id"),
    ("meter", "data.meter"),
]
ENDPOINT_COLUMNS: Final = [
    ("endpoint id", "endpoint_id"),
    ("url", "url"),
    ("events", "events"),
    ("enabled", "enabled"),
    ("disabled", "disabled_because"),
    ("description", "description"),
]
TEST_SECONDS_MAX: Final = 30
DAY_SECONDS: Final = 24 * 3600

AlertId = Annotated[str, typer.Argument(help="The alert's id: pancake-meter alerts list.")]
EndpointId = Annotated[str, typer.Argument(help="The endpoint's id: pancake-meter alerts endpoints list.")]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="A type of alert, such as quota.refused; may be repeated.")
]
Description = Annotated[str | None, typer.Option(help="A note for people.")]


@command(
    app,
    "list",
    "alerts list",
    "alerts list --customer acct_1001",
    "alerts list --type quota.threshold_reached --limit 10 --json",
)
def list_alerts(
    cli: Cli,
    *,
    customer: Annotated[str | None, typer.Option(help="Those of this customer.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Those of this type.")] = None,
    limit: Limit = 50,
) -> None:
    """List alerts that have rung, the newest first."""
    cli.show_list(cli.api.listed("/v1/alerts", "alerts", limit, customer_id=customer, type=kind), "alerts", COLUMNS)


@command(app, "show", "alerts show alrt_5f0c...")
def show(cli: Cli, alert_id: AlertId) -> None:
    """Show one alert: what it says, and what became of it at each endpoint."""
    cli.show(cli.api.get(path("alerts", alert_id)))


@command(app, "replay", "alerts replay alrt_5f0c...", "alerts replay alrt_5f0c... --endpoint aep_5f0c...")
def replay(
    cli: Cli,
    alert_id: AlertId,
    *,
    endpoint: Annotated[str | None, typer.Option(help="To this endpoint; without: to all that take its type.")] = None,
) -> None:
    """Send an alert again, under the same webhook-id: a receiver that has it knows the repeat by that."""
    cli.show(cli.api.post(path("alerts", alert_id, "replay"), without_none(endpoint_id=endpoint)))


@command(endpoints, "list", "alerts endpoints list")
def list_endpoints(cli: Cli) -> None:
    """List the endpoints. Their secrets are not shown."""
    cli.show_list(cli.api.get("/v1/alert-endpoints"), "endpoints", ENDPOINT_COLUMNS)


@command(
    endpoints,
    "add",
    "alerts endpoints add https://hooks.example.com/pancake",
    "alerts endpoints add https://hooks.example.com/quota --event quota.refused --event quota.threshold_reached",
)
def add(
    cli: Cli,
    url: Annotated[str, typer.Argument(help="Where alerts are sent: https.")],
    *,
    event: Events = None,
    description: Description = None,
) -> None:
    """Make an endpoint; without --event it gets every alert. Its secret is printed now, and never again."""
    body = without_none(url=url, events=event, description=description)
    cli.show(cli.api.post("/v1/alert-endpoints", body, is_repeatable=False))
    cli.say("Keep the secret now: it is not shown again. Then: pancake-meter alerts endpoints test")


@command(
    endpoints,
    "change",
    "alerts endpoints change aep_5f0c... --event quota.refused",
    "alerts endpoints change aep_5f0c... --disable",
)
def change(
    cli: Cli,
    endpoint_id: EndpointId,
    *,
    url: Annotated[str | None, typer.Option(help="Where alerts are sent from now on.")] = None,
    event: Events = None,
    all_events: Annotated[bool, typer.Option("--all-events", help="It gets every alert.")] = False,
    description: Description = None,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it gets alerts.")] = None,
) -> None:
    """Change an endpoint: what is not named stays."""
    if event and all_events:
        raise usage("--event and --all-events say different things", "give one of them")
    events = [] if all_events else event or None
    body = without_none(url=url, events=events, description=description, enabled=enable)
    if not body:
        raise usage("nothing is to be changed", "pancake-meter alerts endpoints change --help")
    cli.show(cli.api.patch(path("alert-endpoints", endpoint_id), body))


@command(
    endpoints,
    "rotate",
    "alerts endpoints rotate aep_5f0c...",
    "alerts endpoints rotate aep_5f0c... --overlap-seconds 0",
)
def rotate(
    cli: Cli,
    endpoint_id: EndpointId,
    *,
    overlap_seconds: Annotated[int, typer.Option(help="How long the secret before signs too.")] = DAY_SECONDS,
) -> None:
    """Give an endpoint a new secret, which is printed now, and never again."""
    body = {"overlap_seconds": overlap_seconds}
    cli.show(cli.api.post(path("alert-endpoints", endpoint_id, "rotate"), body, is_repeatable=False))
    cli.say("Keep the secret now: it is not shown again.")


@command(endpoints, "remove", "alerts endpoints remove aep_5f0c... --yes")
def remove(cli: Cli, endpoint_id: EndpointId, *, yes: Yes = False) -> None:
    """Take an endpoint away. What waits for it is not sent."""
    cli.confirm(f"Remove the endpoint {endpoint_id}? What waits for it is not sent.", yes=yes)
    cli.show(cli.api.delete(path("alert-endpoints", endpoint_id)))


@command(endpoints, "test", "alerts endpoints test aep_5f0c...")
def test(cli: Cli, endpoint_id: EndpointId) -> None:
    """Send a test to an endpoint, and wait for what becomes of it. Exit status 1: it was not taken."""
    rung = cli.api.post(path("alert-endpoints", endpoint_id, "test"), is_repeatable=False)
    with cli.progress("waiting for the endpoint"):
        sending = _outcome(cli, rung["alert_id"], endpoint_id)
    if sending is None or sending["status"] != "sent":
        met = "nothing was sent yet" if sending is None else f"status {sending['http_status']}, {sending['reason']}"
        raise refused(
            "test_not_taken", f"the endpoint has not taken the test: {met}", f"alerts show {rung['alert_id']}"
        )
    cli.show({"alert_id": rung["alert_id"], **sending})


def _outcome(cli: Cli, alert_id: str, endpoint_id: str) -> Json | None:
    """Return what the first attempt came to; after half a minute, what there is."""
    sending: Json | None = None
    for _ in range(TEST_SECONDS_MAX):
        shown = cli.api.get(path("alerts", alert_id))["endpoints"]
        sending = next((each for each in shown if each["endpoint_id"] == endpoint_id), None)
        if sending is not None and sending["attempts"]:
            break
        cli.sleep(1)
    return sending
