"""Scenarios 25, 59, 98: whatever AWS does, a function answers typed trouble at least a second before its timeout."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import api_key_authorizer
import quota_check
import webhook_deliveries
from pancake_meter.api_key import generate_api_key
from pancake_meter.catalog import load_catalog
from pancake_meter.composition import MeteringCollaborators
from pancake_meter.config import MeteringSettings
from pancake_meter.store.errors import StoreError
from pancake_meter.store.table import Table, dynamodb_client
from pancake_meter.usecases.metering import Metering
from pancake_meter.usecases.offer import Offers
from quota_collaborators import QuotaCollaborators
from tests.support.api import LambdaContext, api_event, read_answer
from tools.cfn_template import load_template

Behaviour = Callable[[socket.socket], None]
TYPE = "application/x-amz-json-1.0"


def _reply(status: str, code: str) -> bytes:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb#{code}", "message": ""})
    return f"HTTP/1.1 {status}\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def throttles(peer: socket.socket) -> None:
    peer.sendall(_reply("400 Bad Request", "ProvisionedThroughputExceededException"))


def fails(peer: socket.socket) -> None:
    peer.sendall(_reply("500 Internal Server Error", "InternalServerError"))


def hangs(peer: socket.socket) -> None:
    peer.recv(1)


def resets(peer: socket.socket) -> None:
    peer.close()


def drips(peer: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 200:
        peer.sendall(bytes([letter]))
        time.sleep(0.2)


@contextmanager
def server(behaviour: Behaviour) -> Iterator[tuple[str, list[float]]]:
    """Yield the address of a server that treats each request so, and the times of the requests."""
    requests: list[float] = []

    def serve(peer: socket.socket) -> None:
        try:
            while received := peer.recv(65536):
                # botocore sends the head of a request and its body apart.
                if received.startswith(b"POST"):
                    requests.append(time.monotonic())
                if received.endswith(b"}"):
                    behaviour(peer)
        except OSError:
            pass
        finally:
            peer.close()

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests


def _metering(url: str) -> Metering:
    return Metering(
        Table(dynamodb_client(url), "table"), load_catalog(MeteringSettings.from_environment().catalog_path)
    )


def _timeout(function: str) -> float:
    template = load_template()
    properties = template["Resources"][function]["Properties"]
    return float(properties.get("Timeout", template["Globals"]["Function"]["Timeout"]))


def _quota(url: str, context: LambdaContext) -> int:
    metering = _metering(url)
    with_ = QuotaCollaborators(metering, Offers(metering.catalog, "test", lambda: "secret"))
    return read_answer(quota_check.handler(api_event("quota_one_meter"), context, with_)).status


def _deliveries(url: str, context: LambdaContext) -> int:
    event = api_event("deliveries_parked")
    return read_answer(webhook_deliveries.handler(event, context, MeteringCollaborators(_metering(url)))).status


@pytest.mark.parametrize("behaviour", [throttles, fails, hangs, resets])
@pytest.mark.parametrize(
    ("function", "ask"), [("QuotaCheckFunction", _quota), ("WebhookDeliveriesFunction", _deliveries)]
)
def test_scenario_98_trouble_of_the_table_is_503_within_seconds_and_eight_requests(
    function: str, ask: Callable[[str, LambdaContext], int], behaviour: Behaviour
) -> None:
    timeout = _timeout(function)
    with server(behaviour) as (url, requests):
        began = time.monotonic()
        status = ask(url, LambdaContext(remaining_ms=[int(timeout * 1000)]))
        took = time.monotonic() - began
    assert status == 503
    assert took < min(timeout - 1, 4.5)
    assert len(requests) <= 8


def test_scenario_98_an_answer_that_drips_ends_in_503_a_second_before_the_timeout() -> None:
    timeout = 3.0  # a small one keeps the test short
    with server(drips) as (url, _):
        began = time.monotonic()
        assert _quota(url, LambdaContext(remaining_ms=[int(timeout * 1000)])) == 503
        assert time.monotonic() - began < timeout - 1


@pytest.mark.parametrize("behaviour", [hangs, throttles])
def test_scenario_98_the_authorizer_lets_nothing_through_and_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour
) -> None:
    timeout = _timeout("ApiKeyAuthorizerFunction")
    context = LambdaContext(remaining_ms=[int(timeout * 1000)])
    with server(behaviour) as (url, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        api_key_authorizer._production_table.cache_clear()
        began = time.monotonic()
        with pytest.raises(StoreError):
            api_key_authorizer.handler({"headers": {"authorization": f"Bearer {generate_api_key('test')}"}}, context)
        assert time.monotonic() - began < timeout - 1
    api_key_authorizer._production_table.cache_clear()
    assert 1 <= len(requests) <= 8
