"""Issue 14, point 10: no endpoint turns the sender against what only it can reach."""

import threading
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
import pytest

from pancake_meter.domain.alerts.endpoint import InvalidEndpointUrl, check_endpoint_url
from pancake_meter.standard_webhooks.addresses import (
    AddressRefused,
    HostUnknown,
    in_time,
    is_public,
    public_address,
)
from pancake_meter.standard_webhooks.client import Answered, WebhookClient


@pytest.mark.parametrize("text", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_public_internet_may_be_called(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),  # noqa: S104
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *(
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a00:1::",
        ),
        "2001:0:5ef5:79fb:0:59f:f5ff:fffe",
    ],
)
def test_no_other_address_may_be_called_however_it_is_written(text: str) -> None:
    assert not is_public(ip_address(text))


def test_one_private_address_among_several_is_enough_to_refuse_a_name() -> None:
    with pytest.raises(AddressRefused):
        public_address("a.example.com", 443, lambda *_: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(HostUnknown):
        public_address("a.example.com", 443, lambda *_: [])
    found = public_address("a.example.com", 443, lambda *_: ["2606:2800:220:1:248:1893:25c8:1946", "93.184.216.34"])
    assert str(found) == "93.184.216.34"


def test_the_address_that_was_looked_at_is_the_one_that_is_called_under_the_name_of_the_host() -> None:
    # Given a name that means another address at every look
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    called: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        called.append(request)
        return httpx.Response(204)

    client = WebhookClient(lambda *_: next(answers), transport=httpx.MockTransport(take))
    url = urlsplit("https://hooks.example.com:8443/a/b?c=d")
    assert client.post(url, "{}", {"webhook-id": "m"}) == Answered(204)
    assert client.post(url, "{}", {}) == "address_refused"
    (request,) = called
    assert str(request.url) == "https://93.184.216.34:8443/a/b?c=d"
    assert request.headers["host"] == "hooks.example.com:8443"
    assert request.extensions["sni_hostname"] == "hooks.example.com"


def test_plain_http_is_for_this_machine_and_only_where_the_stack_is() -> None:
    url = "http://127.0.0.1:9000/hook"
    assert check_endpoint_url(url, is_local=True).port == 9000
    for refused, is_local in ((url, False), ("http://hooks.example.com/", True), ("http://169.254.169.254/", True)):
        with pytest.raises(InvalidEndpointUrl):
            check_endpoint_url(refused, is_local=is_local)


def test_nobody_waits_longer_than_the_time_that_is_given() -> None:
    ends = threading.Event()
    with pytest.raises(TimeoutError):
        in_time(0.05, lambda: ends.wait(30))
    ends.set()


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.RemoteProtocolError("no"), httpx.ReadError("no")])
def test_a_connection_that_fails_is_no_answer(error: httpx.HTTPError) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    client = WebhookClient(lambda *_: ["93.184.216.34"], transport=httpx.MockTransport(fail))
    assert client.post(urlsplit("https://hooks.example.com/"), "{}", {}) == "no_connection"
