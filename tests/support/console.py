"""The console as a browser uses it: cookies are kept, forms are filled in as the page has them."""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pancake_meter.invocation import Handler
from tests.support.api import LambdaContext


@dataclass
class Form:
    """A form of a page: where it is sent, and what its fields hold."""

    action: str
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"], given.get("method", "get")))
        elif tag == "input" and self.forms and given.get("type") != "checkbox" and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "select" and self.forms:
            self._select = given["name"]
        elif (
            tag == "option"
            and self._select is not None
            and ("selected" in given or self._select not in self.forms[-1].fields)
        ):
            self.forms[-1].fields[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None


@dataclass(frozen=True)
class Page:
    """What a browser has got."""

    status: int
    headers: dict[str, str]
    body: str
    path: str

    @property
    def forms(self) -> list[Form]:
        """Its forms."""
        parser = _Forms()
        parser.feed(self.body)
        return parser.forms

    def form(self, action_end: str) -> Form:
        """Return the form whose action ends so."""
        return next(each for each in self.forms if each.action.endswith(action_end))

    @property
    def text(self) -> str:
        """What a person reads, with single spaces."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.body)).split())


class Browser:
    """Asks a handler as a browser asks a site."""

    def __init__(self, handler: Handler, deps: Any) -> None:
        self.handler, self.deps = handler, deps
        self.cookies: dict[str, str] = {}
        self.site = "same-origin"

    def get(self, path: str, *, follow: bool = True) -> Page:
        """Open a page, and go where it leads."""
        return self._ask("GET", path, None, follow=follow)

    def send(self, form: Form, *, follow: bool = True, **fields: str) -> Page:
        """Send a form with other values for some fields, and go where the answer leads."""
        return self._ask("POST", form.action, urlencode({**form.fields, **fields}), follow=follow)

    def sign_in(self, key: str, path: str = "/console") -> Page:
        """Sign in where a page asks for it."""
        return self.send(self.get(path).form("/sign-in"), key=key)

    def _ask(self, method: str, url: str, body: str | None, *, follow: bool) -> Page:
        parts = urlsplit(url)
        path = unquote(parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        route = f"{method} /console" if path == "/console" else f"{method} /console/{{proxy+}}"
        headers = {"host": "api.example.com", "sec-fetch-site": self.site, "accept-language": "en"}
        event = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": parts.query,
            "headers": headers,
            "cookies": [f"{name}={value}" for name, value in self.cookies.items()],
            "queryStringParameters": query or None,
            "requestContext": {
                "domainName": "api.example.com",
                "stage": "$default",
                "requestId": "r-1",
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1", "userAgent": "test"},
            },
            "body": body,
            "isBase64Encoded": False,
        }
        answer = self.handler(event, LambdaContext(), self.deps)
        for cookie in answer.get("cookies") or ():
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0]
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        found = Page(answer["statusCode"], answer.get("headers") or {}, answer.get("body") or "", url)
        location = found.headers.get("Location")
        return self.get(location) if follow and location is not None else found
