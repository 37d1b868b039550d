"""What a customer who is out of units, or nearly so, is offered: links that lead to something that is for sale."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pancake_meter.catalog import Catalog, load_catalog
from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.usecases.selling.offer import Links, Offers
from pancake_meter.usecases.selling.purchase_link import ExpiredLink, PurchaseLink, make_link, read_link
from tests.support.webhook_world import utc

NOW = utc("2026-03-10T15:20:00")
SECRET = "a secret of the tests, of 32 characters or more"
BASE = "https://api.example.com"
CATALOG = load_catalog(Path(__file__).parents[3] / "layers" / "catalog" / "catalog.toml")
PAID = Term("ORD_1", NOW, NOW + timedelta(days=31), NOW + timedelta(days=32))


def balance(plan: str, used: int, meter: str = "tokens") -> Balance:
    term = Term(None, NOW) if plan == "free" else PAID
    opened = open_balance("acct_1001", meter, Policy.of(CATALOG.plans[plan], meter), term, NOW).after
    return record_usage(opened, Decimal(used), NOW)


def offers(catalog: Catalog = CATALOG) -> Offers:
    return Offers(catalog, "test", lambda: SECRET)


def kinds(links: Links) -> dict[str, str]:
    """What each link sells; all are signed for this customer and meter."""
    found: dict[str, str] = {}
    for name, url in links.items():
        link = read_link(SECRET, str(url).removeprefix(f"{BASE}/buy/"), NOW)
        assert link == PurchaseLink("acct_1001", link.kind, "tokens")
        found[name] = link.kind
    return found


@pytest.mark.parametrize(
    ("plan", "used", "sold"),
    [
        ("free", 10_000, {"purchase_url": "top_up", "upgrade_url": "plan"}),
        ("starter", 100_000, {"purchase_url": "top_up", "upgrade_url": "plan"}),
        ("pro", 1_500_000, {"purchase_url": "overage", "upgrade_url": "plan"}),
        ("pro", 1_000_000, {"purchase_url": "top_up", "upgrade_url": "plan"}),
        ("scale", 10_000_000, {"purchase_url": "top_up"}),
    ],
)
def test_promise_9_units_and_the_next_plan_up_are_offered_where_there_are_any(
    plan: str, used: int, sold: dict[str, str]
) -> None:
    assert kinds(offers().links(balance(plan, used), BASE, NOW)) == sold


def test_promise_11_who_is_cut_off_is_offered_nothing() -> None:
    blocked = replace(balance("starter", 100_000), blocked="fraud")
    assert offers().links(blocked, BASE, NOW) == offers().nudge(blocked, BASE, NOW) == {}


@pytest.mark.parametrize(("used", "is_offered"), [(79_999, False), (80_000, True), (150_000, True)])
def test_every_answer_above_the_first_alert_threshold_offers(used: int, is_offered: bool) -> None:
    assert bool(offers().nudge(balance("starter", used), BASE, NOW)) == is_offered


def test_where_no_units_are_for_sale_the_plan_is_what_to_buy() -> None:
    # Given a stack whose environment has no product for units
    assert CATALOG.usage_product is not None
    unsold = replace(CATALOG, usage_product=replace(CATALOG.usage_product, product_ids={}))
    links = kinds(offers(unsold).links(balance("starter", 100_000), BASE, NOW))
    assert links == {"purchase_url": "plan", "upgrade_url": "plan"}
    # And nothing at all is promised where there is neither
    assert offers(unsold).links(balance("scale", 10_000_000), BASE, NOW) == {}


def test_without_packs_overage_is_what_is_for_sale() -> None:
    meters = {**CATALOG.meters, "tokens": replace(CATALOG.meters["tokens"], top_up=None)}
    scale = kinds(offers(replace(CATALOG, meters=meters)).links(balance("scale", 10_100_000), BASE, NOW))
    assert scale == {"purchase_url": "overage"}


def test_a_link_is_over_after_seven_days_and_not_before() -> None:
    links = offers().links(balance("starter", 100_000), BASE, NOW)
    token = links["purchase_url"].removeprefix(f"{BASE}/buy/")
    assert read_link(SECRET, token, NOW + timedelta(days=7, seconds=-1)).kind == "top_up"
    with pytest.raises(ExpiredLink):
        read_link(SECRET, token, NOW + timedelta(days=7))


@pytest.mark.parametrize("kind", ["subscription", "plan_change"])
def test_a_link_of_an_earlier_version_still_sells_a_plan(kind: str) -> None:
    link = make_link(SECRET, BASE, PurchaseLink("acct_1001", kind, "tokens"), NOW)  # type: ignore[arg-type]
    assert read_link(SECRET, link.removeprefix(f"{BASE}/buy/"), NOW) == PurchaseLink("acct_1001", "plan", "tokens")
