"""Addresses of this very machine: where a local stack and an app in development are."""

from typing import Final
from urllib.parse import urlsplit

URL_LENGTH_MAX: Final = 2048
"""Characters of any URL that is taken, kept or sent."""

_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback_url(url: str) -> bool:
    """Whether ``url`` is an absolute http address of this machine that a browser cannot read as another."""
    if len(url) > URL_LENGTH_MAX or "\\" in url or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in _HOSTS and "@" not in parts.netloc and has_port
