"""A browser of one customer in front of the portal's function: it keeps the cookie, and fills forms in as they are shown."""

import base64
import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import unescape
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import customer_pages
from pancake_meter.catalog.brand import Brand
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.domain.access.customer_token import Scope
from pancake_meter.usecases.access.customer_token import make_token
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.signing import RequestSigner
from pancake_pages.deps.customer_pages import CustomerPagesDeps
from pancake_pages.site import Site
from tests.support.api import LambdaContext
from tests.support.pages import pages_deps
from tests.support.token_keys import TOKEN_KEYS
from tests.support.waffo_simulator import MERCHANT_ID
from tests.support.waffo_webhooks import platform_key
from tests.support.webhook_world import CUSTOMER, STORE_ID, World

HOST: Final = "pay.example.com"
LINK_SECRET: Final = "a secret of purchase links that is long enough"
READ: Final = frozenset[Scope]({"read"})
BUY: Final = frozenset[Scope]({"read", "buy"})

_FORM: Final = re.compile(r'<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN: Final = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


def portal_deps(
    world: World, now: datetime, waffo: WaffoClient | None = None, brand: Brand | None = None, *origins: str
) -> CustomerPagesDeps:
    """The collaborators of the function, on the table of a world; by default with a Waffo that does not answer."""
    client = waffo or WaffoClient(RequestSigner(MERCHANT_ID, platform_key()), api_url="http://127.0.0.1:9")
    selling = Selling(world.metering, client, "test", "https://app.example.com/billing", STORE_ID)
    shop = CheckoutDeps(selling, lambda: LINK_SECRET, lambda: now)
    return pages_deps(shop, Site(brand or world.catalog.brand, origins), lambda: now)


@dataclass(frozen=True)
class Page:
    """An answer to a browser."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    html: str
    size: int = 0
    """Bytes of the body as they were sent."""

    @property
    def text(self) -> str:
        """What a person reads, in one line."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.html)).split())

    def form(self, action: str) -> dict[str, str]:
        """The hidden fields of the form that leads to ``action``; of several the last."""
        found = [dict(_HIDDEN.findall(inside)) for where, inside in _FORM.findall(self.html) if where == action]
        return {name: unescape(value) for name, value in found[-1].items()}


@dataclass
class Browser:
    """A browser. It goes where it is sent, and keeps the cookies that it is given."""

    deps: CustomerPagesDeps
    language: str = "en"
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, address: str, **headers: str) -> Page:
        """Open an address."""
        return self._ask("GET", address, "", headers)

    def post(self, address: str, fields: Mapping[str, str], **headers: str) -> Page:
        """Send a form, as a page of the same host does unless ``headers`` say something else."""
        sent = {"sec-fetch-site": "same-origin", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self._ask("POST", address, urlencode(fields), sent)

    def enter(
        self,
        scopes: frozenset[Scope] = BUY,
        customer_id: str = CUSTOMER,
        life: timedelta = timedelta(hours=1),
        **headers: str,
    ) -> Page:
        """Come in with a token that the seller's backend made."""
        token, _ = make_token(TOKEN_KEYS, customer_id, scopes, life, self.deps.clock())
        return self.get(f"/portal/enter/{token}", **headers)

    def fill(self, shown_at: str, action: str, fields: Mapping[str, str] | None = None, **headers: str) -> Page:
        """Open a page, fill in its form that leads to ``action``, and press its button."""
        return self.post(action, {**self.get(shown_at).form(action), **(fields or {})}, **headers)

    def _ask(self, method: str, address: str, body: str, headers: Mapping[str, str]) -> Page:
        parts = urlsplit(address)
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if pair)
        path = parts.path
        key = f"{method} {path}" if path == "/portal" else f"{method} /portal/{{proxy+}}"
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": path,
            "rawQueryString": parts.query,
            "queryStringParameters": query,
            "headers": {
                "host": HOST,
                "accept-language": self.language,
                "content-type": "application/x-www-form-urlencoded",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            "cookies": [f"{name}={value}" for name, value in self.cookies.items()],
            "requestContext": {
                "domainName": HOST,
                "http": {"method": method, "path": path},
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": key,
                "stage": "$default",
            },
            "body": body,
            "isBase64Encoded": False,
        }
        answer = customer_pages.handler(event, LambdaContext(), self.deps)
        sent = answer.get("body", "").encode()
        sent = base64.b64decode(sent) if answer.get("isBase64Encoded") else sent
        found = answer.get("headers", {})
        html = (gzip.decompress(sent) if found.get("Content-Encoding") == "gzip" else sent).decode()
        page = Page(answer["statusCode"], found, answer.get("cookies", []), html, len(sent))
        for cookie in page.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in cookie:
                del self.cookies[name]
        return page
