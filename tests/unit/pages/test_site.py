"""Issue 16, point 4: one frame for all pages, which escapes what it shows and knows its language."""

from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from pancake_meter.catalog.brand import LANGUAGES, Brand
from pancake_meter.value import replace
from pancake_pages.site import Site

BRAND = Brand(
    "Acme", "https://cdn.example.com/logo.svg", home_url="https://acme.example", support_url="mailto:a@b.example"
)


class Tags(HTMLParser):
    """The tags of a page, with their attributes, and what it says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}


def asked(path: str = "/buy/x", query: dict[str, str] | None = None, language: str = "en") -> dict[str, Any]:
    return {"rawPath": path, "queryStringParameters": query, "headers": {"accept-language": language}, "cookies": []}


def message(brand: Brand = BRAND, event: dict[str, Any] | None = None) -> Response[str]:
    return Site(brand).view(event or asked()).message("shared.not_found", HTTPStatus.NOT_FOUND)


def page(brand: Brand = BRAND, event: dict[str, Any] | None = None) -> str:
    return message(brand, event).body or ""


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)> & {{ 7*7 }} '"


def test_a_brand_that_looks_like_html_is_shown_and_not_run() -> None:
    html = page(replace(BRAND, name=HOSTILE))
    tags = Tags(html)
    assert "script" not in tags.names
    assert not any("onerror" in attributes for _, attributes in tags.tags)
    assert HOSTILE in "".join(tags.said)
    # As the text of its logo too.
    assert [attributes["alt"] for tag, attributes in tags.tags if tag == "img"] == [HOSTILE]


@settings(max_examples=15)  # Each brand is a site of its own, with its style sheet
@given(st.text(min_size=1, max_size=40).filter(lambda name: "\r" not in name and "\x00" not in name))
def test_any_name_is_shown_as_it_is_and_adds_no_tag(name: str) -> None:
    plain, odd = Tags(page()), Tags(page(replace(BRAND, name=name)))
    assert [tag for tag, _ in odd.tags] == [tag for tag, _ in plain.tags]
    assert name in "".join(odd.said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_its_language_and_leads_to_the_others(language: str) -> None:
    html = Tags(page(event=asked("/portal/tokens", {"day": "2026-03-10", "lang": language})))
    (root,) = [attributes for tag, attributes in html.tags if tag == "html"]
    assert root["lang"] == language
    others = {attributes["hreflang"]: attributes["href"] for tag, attributes in html.tags if attributes.get("hreflang")}
    assert others == {other: f"/portal/tokens?day=2026-03-10&lang={other}" for other in LANGUAGES if other != language}


def test_an_odd_query_stays_within_the_address_of_the_other_language() -> None:
    html = Tags(page(event=asked("/portal", {'a"><b>': '"><script>&lang=xx'})))
    assert "script" not in html.names
    (other,) = [attributes["href"] for _, attributes in html.tags if attributes.get("hreflang")]
    assert other == "/portal?a%22%3E%3Cb%3E=%22%3E%3Cscript%3E%26lang%3Dxx&lang=zh-Hans"


def test_an_odd_path_stays_within_the_address_of_the_other_language() -> None:
    for path in ("/console/customers/a b?c#d%", "/console/customers/a%20b%3Fc%23d%25"):
        html = Tags(page(event=asked(path)))
        (other,) = [attributes["href"] for _, attributes in html.tags if attributes.get("hreflang")]
        assert other == "/console/customers/a%20b%3Fc%23d%25?lang=zh-Hans"


def test_an_answer_to_a_form_leads_to_the_page_of_the_form_in_the_other_language() -> None:
    view = replace(Site(BRAND).view(asked("/console/customers/x/block", {"a": "1"})), form_page="/console/customers/x")
    html = Tags(view.message("shared.not_found", HTTPStatus.NOT_FOUND).body or "")
    (other,) = [attributes["href"] for _, attributes in html.tags if attributes.get("hreflang")]
    assert other == "/console/customers/x?lang=zh-Hans"


def test_a_language_that_was_asked_for_is_kept_for_a_year_by_a_cookie_that_scripts_cannot_read() -> None:
    (cookie,) = message(event=asked(query={"lang": "zh-Hans"})).cookies
    assert str(cookie) == "lang=zh-Hans; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax"
    assert list(message(event=asked()).cookies) == []
    assert list(message(event=asked(query={"lang": "xx"})).cookies) == []


def test_cookies_of_the_local_stack_which_is_plain_http_are_not_for_https_alone() -> None:
    view = Site(BRAND, is_local=True).view(asked(query={"lang": "en"}))
    (cookie,) = view.message("shared.not_found", HTTPStatus.NOT_FOUND).cookies
    assert "Secure" not in str(cookie)


def test_a_page_can_be_used_by_keyboard_and_screen_reader() -> None:
    tags = Tags(page()).tags
    by_id = {attributes["id"]: tag for tag, attributes in tags if attributes.get("id")}
    first_link = next(attributes for tag, attributes in tags if tag == "a")
    assert first_link["href"] == "#content"
    assert by_id["content"] == "main"
    assert [tag for tag, _ in tags].count("h1") == 1
    assert {"header", "main", "footer", "title"} <= {tag for tag, _ in tags}


def test_no_page_has_scripts_or_styles_in_it() -> None:
    for tag, attributes in Tags(page()).tags:
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        assert not {name for name in attributes if name.startswith("on") or name == "style"}


def test_a_page_has_an_icon_in_the_sellers_colour() -> None:
    site = Site(BRAND)
    (icon,) = [attributes["href"] for tag, attributes in Tags(page()).tags if attributes.get("rel") == "icon"]
    assert icon == site.assets.url("icon.svg")
    asset = site.assets.find(str(icon).removeprefix("/assets/"))
    assert asset is not None
    assert BRAND.color.encode() in asset.content


def test_a_page_without_a_brand_is_whole() -> None:
    html = Tags(page(Brand()))
    assert "img" not in html.names
    assert "None" not in "".join(html.said)


def test_a_message_leads_back_to_the_seller() -> None:
    assert [
        attributes["href"] for tag, attributes in Tags(page()).tags if attributes.get("class") == "button quiet"
    ] == ["https://acme.example"]


def test_a_value_that_is_missing_is_an_error_and_no_gap() -> None:
    with pytest.raises(UndefinedError):
        Site(BRAND).view(asked()).page("message.html")


def test_a_redirect_asks_with_get_and_is_kept_by_nobody() -> None:
    sent = Site(BRAND).view(asked()).redirect("/portal")
    assert (sent.status_code, sent.headers["Location"], sent.headers["Cache-Control"]) == (303, "/portal", "no-store")
