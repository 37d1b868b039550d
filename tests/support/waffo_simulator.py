"""The Waffo simulator on a free port, a place for its webhooks to go, and the official SDK as its client."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.waffo_simulator.app import create_app
from local.waffo_simulator.config import Product, SimulatorConfig
from pancake_meter.waffo.signing import RequestSigner
from tests.support.node_conversation import ask_node
from tests.support.ports import free_port
from tests.support.waffo_webhooks import encode, platform_key, public_pem, signing_with_our_key

MERCHANT_ID = "MER_1aB2cD3eF4gH5iJ6kL7mN8"
STORE_ID = "STO_7hQ2mVb9KxT4cLr8WnZ3aE"
USAGE, PRO, SCALE = "PROD_2bN5mK8jH1gF4dS7aP0oI3", "PROD_5gH8jK1lZ4xC7vB0nM3qW6", "PROD_7qW4eR1tY8uI5oP2aS9dF6"
START_SECONDS_MAX = 10.0
ARRIVE_SECONDS_MAX = 5.0

PRODUCTS = (
    Product(USAGE, "Usage", "onetime", metadata={"kind": "usage"}),
    Product(
        PRO,
        "Pro monthly",
        "subscription",
        prices={"USD": Decimal("29.00"), "JPY": Decimal(4500)},
        metadata={"plan": "pro"},
        billing_period="monthly",
        description="2,000,000 tokens each month",
    ),
    Product(
        SCALE,
        "Scale monthly",
        "subscription",
        prices={"USD": Decimal("99.00")},
        metadata={"plan": "scale"},
        billing_period="monthly",
    ),
)
# The merchant's key and the platform's are one here: each test looks at one side only.
MERCHANT_PRIVATE_PEM = platform_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass(frozen=True)
class Received:
    """One webhook request, as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Sink:
    """An endpoint for webhooks. It answers with the next of `statuses`, and 200 after them."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator over HTTP, and where its webhooks arrive."""

    url: str
    public_key_pem: str
    sink: Sink
    http: httpx.Client

    def sim(self, path: str, **body: Any) -> Any:
        """POST to the control API."""
        response = self.http.post(f"/_sim/{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    def events(self) -> list[dict[str, Any]]:
        """Wait for every delivery to come to its end; what the merchant's endpoint received, in order."""
        self.sim("flush")
        return [json.loads(received.body) for received in self.sink.received]

    def begin_again(self) -> None:
        """As new: no orders, no faults, nothing received."""
        # A reset lets go of a delivery that was sent already: the sink would have it after it was cleared.
        # One that hangs is cut off by the reset.
        with suppress(httpx.HTTPError):
            self.http.post("/_sim/flush", timeout=ARRIVE_SECONDS_MAX)
        self.sim("reset")
        self.sink.received.clear()
        self.sink.statuses.clear()

    def post_signed(self, path: str, body: object, **headers: str) -> httpx.Response:
        """One call of the API, signed with the merchant's key."""
        content = encode(body)
        signer = RequestSigner(MERCHANT_ID, platform_key())
        signed = signer.headers(path, content, timestamp_seconds=int(time.time()))
        return self.http.post(path, content=content, headers={**signed, **headers})

    def sdk(self, *calls: Sequence[Any], session: dict[str, str] | None = None) -> list[Any]:
        """Let the official SDK make these calls one after another: (name, argument, ...)."""
        answers: list[Any] = ask_node(
            "simulator_sdk_client.mjs",
            {
                "baseUrl": self.url,
                "merchantId": MERCHANT_ID,
                "privateKey": MERCHANT_PRIVATE_PEM,
                "session": session,
                "calls": calls,
            },
        )
        return answers


@contextmanager
def simulator(**config: Any) -> Iterator[RunningSimulator]:
    """A simulator with three products, a sink as its webhook, quick retries and a fixed seed; `config` as wanted."""
    with webhook_sink() as sink:
        wanted = {"merchant_id": MERCHANT_ID, "store_id": STORE_ID, "products": PRODUCTS, "seed": 7}
        with signing_with_our_key():
            app = create_app(
                SimulatorConfig(
                    **{
                        **wanted,
                        "merchant_public_key_pem": public_pem(platform_key()),
                        "webhook_url": sink.url,
                        "retry_base_seconds": 0.01,
                        "delivery_timeout_seconds": 60.0,
                        **config,
                    }
                )
            )
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while not server.started:
                assert time.monotonic() < deadline, "the simulator did not start"
                time.sleep(0.01)
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
                yield RunningSimulator(url, app.state.simulator.public_key_pem, sink, http)
        finally:
            server.should_exit = True
            thread.join(START_SECONDS_MAX)


@contextmanager
def webhook_sink() -> Iterator[Sink]:
    """A merchant's webhook endpoint."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sink.received.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(sink.statuses.pop(0) if sink.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink = Sink(f"http://127.0.0.1:{server.server_address[1]}/webhooks/waffo")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join(START_SECONDS_MAX)
