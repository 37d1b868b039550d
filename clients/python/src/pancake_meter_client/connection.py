"""Where the stack is and which key opens it: checked before anything is sent."""

import os
from dataclasses import dataclass, field
from typing import Final, Self

import httpx

from pancake_meter_client.errors import BadConfiguration
from pancake_meter_client.version import USER_AGENT

URL_VARIABLE: Final = "PANCAKE_METER_URL"
API_KEY_VARIABLE: Final = "PANCAKE_METER_API_KEY"


@dataclass(frozen=True, slots=True)
class Connection:
    """An address and an API key that can be used."""

    base_url: str
    api_key: str = field(repr=False)

    @classmethod
    def of(cls, base_url: str | None, api_key: str | None) -> Self:
        """Take both from the arguments, or from the environment where an argument is ``None``.

        Raises:
            BadConfiguration: one is missing, or could not be used.
        """
        url = _stated("base_url", base_url, URL_VARIABLE)
        key = _stated("api_key", api_key, API_KEY_VARIABLE)
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise _bad(f"base_url is no URL ({error}): {url!r}") from error
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise _bad(f"base_url begins with https:// (or http:// for a local stack) and names a host: {url!r}")
        if parsed.query or parsed.fragment or parsed.userinfo:
            raise _bad("base_url is the stack's ApiUrl alone: no user, no query and no fragment")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise _bad("api_key has a character that no API key has: it was not copied as it is")
        return cls(url, key)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.api_key}", "User-Agent": USER_AGENT}


def _stated(name: str, argument: str | None, variable: str) -> str:
    text = (os.environ.get(variable, "") if argument is None else argument).strip()
    if not text:
        raise _bad(f"{name} is empty: pass it, or set {variable}")
    return text


def _bad(detail: str) -> BadConfiguration:
    return BadConfiguration(None, {"code": "bad_configuration", "detail": detail})
