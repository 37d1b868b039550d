"""The two doors that the demo uses: the public HTTP API, as a seller's backend does, and the simulator's controls."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from local.demo.cast import Customer

TRIES_MAX = 6
PAUSE_SECONDS = 0.5
_PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE})


class DemoFailed(Exception):
    """The stack answered otherwise than the demo expects."""


@dataclass(frozen=True, slots=True)
class World:
    """A running stack, its simulator, and the days of the month; `customers` are those who take part."""

    api: httpx.Client
    waffo: httpx.Client
    api_url: str
    customers: tuple[Customer, ...]
    begins: datetime

    def at(self, day: int) -> datetime:
        """Return an hour at which a day's acts happen, in the morning. The last day is today, and its hour is now."""
        return self.begins + timedelta(days=day, hours=9)

    def has(self, name: str) -> bool:
        """Return whether a customer takes part."""
        return any(customer.id == name for customer in self.customers)

    def get(self, path: str, **params: str) -> Any:
        """Ask the API."""
        return self._asked("GET", path, params=params)

    def post(self, path: str, body: object, *refusals: HTTPStatus, key: str | None = None) -> Any:
        """Tell the API something. An answer with one of `refusals` is fine too: its body says why."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._asked("POST", path, refusals, json=body, headers=headers)

    def post_events(self, events: object) -> Any:
        """Send CloudEvents, as OpenMeter's clients do."""
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        return self._asked("POST", "/api/v1/events", content=json.dumps(events), headers=headers)

    def put(self, path: str, body: object) -> Any:
        """Set something."""
        return self._asked("PUT", path, json=body)

    def simulate(self, path: str, **body: object) -> Any:
        """Have something happen at Waffo; its webhooks have arrived when this returns."""
        answer = self.waffo.post(f"/_sim/{path}", json=body)
        if not answer.is_success:
            raise DemoFailed(f"{path}: {answer.status_code} {answer.text}")
        if path != "clock":
            self.waffo.post("/_sim/flush", json={})
        return answer.json()

    def waffo_state(self) -> Any:
        """Return all orders, payments and sessions of the simulator."""
        return self.waffo.get("/_sim/state").raise_for_status().json()

    def move_clock(self, to: datetime) -> None:
        """Let time pass until `to`: what is due on the way happens."""
        self.simulate("clock", now=f"{to.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")

    def order_of(self, customer: str) -> dict[str, Any]:
        """Return the newest subscription of a customer at Waffo that has not ended, else the newest of all."""
        orders = [
            order
            for order in self.waffo_state()["orders"]
            if order["kind"] == "subscription" and order["buyer_identity"] == customer
        ]
        if not orders:
            raise DemoFailed(f"{customer} has no subscription at Waffo")
        live = [order for order in orders if order["status"] != "canceled"]
        found: dict[str, Any] = (live or orders)[-1]
        return found

    def _asked(self, method: str, path: str, refusals: tuple[HTTPStatus, ...] = (), **request: Any) -> Any:
        """Send a request, again where trouble passes: each has an id of its own, and counts once."""
        for tries in range(1, TRIES_MAX + 1):
            answer = self.api.request(method, path, **request)
            if answer.is_success or answer.status_code in refusals:
                return answer.json() if answer.content else None
            if answer.status_code not in _PASSING or tries == TRIES_MAX:
                break
            time.sleep(PAUSE_SECONDS * tries)
        raise DemoFailed(f"{method} {path}: {answer.status_code} {answer.text}")


def session_of(url: str) -> Mapping[str, str]:
    """Return the session and the buyer's token in the address of a payment page."""
    parts = urlsplit(url)
    token = parts.fragment.partition("token=")[2]
    return {"session": parts.path.rpartition("/")[2], **({"token": token} if token else {})}
