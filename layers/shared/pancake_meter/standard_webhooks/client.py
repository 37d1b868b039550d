"""One request to an endpoint: signed, bounded in time, at the very address that was looked at, and never redirected."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from ipaddress import IPv6Address
from ssl import SSLContext
from typing import Final, Literal
from urllib.parse import SplitResult, urlunsplit

import httpx
from standardwebhooks import Webhook

from pancake_meter.standard_webhooks.addresses import (
    AddressRefused,
    HostUnknown,
    Resolve,
    in_time,
    public_address,
    resolved,
)
from pancake_meter.value import Value

SECONDS_MAX: Final = 10.0
"""An endpoint has so long to answer, from looking up its name to the last header. Its answer's body is not read."""

_TIMEOUT: Final = httpx.Timeout(connect=5.0, read=SECONDS_MAX, write=5.0, pool=1.0)
_HTTPS: Final = 443
_USER_AGENT: Final = "pancake-meter (Standard Webhooks)"

NotAnswered = Literal["timeout", "no_connection", "address_refused"]


class Answered(Value):
    """The endpoint answered with this status."""

    status: int


def signed_headers(message_id: str, body: str, secrets: Sequence[str], at: datetime) -> Mapping[str, str]:
    """Return the headers of a message, with one signature for each secret."""
    signatures = (Webhook(secret).sign(message_id, at, body) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class WebhookClient(Value):
    """Sends to endpoints. ``transport`` and ``resolve`` are what tests replace."""

    resolve: Resolve = resolved
    seconds_max: float = SECONDS_MAX
    transport: httpx.BaseTransport | None = None

    def post(self, url: SplitResult, body: str, headers: Mapping[str, str]) -> Answered | NotAnswered:
        """Send one message to a URL that was checked. A plain http one is of this very machine."""
        try:
            return in_time(self.seconds_max, lambda: self._post(url, body, headers))
        except (TimeoutError, httpx.TimeoutException):
            return "timeout"
        except AddressRefused:
            return "address_refused"
        except (HostUnknown, httpx.HTTPError, httpx.InvalidURL):
            return "no_connection"

    def _post(self, url: SplitResult, body: str, headers: Mapping[str, str]) -> Answered:
        host = url.hostname or ""
        target, extensions = urlunsplit(url), {}
        if url.scheme == "https":
            port = url.port or _HTTPS
            address = public_address(host, port, self.resolve)
            literal = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
            target = urlunsplit((url.scheme, f"{literal}:{port}", url.path or "/", url.query, ""))
            # The certificate has to be the host's.
            extensions = {"sni_hostname": host}
        with (
            httpx.Client(
                verify=_certificates(),
                timeout=_TIMEOUT,
                transport=self.transport,
                follow_redirects=False,
                # A proxy of the environment would look the name up again.
                trust_env=False,
            ) as http,
            http.stream(
                "POST", target, content=body.encode(), headers={**headers, "Host": url.netloc}, extensions=extensions
            ) as answer,
        ):
            return Answered(answer.status_code)


@cache
def _certificates() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)
