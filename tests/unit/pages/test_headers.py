"""Issue 16, point 4: what a browser may load, who may frame a page, and that nobody keeps one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.catalog import CatalogError, parse_catalog
from pancake_meter.catalog.brand import Brand
from pancake_pages.headers import PageHeaders
from tests.unit.catalog.catalogs import SMALL

LOGO = Brand(logo_url="https://cdn.example.com:8443/logo.svg?v=1")
ORIGINS = ("https://app.example.com", "http://localhost:3000")


def policy(
    kind: PageHeaders | None = None,
    brand: Brand | None = None,
    origins: tuple[str, ...] = (),
    *,
    is_local: bool = False,
) -> dict[str, str]:
    sent = (kind or PageHeaders()).of(brand or Brand(), frame_origins=origins, is_local=is_local)
    parts = sent["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def test_a_page_loads_what_the_stack_itself_serves_and_nothing_else() -> None:
    assert policy() == {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


@pytest.mark.parametrize("kind", [PageHeaders(), PageHeaders(leads_to_payment=True, may_be_framed=True)])
@pytest.mark.parametrize("is_local", [False, True])
def test_no_page_runs_scripts_or_styles_that_stand_in_it(kind: PageHeaders, is_local: bool) -> None:
    sent = kind.of(LOGO, frame_origins=ORIGINS, is_local=is_local)
    assert "unsafe" not in sent["Content-Security-Policy"]
    assert "*" not in sent["Content-Security-Policy"]


def test_the_logo_may_come_from_its_own_host_and_no_other() -> None:
    assert policy(brand=LOGO)["img-src"] == "'self' https://cdn.example.com:8443"


def test_a_form_that_leads_to_the_payment_may_leave_and_no_other() -> None:
    assert policy(PageHeaders(leads_to_payment=True))["form-action"] == "'self' https:"
    assert policy(PageHeaders(leads_to_payment=True), is_local=True)["form-action"] == "'self' https: http:"
    assert policy(is_local=True)["form-action"] == "'self'"


def test_only_the_sellers_own_pages_frame_a_page_that_may_be_framed() -> None:
    framed = PageHeaders(may_be_framed=True)
    assert policy(framed, origins=ORIGINS)["frame-ancestors"] == "'self' https://app.example.com http://localhost:3000"
    assert policy(framed)["frame-ancestors"] == "'none'"
    assert policy(origins=ORIGINS)["frame-ancestors"] == "'none'"


def test_browsers_that_know_no_frame_ancestors_are_told_too() -> None:
    assert PageHeaders().of(Brand(), frame_origins=ORIGINS, is_local=False)["X-Frame-Options"] == "DENY"
    framed = PageHeaders(may_be_framed=True)
    assert "X-Frame-Options" not in framed.of(Brand(), frame_origins=ORIGINS, is_local=False)
    assert framed.of(Brand(), frame_origins=(), is_local=False)["X-Frame-Options"] == "DENY"


def test_nobody_stores_a_page_or_passes_its_address_on() -> None:
    sent = PageHeaders().of(Brand(), frame_origins=(), is_local=False)
    assert sent["Cache-Control"] == "no-store"
    assert sent["Referrer-Policy"] == "no-referrer"
    assert sent["Strict-Transport-Security"] == "max-age=31536000"
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert sent["X-Robots-Tag"] == "noindex"


@given(st.text(alphabet="a.;, '\"*/:@\\\r\n\t-é[]%#?", max_size=30))
def test_no_logo_that_the_catalog_takes_changes_the_policy(odd: str) -> None:
    written = '"' + f"https://cdn{odd}".replace("\\", "\\\\").replace('"', '\\"') + '"'
    try:
        catalog = parse_catalog(f"{SMALL}\n[brand]\nlogo_url = {written}\n")
    except CatalogError:
        return
    allowed = policy(brand=catalog.brand)
    assert allowed.keys() == policy().keys()
    assert len(allowed["img-src"].split(" ")) == 2
    assert "'" not in allowed["img-src"].removeprefix("'self' ")
