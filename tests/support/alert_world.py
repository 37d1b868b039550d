"""Alerts that are sent: a table whose changes are followed, the queue, the sender, and receivers that tests control."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from standardwebhooks import Webhook

import alert_sender
import alerts
from pancake_meter.deps.alert_endpoints import AlertsDeps
from pancake_meter.deps.alert_sending import AlertSendingDeps
from pancake_meter.deps.stack import true_time
from pancake_meter.deps.stream import followers_of
from pancake_meter.domain.alerts.alert import Alert, AlertType
from pancake_meter.standard_webhooks.client import WebhookClient
from pancake_meter.store.alerts.alerts import put_alert
from pancake_meter.usecases.alerts.endpoints import Addresses, Endpoints
from pancake_meter.usecases.alerts.send import Sender
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.value import replace
from tests.support.api import Answer, LambdaContext, api_event, read_answer
from tests.support.fifo import FakeFifo
from tests.support.followed import Reader

PUBLIC = "93.184.216.34"
PRIVATE = "10.1.2.3"
STEPS_MAX = 1000


@dataclass
class Receiver:
    """One endpoint of a seller. ``answers`` is its status; an exception is raised in its place."""

    secrets: list[str] = field(default_factory=list)
    answers: Callable[[dict[str, Any]], int] = lambda _: 204
    attempts: list[tuple[str, int]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)

    def take(self, request: httpx.Request) -> httpx.Response:
        """Verify what was sent with every secret that is known to it, and answer."""
        body = request.content.decode()
        for secret in self.secrets:
            Webhook(secret).verify(body, dict(request.headers))
        payload: dict[str, Any] = json.loads(body)
        status = self.answers(payload)
        self.attempts.append((request.headers["webhook-id"], status))
        if 200 <= status < 300:
            self.taken.append(payload)
            self.ids.append(request.headers["webhook-id"])
            self.headers.append(request.headers)
        return httpx.Response(status, headers={"Location": "http://169.254.169.254/"})


@dataclass
class AlertWorld:
    """The world. Receivers are told apart by their hosts."""

    reads: Reader
    now: datetime
    receivers: dict[str, Receiver] = field(default_factory=dict)
    addresses: dict[str, Sequence[str]] = field(default_factory=dict)
    read: int = 0
    times: int = 0

    def __post_init__(self) -> None:
        self.dead = FakeFifo(lambda: self.now)
        self.fifo = FakeFifo(lambda: self.now, self.dead)
        keys = SigningKeys(lambda: json.dumps({"current": "1", "1": "k" * 64}))
        self.client = WebhookClient(self.resolve, transport=httpx.MockTransport(self._route))
        self.sender = Sender(self.reads.table, keys, self.client, self.dead.queue, true_time)
        self.endpoints = Endpoints(self.reads.table, keys, Addresses(resolve=self.resolve))
        bell = replace(self.reads.bell, clock=lambda: self.now)
        followers = followers_of(bell, None, self.fifo.queue)
        self.reads.deps = replace(self.reads.deps, followers=followers, true_time=lambda: self.now)

    def resolve(self, host: str, _: int) -> Sequence[str]:
        """Look a host up."""
        return self.addresses.get(host, [PUBLIC])

    def _route(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == PUBLIC, "only the address that was looked at is called"
        host = request.headers["host"]
        assert request.extensions["sni_hostname"] == host
        return self.receivers[host].take(request)

    def ask(self, name: str, *, body: Any = None, key: str | None = None, **parts: str) -> Answer:
        """Ask a route by its example request."""
        event = api_event(name, body=body)
        path = event["routeKey"].partition(" ")[2].format(**parts)
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        if key is not None:
            event["headers"]["idempotency-key"] = key
        deps = AlertsDeps(self.endpoints, self.fifo.queue, lambda: self.now)
        return read_answer(alerts.handler(event, LambdaContext(), deps))

    def endpoint(self, host: str, events: Sequence[AlertType] = ()) -> tuple[str, Receiver]:
        """Make an endpoint and its receiver."""
        made = self.ask("alert_endpoint_create", body={"url": f"https://{host}/hook?a=1", "events": list(events)})
        assert made.status == 201, made.body
        self.receivers[host] = Receiver([made.body["secret"]])
        return made.body["endpoint_id"], self.receivers[host]

    def ring(self, kind: AlertType = "quota.refused", customer: str | None = "acct_1", **data: Any) -> Alert:
        """Ring an alert, and have the stream followed."""
        self.times += 1
        alert = Alert(
            f"{kind}#{customer}#{self.times}", kind, customer, "tokens", self.now, {"number": self.times, **data}
        )
        assert put_alert(self.reads.table, alert)
        self.follow()
        return alert

    def follow(self, *, again: bool = False) -> None:
        """Follow what the stream has told since, or all of it again."""
        records = self.reads.records()
        self.reads.follow(records if again else records[self.read :])
        self.read = len(records)

    def poll(self) -> int:
        """Send what may be sent now."""
        deps = AlertSendingDeps(self.sender, self.fifo.queue, lambda: self.now)
        return self.fifo.poll(alert_sender.handler, deps)

    def pass_time(self, span: timedelta) -> None:
        """Let time pass, and send whatever becomes due in it."""
        end = self.now + span
        for _ in range(STEPS_MAX):
            self.poll()
            at = self.fifo.next_at()
            if at is None or at > end:
                self.now = end
                self.poll()
                return
            self.now = max(self.now, at)
        raise AssertionError("the queue does not come to rest")

    def sendings(self, alert: Alert) -> dict[str, dict[str, Any]]:
        """Return what became of an alert, by endpoint."""
        shown = self.ask("alert_read", alert_id=alert.id)
        assert shown.status == 200
        return {each["endpoint_id"]: each for each in shown.body["endpoints"]}


def is_recent(text: str) -> bool:
    """Whether a webhook-timestamp is of now, as receivers demand."""
    return abs(datetime.now(UTC).timestamp() - int(text)) < 60
