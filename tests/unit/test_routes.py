"""The table of routes says of each route who may call it."""

import pytest

from pancake_meter.domain.access.role import ROLES
from pancake_meter.http.access.routes import ROUTES, Route
from tools import access
from tools.openapi.document import build, undescribed


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_route_is_open_to_all_or_has_roles(route: Route) -> None:
    assert route.is_open != bool(route.roles)
    assert route.roles <= set(ROLES)


def test_only_the_purchase_link_is_open_to_all() -> None:
    assert [route.key for route in ROUTES if route.is_open] == ["GET /buy/{token}"]


def test_each_role_but_that_for_keys_opens_a_route() -> None:
    assert {role for route in ROUTES for role in route.roles} >= {"meter", "sell", "report", "operate"}


def test_the_openapi_document_describes_every_route_with_its_roles() -> None:
    assert undescribed() == set()
    document = build()
    for route in ROUTES:
        security = document["paths"][route.path][route.method.lower()]["security"]
        assert {role for each in security for role in each["api_key"]} == route.roles


def test_the_page_of_routes_is_made_from_the_table() -> None:
    page = access.PAGE.read_text(encoding="utf-8")
    assert access.rendered(page) == page
