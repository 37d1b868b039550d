"""Waffo's checkout API in a few lines, for tests that count sessions: idempotency as the real one has it, and faults."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.signing import RequestSigner

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class FakeWaffo:
    """A transport that answers issue-session-token, create-session, and GraphQL about ``orders`` and ``payments``.

    ``lose_answers``: so many create-session answers are lost after the session was made. ``refuse``: create-session is
    refused for good. ``seconds``: how long a session takes to make. ``attempts_max``: tries of our client.
    ``graphql_fails``: GraphQL answers 502; ``graphql_seconds``: how long it takes. A plan change of an order that is not
    active in ``orders`` is refused; one of an order that is not there is made.
    """

    lose_answers: int = 0
    refuse: bool = False
    seconds: float = 0.0
    graphql_fails: bool = False
    graphql_seconds: float = 0.0
    attempts_max: int = 3
    sessions: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    payments: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    _in_flight: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def client(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> WaffoClient:
        """A client of this fake that retries without waiting. Its tokens end at 15:25 of the tests' day."""
        return WaffoClient(
            RequestSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", _KEY),
            api_url="https://waffo.test",
            transport=httpx.MockTransport(self._answer),
            retry=RetryPolicy(attempts_max=self.attempts_max),
            clock=clock,
            sleep=lambda _: time.sleep(0.01),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path.endswith("issue-session-token"):
            return self._token(body)
        if request.url.path.endswith("graphql"):
            return self._graphql(body)
        key = request.headers["X-Idempotency-Key"]
        with self._lock:
            if key in self._answers:
                return httpx.Response(200, json=self._answers[key])
            if key in self._in_flight:
                return _failure(409, "a request with this idempotency key is in flight")
            self._in_flight.add(key)
        try:
            return self._session(key, body)
        finally:
            with self._lock:
                self._in_flight.discard(key)

    def _token(self, body: dict[str, Any]) -> httpx.Response:
        with self._lock:
            self.tokens.append(body)
            number = next(self._numbers)
        return httpx.Response(200, json={"data": {"token": f"token-{number}", "expiresAt": "2026-03-10T15:25:00.000Z"}})

    def order(self, order_id: str, plan: str, *, status: str = "active", **fields: Any) -> None:
        """A subscription order that Waffo has."""
        self.orders.append(
            {
                "id": order_id,
                "storeId": "STO_7hQ2mVb9KxT4cLr8WnZ3aE",
                "testMode": True,
                "status": status,
                "currency": "USD",
                "merchantProvidedBuyerIdentity": "acct_1001",
                "productVersion": {"metadata": json.dumps({"plan": plan})},
                "currentPeriodEnd": "2026-04-10T15:14:30.000Z",
                **fields,
            }
        )

    def _graphql(self, body: dict[str, Any]) -> httpx.Response:
        self.queries.append(body)
        time.sleep(self.graphql_seconds)
        if self.graphql_fails:
            return _failure(502, "Upstream unavailable")
        variables = body["variables"]
        if "ref" in variables:
            found = [each for each in self.payments if each["orderMerchantExternalId"] == variables["ref"]]
            return httpx.Response(200, json={"data": {"payments": found}})
        if "id" in variables:
            one = next((order for order in self.orders if order["id"] == variables["id"]), None)
            return httpx.Response(200, json={"data": {"subscriptionOrder": one}})
        found = [order for order in self.orders if order["status"] in variables["statuses"]]
        return httpx.Response(200, json={"data": {"subscriptionOrders": found[: variables["limit"]]}})

    def _session(self, key: str, body: dict[str, Any]) -> httpx.Response:
        time.sleep(self.seconds)
        if self.refuse:
            return _failure(404, "no such product")
        origin = next((order for order in self.orders if order["id"] == body.get("originOrderId")), None)
        if origin is not None and origin["status"] != "active":
            return _failure(400, f"Subscription plan cannot be changed, current status: {origin['status']}")
        if origin is not None and origin["currency"] != body["currency"]:
            return _failure(400, "the currency must be the order's")
        with self._lock:
            self.sessions.append(body)
            session_id = f"cs_{len(self.sessions):022d}"
            data = {
                "sessionId": session_id,
                "checkoutUrl": f"https://pancake.waffo.test/store/s/checkout/{session_id}",
                "expiresAt": "2026-03-10T16:05:00.000Z",
            }
            self._answers[key] = {"data": data}
            if self.lose_answers:
                self.lose_answers -= 1
                raise httpx.ReadTimeout("the answer was lost", request=None)
        return httpx.Response(200, json={"data": data})


def _failure(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"data": None, "errors": [{"message": message, "layer": "checkout"}]})
