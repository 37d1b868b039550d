"""Issue 16, point 4: a phone shows pages from their HTML and assets alone: no name widens one, each limit is drawn."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pancake_meter.catalog import Catalog
from pancake_meter.domain.access.customer_token import CustomerToken
from pancake_meter.domain.balance.balance import Policy
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.standing.follow import open_following
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.usecases.access.portal_session import PortalSession
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.value import replace
from pancake_pages.portal.home import home_page
from pancake_pages.portal.visit import Visit
from pancake_pages.site import Site
from tests.support.node import run_node
from tests.support.pure_subscription import CATALOG
from tests.support.webhook_world import utc

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

DRAWN = Path(__file__).parent / "browser" / "drawn.mjs"
SECONDS_MAX = 90.0
WIDTH = 360
FIRST_DAY = utc("2026-03-10T09:00:00")
CUSTOMER = "acct_1001"
LONG = "Abcdefgh" * 8
TALK = "A plan of a shop that likes long names, with words in it"


def with_names(meter: str, plan: str) -> Catalog:
    meters = {key: replace(each, name=meter) for key, each in CATALOG.meters.items()}
    plans = {key: replace(each, name=plan) for key, each in CATALOG.plans.items()}
    return replace(CATALOG, meters=meters, plans=plans)


def home(catalog: Catalog, now: datetime) -> str:
    """The home of a customer of the free plan, who has used some of it on the first day."""
    balances = [
        open_following(CUSTOMER, meter, None, Policy.of(catalog.default_plan, meter), FIRST_DAY, FIRST_DAY).balance
        for meter in ("agent_runs", "tokens")
    ]
    balances[1] = record_usage(balances[1], Decimal(250), FIRST_DAY)
    shown = CustomerHome(CUSTOMER, balances, Subscription(CUSTOMER), [], [], {})
    offers = Offers(catalog, "test", lambda: "a secret of purchase links that is long enough")
    token = CustomerToken(CUSTOMER, frozenset({"read", "buy"}), now + timedelta(hours=1), "t")
    view = Site(catalog.brand).view({"rawPath": "/portal", "headers": {}})
    visit = Visit(view, PortalSession(token, "mark"))
    return home_page(visit, shown, catalog, offers, "https://pay.example.com", now).body or ""


def limit(catalog: Catalog) -> str:
    view = Site(catalog.brand).view({"rawPath": "/portal/limits/tokens", "headers": {}})
    facts: dict[str, Any] = {"mark": "m", "may_buy": True, "cap": None, "fault": "amount", "currencies": ["USD"]}
    written = {"amount": "x", "of": ""}
    meter = catalog.meters["tokens"]
    return view.page("portal/limit.html", **facts, meter=meter, spent=Decimal(1), written=written).body or ""


def drawn(chromium: str, html: str) -> dict[str, Any]:
    assets = Site(CATALOG.brand).assets
    names = ("pages.css", "brand.css", "charts.js", "vendor/chart.js", "icon.svg")
    found = {name: assets.find(assets.url(name).rpartition("/")[2]) for name in names}
    served = {
        assets.url(name): {"type": asset.content_type, "body": asset.content.decode()}
        for name, asset in found.items()
        if asset is not None
    }
    seen: dict[str, Any] = run_node(DRAWN, {"chromium": chromium, "html": html, "assets": served}, SECONDS_MAX)
    return seen


@pytest.mark.parametrize(("meter", "plan"), [(LONG, LONG), ("Tokens", TALK)], ids=["no gap", "long"])
def test_no_name_that_a_catalog_may_have_widens_a_page(chromium: str, meter: str, plan: str) -> None:
    catalog = with_names(meter, plan)
    for html in (home(catalog, FIRST_DAY), limit(catalog)):
        assert drawn(chromium, html)["width"] <= WIDTH


@pytest.mark.parametrize("now", [FIRST_DAY, utc("2026-03-20T09:00:00")], ids=["first day", "later"])
def test_the_limit_is_drawn_across_the_chart_from_the_first_day_on(chromium: str, now: datetime) -> None:
    (share,) = drawn(chromium, home(CATALOG, now))["limits"]
    assert share > 0.7
