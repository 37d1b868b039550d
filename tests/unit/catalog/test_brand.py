"""Issue 16, point 4: the seller's name, logo, colour and language are in the catalog, and bad ones are refused."""

import pytest

from pancake_meter.catalog import parse_catalog
from pancake_meter.catalog.brand import Brand
from tests.unit.catalog.catalogs import SMALL, problems_of


def with_brand(lines: str) -> str:
    return f"{SMALL}\n[brand]\n{lines}\n"


def test_a_catalog_without_a_brand_has_one_that_says_nothing() -> None:
    assert parse_catalog(SMALL).brand == Brand(None, None, "#2f5bea", "en", None, None)


def test_a_whole_brand() -> None:
    catalog = parse_catalog(
        with_brand(
            'name = "Acme <AI>"\nlogo_url = "https://cdn.acme.example/logo.svg"\ncolor = "#0a7d55"\nlanguage = "zh-Hans"\n'
            'home_url = "https://acme.example/app"\nsupport_url = "mailto:help@acme.example"'
        )
    )
    assert catalog.brand == Brand(
        "Acme <AI>",
        "https://cdn.acme.example/logo.svg",
        "#0a7d55",
        "zh-Hans",
        "https://acme.example/app",
        "mailto:help@acme.example",
    )


def test_a_colour_in_capitals_is_the_same_colour() -> None:
    assert parse_catalog(with_brand('color = "#2F5BEA"')).brand.color == "#2f5bea"


def test_pages_that_are_being_made_on_this_machine_may_be_named() -> None:
    assert parse_catalog(with_brand('home_url = "http://localhost:3000/app"')).brand.home_url is not None


@pytest.mark.parametrize("name", ["logo_url", "home_url", "support_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example/logo.svg",
        "javascript:alert(1)",
        "data:image/svg+xml,<svg/>",
        "//acme.example/logo.svg",
        "/logo.svg",
        "acme.example",
        "https://",
        "https://a b.example",
        "https://user:password@acme.example",
        "https://acme.example;script-src",
        "https://acme.example,other.example",
        "https://'self'",
        "https://*",
        "https://acmé.example",
        "ftp://acme.example",
    ],
)
def test_an_address_that_a_browser_should_not_load_or_follow_is_refused(name: str, url: str) -> None:
    mail = ", or mailto:" if name == "support_url" else ""
    assert problems_of(with_brand(f'{name} = "{url}"')) == {f"brand.{name}": f"must be an https URL{mail}"}


@pytest.mark.parametrize("url", ["mailto:", "mailto:a", "mailto:a@b.example?bcc=x@y.example", "mailto:<a@b.example>"])
def test_an_odd_mail_address_is_refused(url: str) -> None:
    assert problems_of(with_brand(f'support_url = "{url}"')) == {
        "brand.support_url": "must be an https URL, or mailto:"
    }


def test_mail_is_for_help_alone() -> None:
    assert list(problems_of(with_brand('home_url = "mailto:a@b.example"'))) == ["brand.home_url"]


@pytest.mark.parametrize("color", ["red", "#fff", "2f5bea", "#2f5bea00", "#2f5beg", "rgb(1,2,3)", "#2f5bea;}", ""])
def test_a_colour_is_six_hexadecimal_digits(color: str) -> None:
    problems = problems_of(with_brand(f'color = "{color}"'))
    assert list(problems) == ["brand.color"]
    assert "#2f5bea" in problems["brand.color"]


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ('language = "de"', "brand.language"),
        ('language = "zh"', "brand.language"),
        ('name = ""', "brand.name"),
        ("name = 1", "brand.name"),
        ('logo = "https://acme.example/logo.svg"', "brand.logo"),
    ],
)
def test_anything_else_is_refused_with_its_place(lines: str, path: str) -> None:
    assert list(problems_of(with_brand(lines))) == [path]
