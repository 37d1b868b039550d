"""Addresses of this machine: told from those that only look like one."""

import pytest

from pancake_meter.domain.selling.loopback import is_loopback_url


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [
        ("http://localhost", True),
        ("http://localhost:3000/billing/done?x=1", True),
        ("http://127.0.0.1:8000/", True),
        ("http://[::1]:3000/", True),
        ("http://localhost:1/", True),
        ("http://localhost/" + "x" * 2031, True),
        ("http://localhost/" + "x" * 2032, False),
        ("http://localhost:0/", False),
        ("http://localhost/a\\b", False),
        ("http://localhost/a b", False),
        ("http://localhost/\u00e4", False),
        ("http://user@localhost/", False),
        ("https://localhost/", False),
        ("http://localhost.example.com/", False),
        ("http://localhost@example.com/", False),
        ("http://127.0.0.1.nip.io/", False),
        ("http://example.com#@localhost/", False),
        ("http://example.com\\@localhost/", False),
        ("http://localhost:99999/", False),
        ("http://local\thost/", False),
        ("http://" + "localhost" + "/x" * 2000, False),
        ("localhost:3000", False),
        ("", False),
    ],
)
def test_only_an_http_address_of_this_machine_is_one(url: str, is_loopback: bool) -> None:
    assert is_loopback_url(url) is is_loopback
