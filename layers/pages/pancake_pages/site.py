"""The site: what all pages of a stack share, and the view of one request."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pancake_meter.catalog.brand import LANGUAGES, Brand
from pancake_meter.value import Value, field
from pancake_pages.assets import Assets, takes_gzip
from pancake_pages.colors import brand_icon, brand_style
from pancake_pages.headers import PageHeaders
from pancake_pages.language import COOKIE, PARAMETER, Language, choose_language
from pancake_pages.wording import wording_of

TEMPLATES: Final = Path(__file__).parent / "templates"
HTML: Final = "text/html; charset=utf-8"
_YEAR_SECONDS: Final = 365 * 24 * 3600


class Site(Value, dict=True):
    """What all pages of a stack share. ``frame_origins`` are those whose pages may frame the portal."""

    brand: Brand
    frame_origins: Sequence[str] = ()
    is_local: bool = False

    @cached_property
    def assets(self) -> Assets:
        """Style sheets, scripts and pictures."""
        color = self.brand.color
        return Assets({"brand.css": brand_style(color).encode(), "icon.svg": brand_icon(color).encode()})

    @cached_property
    def templates(self) -> Environment:
        """The templates; each value is escaped, and one that is missing is an error."""
        loader = FileSystemLoader(TEMPLATES)
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.globals["asset"] = self.assets.url
        environment.globals["brand"] = self.brand
        return environment

    def view(self, event: Mapping[str, Any]) -> "View":
        """Return the view of a request."""
        return View(self, event, choose_language(event, self.brand.language))


class View(Value):
    """One request, and the pages that answer it, in its language.

    ``form_page`` is the path of the page that a form was on, where it was sent to another: in another language there is that
    page, since nothing but a form leads to the one in hand.
    """

    site: Site
    event: Mapping[str, Any]
    language: Language
    headers: PageHeaders = field(default_factory=PageHeaders)
    form_page: str | None = None

    def page(
        self,
        template: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        cookies: Sequence[Cookie] = (),
        **facts: Any,
    ) -> Response[str]:
        """Return a page: ``template`` is its file, such as ``buy/offer.html``, ``facts`` are what it shows."""
        language = self.language
        shown = {
            "t": language.words,
            "language": language,
            "number": language.number,
            "percent": language.percent,
            "money": language.money,
            "day": language.day,
            "short_day": language.short_day,
            "month": language.month,
            "instant": language.instant,
            "other_languages": self._other_languages(),
            **facts,
        }
        body = self.site.templates.get_template(template).render(shown)
        sent = self.headers.of(self.site.brand, frame_origins=self.site.frame_origins, is_local=self.site.is_local)
        found = {**sent, **(headers or {})}
        return Response(
            status.value,
            HTML,
            body,
            found,
            [*cookies, *self._language_cookie()],
            compress=takes_gzip(str(self._headers.get("accept-encoding", ""))),
        )

    def redirect(self, path: str, cookies: Sequence[Cookie] = ()) -> Response[str]:
        """Return a redirect that makes the browser ask with GET; a repeat of it sends no form again."""
        sent = self.headers.of(self.site.brand, frame_origins=self.site.frame_origins, is_local=self.site.is_local)
        return Response(HTTPStatus.SEE_OTHER.value, HTML, "", {**sent, "Location": path}, list(cookies))

    def message(
        self,
        key: str,
        status: HTTPStatus,
        back_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        back: str | None = None,
        **values: Any,
    ) -> Response[str]:
        """Return a page with a title and a text, ``<key>.title`` and ``<key>.text`` of the words, and a way back.

        It leads to ``back_url``, else to the seller's home. ``back`` are the words that say where it leads, if not to the
        seller.
        """
        words = self.language.words
        title, text = words(f"{key}.title", **values), words(f"{key}.text", **values)
        back_url = back_url or self.site.brand.home_url
        back_name = words(back) if back is not None else words("shared.back_to_seller", name=self._seller)
        return self.page(
            "message.html", status, headers, title=title, text=text, back_url=back_url, back_name=back_name
        )

    @property
    def way_back(self) -> Mapping[str, Any]:
        """The way back of a page that any address may be answered with, as ``message`` takes it."""
        path = str(self.event.get("rawPath", "/"))
        return {"back_url": "/portal", "back": "portal.back"} if path.startswith("/portal/") else {}

    @property
    def is_secure(self) -> bool:
        """Whether cookies are for https alone: everywhere but on the local stack, whose pages are plain http."""
        return not self.site.is_local

    @property
    def _seller(self) -> str:
        return self.site.brand.name or self.language.words("shared.the_seller")

    @property
    def _headers(self) -> Mapping[str, Any]:
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    def _language_cookie(self) -> Sequence[Cookie]:
        wanted = (self.event.get("queryStringParameters") or {}).get(PARAMETER)
        if wanted != self.language.tag:
            return ()
        return (
            Cookie(
                COOKIE,
                wanted,
                path="/",
                secure=self.is_secure,
                http_only=True,
                max_age=_YEAR_SECONDS,
                same_site=SameSite.LAX_MODE,
            ),
        )

    def _other_languages(self) -> Sequence[tuple[str, str, str]]:
        """Return tag, own name and address of each other language of the page in hand."""
        path, kept = self.form_page, {}
        if path is None:
            # API Gateway may have decoded it.
            path = quote(unquote(str(self.event.get("rawPath", "/"))), safe="/~")
            kept = dict(self.event.get("queryStringParameters") or {})
        return [
            (tag, wording_of(tag)("shared.language_name"), f"{path}?{urlencode({**kept, PARAMETER: tag})}")
            for tag in LANGUAGES
            if tag != self.language.tag
        ]
