"""The table of routes says of each route who may call it."""

import pytest

from pancake_meter.domain.access.role import ROLES
from pancake_meter.http.access.routes import ROUTES, Route, browser_methods
from tools import access
from tools.openapi.document import build, undescribed


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_route_is_open_to_all_or_has_roles(route: Route) -> None:
    assert route.is_open != bool(route.roles)
    assert route.roles <= set(ROLES)


def test_only_pages_and_a_browser_s_preflight_are_open_to_all() -> None:
    found = {route.key: route.door for route in ROUTES if route.is_open}
    assert found == {
        "OPTIONS /v1/customers/{customer_id}/{proxy+}": "browser",
        "OPTIONS /v1/plans": "browser",
        "GET /buy/{token}": "link",
        "POST /buy/{token}": "link",
        "HEAD /buy/{token}": "link",
        "GET /buy/{token}/paid": "link",
        "GET /assets/{name}": "browser",
        "GET /portal": "portal",
        "HEAD /portal": "portal",
        "GET /portal/{proxy+}": "portal",
        "HEAD /portal/{proxy+}": "portal",
        "POST /portal/{proxy+}": "portal",
        "GET /console": "console",
        "GET /console/{proxy+}": "console",
        "POST /console/{proxy+}": "console",
    }
    assert all(route.path.startswith(f"/{route.door}") for route in ROUTES if route.door in ("portal", "console"))


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope is not None], ids=lambda route: route.key)
def test_a_route_of_tokens_is_about_one_customer_and_a_browser_may_ask_for_it(route: Route) -> None:
    assert "{customer_id}" in route.path or route.path == "/v1/plans"
    assert route.method in browser_methods(route.path.replace("{customer_id}", "acct_1001"))
    assert not route.is_open


def test_each_role_but_that_for_keys_opens_a_route() -> None:
    assert {role for route in ROUTES for role in route.roles} >= {"meter", "sell", "report", "operate"}


def test_the_openapi_document_describes_every_route_with_its_roles() -> None:
    assert undescribed() == set()
    document = build()
    for route in (each for each in ROUTES if each.is_of_the_api):
        security = document["paths"][route.path][route.method.lower()]["security"]
        named = [(scheme, name) for each in security for scheme, names in each.items() for name in names]
        assert {name for scheme, name in named if scheme == "api_key"} == route.roles
        assert {name for scheme, name in named if scheme == "customer_token"} == ({route.scope} - {None})


def test_the_page_of_routes_is_made_from_the_table() -> None:
    page = access.PAGE.read_text(encoding="utf-8")
    assert access.rendered(page) == page
