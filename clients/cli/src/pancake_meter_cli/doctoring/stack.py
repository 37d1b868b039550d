"""The stack itself: key, mode, clock, routes, webhooks that came, what waits to be decided."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pancake_meter_cli.api import path
from pancake_meter_cli.commands.deliveries import newest, replay_all
from pancake_meter_cli.commands.operate import deaf_to, register_webhook, webhook_at
from pancake_meter_cli.doctoring.findings import Check, Finding, Patient
from pancake_meter_cli.missing import lost_deliveries
from pancake_meter_cli.profiles import require

CLOCK_SECONDS_MAX: Final = 60
KEY_DAYS_MIN: Final = 14
ALL_ROLES: Final = frozenset({"meter", "sell", "report", "operate", "admin"})
NEEDED_ROLES: Final = frozenset({"meter", "sell", "report", "operate"})
ROUTES: Final = (
    "GET /v1/customers",
    "GET /v1/payments",
    "GET /v1/reports/subscriptions",
    "POST /v1/customers/{customer_id}/grants",
)
"""The newest routes that this command calls: a stack without them is older than it."""


def key(patient: Patient) -> Iterator[Finding]:
    """The profile's key: taken, of the right mode, with the roles that the checks need, not about to end."""
    own = patient.key
    stated = patient.cli.profile.waffo_environment
    if stated is not None and stated != patient.environment:
        yield Finding(
            "fault",
            f"the key is of a {patient.environment} stack, the profile says {stated}",
            "log in with the other stack's key, or with --waffo-environment " + patient.environment,
        )
    missing = NEEDED_ROLES - set(own["roles"])
    if missing:
        yield Finding(
            "warning",
            f"the key lacks the roles {', '.join(sorted(missing))}: some checks cannot look",
            "pancake-meter keys create doctor --role meter --role sell --role report --role operate",
        )
    ends = own["expires_at"]
    if ends is not None and datetime.fromisoformat(ends) - patient.cli.now() < timedelta(days=KEY_DAYS_MIN):
        yield Finding("warning", f"the key ends on {ends}", f"pancake-meter keys rotate {own['key_id']}")
    yield Finding("ok", f"the stack takes the key {own['name']!r}, mode {own['mode']}")


def clock(patient: Patient) -> Iterator[Finding]:
    """This machine's clock: a signature for Waffo that is off by five minutes is refused."""
    _ = patient.key
    off = patient.cli.api.clock_difference_seconds
    if off is None:
        yield Finding("not_checked", "the stack's answers have no date")
    elif abs(off) > CLOCK_SECONDS_MAX:
        ahead = "ahead of" if off > 0 else "behind"
        yield Finding(
            "fault", f"this machine's clock is {abs(round(off))} s {ahead} the stack's", "set the clock by NTP"
        )
    else:
        yield Finding("ok", "this machine's clock and the stack's agree")


def routes(patient: Patient) -> Iterator[Finding]:
    """The routes that this command calls are there."""
    if not set(patient.key["roles"]) >= ALL_ROLES:
        yield Finding("not_checked", "only a key with every role shows every route")
        return
    missing = [route for route in ROUTES if route not in patient.key["routes"]]
    if missing:
        yield Finding(
            "warning", f"the stack is older than this command: it lacks {', '.join(missing)}", "deploy it again"
        )
    else:
        yield Finding("ok", "the stack has every route that this command calls")


def webhook(patient: Patient) -> Iterator[Finding]:
    """Waffo sends every event to this stack."""
    cli = patient.cli
    url = require(cli.profile, "webhook_url")
    found = webhook_at(cli.waffo, url)
    if found is None:
        others = sorted({each["url"] for each in cli.waffo.webhooks()})
        elsewhere = f"; Waffo sends to {', '.join(others)}" if others else ""
        text = f"no webhook is registered at Waffo for {url}{elsewhere}"
    elif missing := deaf_to(found):
        text = f"the webhook is not registered for {', '.join(missing)}"
    else:
        yield Finding("ok", f"the webhook is registered for all events: {url}")
        return
    yield Finding("fault", text, "pancake-meter connect", lambda: register_webhook(cli, url))


def arriving(patient: Patient) -> Iterator[Finding]:
    """Webhooks arrive."""
    latest = newest(patient.cli.api, 1)
    if not latest:
        yield Finding(
            "open",
            "no webhook has arrived yet",
            "pancake-meter trigger subscription.activated, or buy with a test card",
        )
        return
    received = datetime.fromisoformat(latest[0]["received_at"])
    age = patient.cli.now() - received
    if age > timedelta(days=patient.stale_after_days):
        yield Finding(
            "warning", f"the last webhook came {age.days} days ago", "see that it is registered: pancake-meter connect"
        )
    else:
        yield Finding("ok", f"the last webhook arrived at {latest[0]['received_at']}")


def undecided(patient: Patient) -> Iterator[Finding]:
    """No webhook and no usage waits for somebody to decide."""
    api = patient.cli.api
    for verdict in ("parked", "failed"):
        waiting = api.listed("/v1/deliveries", "deliveries", 0, verdict=verdict)["deliveries"]
        if waiting:
            reasons = ", ".join(sorted({str(each["reason"]) for each in waiting}))
            fix = (
                f"pancake-meter deliveries list --verdict {verdict}; mend the cause, then deliveries replay --{verdict}"
            )
            text = f"{len(waiting)} webhooks are {verdict}: {reasons}"
            yield Finding("fault", text, fix, partial(replay_all, api, verdict))
        else:
            yield Finding("ok", f"no webhook is {verdict}")
    usage = api.listed("/v1/usage/parked", "parked", 0, status="open")["parked"]
    if usage:
        codes = ", ".join(sorted({str(each["code"]) for each in usage}))
        fix = "pancake-meter parked list; mend the cause, then parked replay --all"
        yield Finding(
            "fault",
            f"{len(usage)} usage events could not be counted: {codes}",
            fix,
            lambda: [api.post(path("usage", "parked", each["id"], "replay")) for each in usage],
        )
    else:
        yield Finding("ok", "no usage is parked")


def lost(patient: Patient) -> Iterator[Finding]:
    """What Waffo could not deliver has come in another way."""
    cli = patient.cli
    unknown = lost_deliveries(cli)
    if unknown:
        text = f"{len(unknown)} webhooks did not arrive: {', '.join(sorted({each['event_type'] for each in unknown}))}"
        yield Finding("fault", text, "pancake-meter reconcile", lambda: cli.api.post("/v1/reconciliations"))
    else:
        yield Finding("ok", "every webhook that Waffo gave up on has been made up for")


CHECKS: Final[dict[str, Check]] = {
    "key": key,
    "clock": clock,
    "routes": routes,
    "webhook": webhook,
    "webhooks_arrive": arriving,
    "lost_webhooks": lost,
    "undecided": undecided,
}
