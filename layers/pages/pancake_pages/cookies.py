"""Cookies of a request."""

from collections.abc import Mapping
from typing import Any


def cookies_of(event: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the cookies by name; of several with one name the first, which is that of the nearest path.

    API Gateway takes them out of the headers; its local emulator leaves them there.
    """
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    pairs = event.get("cookies") or headers.get("cookie", "").split(";")
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = str(pair).strip().partition("=")
        if separator:
            found.setdefault(name, value)
    return found
