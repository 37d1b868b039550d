"""What a customer who is out of units, or nearly so, is offered: links that lead to something that is for sale."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pancake_meter.catalog import Catalog, load_catalog
from pancake_meter.domain.balance.advance import open_balance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.domain.standing.subscription import MAX_ORDERS, ORDERS_NOT_SOLD, Subscription
from pancake_meter.usecases.selling.offer import Links, Offers
from pancake_meter.usecases.selling.purchase_link import ExpiredLink, PurchaseLink, make_link, read_link
from pancake_meter.value import replace
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import step
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


def without_packs(catalog: Catalog = CATALOG) -> Catalog:
    """The catalog with nothing to buy ahead."""
    return replace(catalog, meters={key: replace(each, top_up=None) for key, each in catalog.meters.items()})


def due(units: int, plan: str, meter: str = "agent_runs") -> OverageLine:
    prices = CATALOG.plans[plan].allowances[meter].prices
    return OverageLine(LineKey(NOW, plan), NOW, Decimal(units), prices=prices)


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


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize(("units", "sold"), [(100, {"purchase_url": "overage"}), (1, {})])
def test_what_is_owed_of_a_plan_that_has_ended_is_for_sale_at_that_plan_s_price(
    units: int, sold: dict[str, str], *, is_told: bool
) -> None:
    # Given runs that are owed of Agent, whose one run costs less than the least charge, and a plan without runs since
    owing = replace(balance("free", 0, "agent_runs"), overage_due=Decimal(units))
    ours = offers(without_packs())
    ours = replace(ours, due_lines=lambda _: [due(units, "agent")]) if is_told else ours
    # Then
    links = ours.links(owing, BASE, NOW)
    kept = {name: read_link(SECRET, str(url).removeprefix(f"{BASE}/buy/"), NOW).kind for name, url in links.items()}
    assert {name: kind for name, kind in kept.items() if kind == "overage"} == sold


def test_units_of_a_price_of_today_are_not_for_sale_where_their_own_period_had_none() -> None:
    unpriced = replace(due(1_000_000, "pro", "tokens"), prices={}, key=LineKey(NOW, "gone"))
    owing = replace(balance("pro", 0), overage_due=Decimal(1_000_000))
    ours = replace(offers(without_packs()), due_lines=lambda _: [unpriced])
    assert kinds(ours.links(owing, BASE, NOW)) == {"purchase_url": "plan", "upgrade_url": "plan"}


def test_too_little_to_charge_is_paid_by_a_pack_or_not_at_all() -> None:
    few = balance("pro", 1_000_500)
    assert kinds(offers().links(few, BASE, NOW))["purchase_url"] == "top_up"
    assert kinds(offers(without_packs()).links(few, BASE, NOW))["purchase_url"] == "plan"


def test_only_a_refusal_reads_what_is_owed_and_only_where_the_open_period_does_not_decide() -> None:
    asked: list[Balance] = []

    def read(of: Balance) -> list[OverageLine]:
        asked.append(of)
        return [due(100_000, "pro", "tokens")]

    ours = replace(offers(without_packs()), due_lines=read)
    owing = replace(balance("pro", 1_500_000), overage_due=Decimal(100_000))
    assert kinds(ours.links(owing, BASE, NOW))["purchase_url"] == "overage"
    assert kinds(ours.nudge(replace(owing, used=Decimal(900_000)), BASE, NOW))
    assert asked == []
    ours.links(replace(owing, used=Decimal(900_000)), BASE, NOW)
    assert len(asked) == 1


def orders(count: int, plan: str = "turbo") -> Subscription:
    """A customer with so many orders that stand."""
    known = Subscription("acct_1001")
    for number in range(count):
        at = f"2026-03-10T15:{number:02d}:00"
        known = known.learn(
            step("activated", f"ORD_{number}", at, at, "2026-04-10T15:00:00", WITH_ADD_ONS.plans[plan]).facts
        )
    return known


@pytest.mark.parametrize(
    ("count", "sold"),
    [
        (MAX_ORDERS - ORDERS_NOT_SOLD - 1, {"purchase_url": "top_up", "upgrade_url": "plan"}),
        (MAX_ORDERS - ORDERS_NOT_SOLD, {"purchase_url": "top_up"}),
    ],
)
def test_point_14_no_plan_is_offered_that_would_find_no_place(count: int, sold: dict[str, str]) -> None:
    ours = replace(offers(WITH_ADD_ONS), orders_of=lambda _: orders(count))
    assert kinds(ours.links(balance("free", 10_000), BASE, NOW)) == sold
    assert bool(ours.plans("acct_1001", "tokens", BASE, NOW)) is ("upgrade_url" in sold)
    # And where no units are for sale there is no link at all
    unsold = replace(ours, catalog=without_packs(WITH_ADD_ONS))
    assert bool(unsold.links(balance("free", 10_000), BASE, NOW)) is ("upgrade_url" in sold)


def test_the_next_plan_up_is_offered_however_many_orders_stand_where_it_takes_the_place_of_one() -> None:
    held = orders(MAX_ORDERS - 1).learn(
        step("activated", "ORD_A", "2026-03-10T15:00:00", "2026-03-10", "2026-04-10", WITH_ADD_ONS.plans["agent"]).facts
    )
    ours = replace(offers(WITH_ADD_ONS), orders_of=lambda _: held)
    # Given a plan that was bought, which gives none of these units: the free plan governs them
    assert "upgrade_url" in ours.links(balance("free", 10_000), BASE, NOW)
    assert ours.plans("acct_1001", "tokens", BASE, NOW)


def test_orders_are_read_for_refusals_alone_and_only_of_whom_a_plan_would_be_one_more_order() -> None:
    asked: list[str] = []

    def read(customer_id: str) -> Subscription | None:
        asked.append(customer_id)
        return None

    ours = replace(offers(WITH_ADD_ONS), orders_of=read)
    assert "upgrade_url" in ours.nudge(balance("free", 10_000), BASE, NOW)
    assert "upgrade_url" in ours.links(balance("starter", 100_000), BASE, NOW)
    assert "upgrade_url" not in ours.links(balance("scale", 10_000_000), BASE, NOW)
    # Where no add-ons are sold, nobody has many orders and no plan
    assert "upgrade_url" in replace(ours, catalog=CATALOG).links(balance("free", 10_000), BASE, NOW)
    assert asked == []
    assert "upgrade_url" in ours.links(balance("free", 10_000), BASE, NOW)
    assert asked == ["acct_1001"]


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
