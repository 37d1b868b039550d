"""How the payment pages are asked for, and where a customer may be sent after paying."""

from datetime import timedelta
from urllib.parse import SplitResult, unquote, urlsplit

from pancake_meter.domain.selling.checkout import Tax
from pancake_meter.domain.selling.loopback import URL_LENGTH_MAX
from pancake_meter.value import Value

_HTTPS_PORT = 443


class CheckoutSettings(Value):
    """Settings of every checkout.

    ``currency`` applies where a request names none; a success URL must be, or lie below, one of ``success_urls``;
    ``language`` is left to Waffo when ``None``. ``tax`` says whether it is inside the prices of products that say nothing.
    """

    currency: str
    session_lifetime: timedelta
    language: str | None
    tax_category: str
    tax: Tax
    success_urls: tuple[str, ...]

    def allows_success_url(self, url: str) -> bool:
        """Return whether a customer may be sent to ``url`` after paying."""
        target = split_https(url)
        return target is not None and any(_lies_below(target, allowed) for allowed in self.success_urls)


def split_https(url: str) -> SplitResult | None:
    """Return the parts of an absolute https URL, or ``None`` for anything that a browser might read otherwise."""
    if (
        len(url) > URL_LENGTH_MAX
        or "\\" in url
        or not url.isascii()
        or any(char <= " " or char == "\x7f" for char in url)
    ):
        return None
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return None
    is_plain = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and has_port
    return parts if is_plain and not {".", ".."} & set(unquote(parts.path).split("/")) else None


def _lies_below(target: SplitResult, allowed: str) -> bool:
    base = urlsplit(allowed)
    if (target.hostname, target.port or _HTTPS_PORT) != (base.hostname, base.port or _HTTPS_PORT):
        return False
    root = base.path.rstrip("/")
    return target.path == root or target.path.startswith(f"{root}/")
