"""Issue 16, point 2: what the portal shows of each state of a customer, and the rules of its cookie."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest

from pancake_meter.catalog import Catalog
from pancake_meter.catalog.brand import LANGUAGES
from pancake_meter.domain.access.customer_token import CustomerToken, Scope
from pancake_meter.domain.balance.advance import advance
from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod
from pancake_meter.domain.balance.grant import Grant
from pancake_meter.domain.balance.hold import Hold
from pancake_meter.domain.balance.limits import Limits, SpendCap
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.balance.spend import record_usage
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.domain.selling.payment import Charge, Credit, Payment
from pancake_meter.domain.selling.pricing import Graduated, Package, PerUnit, Price, Tier, Volume
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.domain.standing.follow import follow, open_following
from pancake_meter.domain.standing.lifecycle import Bound, LifecycleEvent, LifecycleKind, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.usecases.access.customer_token import make_token
from pancake_meter.usecases.access.portal_session import PortalSession, read_session
from pancake_meter.usecases.reports.customer_home import CustomerHome
from pancake_meter.usecases.reports.customer_usage import CustomerUsage, besides, lived
from pancake_meter.usecases.reports.show_customer import shown_orders
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.purchase_link import read_link
from pancake_meter.value import replace
from pancake_pages.cookies import cookies_of
from pancake_pages.language import Language
from pancake_pages.portal.charts import choices, days_side_by_side, earlier_charts, open_chart, past_chart
from pancake_pages.portal.home import home_page
from pancake_pages.portal.meters import MeterCard, meter_cards
from pancake_pages.portal.payments import payments
from pancake_pages.portal.prices import price_texts
from pancake_pages.portal.visit import Visit, session_cookie
from pancake_pages.site import Site
from tests.support.catalogs import WITH_ADD_ONS
from tests.support.pure_subscription import CATALOG
from tests.support.token_keys import TOKEN_KEYS
from tests.support.webhook_world import utc

NOW = utc("2026-03-20T12:00:00")
START, END = utc("2026-03-10T00:00:00"), utc("2026-04-10T00:00:00")
CUSTOMER = "acct_1001"
ORDER = "ORD_1aB2cD3eF4gH5iJ6kL7mN8"
BASE = "https://pay.example.com"
SITE = Site(CATALOG.brand)
OFFERS = Offers(CATALOG, "test", lambda: "a secret of purchase links that is long enough")


def event(kind: LifecycleKind, day: int, plan: str = "pro", **more: Any) -> LifecycleEvent:
    period = StatedPeriod(Bound(START), Bound(END), 1)
    at = utc(f"2026-03-{day:02}T15:00:00")
    fields: dict[str, Any] = {"billing_period": "monthly", "price": Decimal("29.00"), "currency": "USD", **more}
    return LifecycleEvent(kind, ORDER, at, period, CATALOG.plans[plan], **fields)


def customer(*events: LifecycleEvent, used: int = 0, **changed: Any) -> CustomerHome:
    """A customer with these events and that much use of tokens."""
    subscription = Subscription(CUSTOMER)
    for each in events:
        subscription = subscription.learn(OrderFacts.of(each))
    balances = [
        open_following(CUSTOMER, meter, subscription, Policy.of(CATALOG.default_plan, meter), NOW, NOW).balance
        for meter in sorted(CATALOG.meters)
    ]
    if used:
        balances = [record_usage(each, Decimal(used), NOW) if each.meter == "tokens" else each for each in balances]
    orders = shown_orders(subscription, balances, NOW)
    home = CustomerHome(CUSTOMER, balances, subscription, orders, [], {})
    return replace(home, **changed)


def with_tokens(home: CustomerHome, **changed: Any) -> CustomerHome:
    balances = [replace(each, **changed) if each.meter == "tokens" else each for each in home.balances]
    return replace(home, balances=balances)


def shown(home: CustomerHome, *, may_buy: bool = True, language: str = "en", done: str | None = None) -> str:
    """The page's HTML."""
    scopes = frozenset[Scope]({"read", "buy"} if may_buy else {"read"})
    session = PortalSession(CustomerToken(CUSTOMER, scopes, NOW + timedelta(hours=1), "t"), "mark-of-the-session")
    headers = {"accept-language": language, **({"cookie": f"__Host-portal-done={done}"} if done else {})}
    view = SITE.view({"rawPath": "/portal", "headers": headers})
    page = home_page(Visit(view, session), home, CATALOG, OFFERS, BASE if may_buy else None, NOW)
    return page.body or ""


def read(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def blocked(home: CustomerHome) -> CustomerHome:
    return replace(home, balances=[replace(each, blocked="fraud check") for each in home.balances])


PACK = Grant("lot:top_up", "top_up", Decimal(100_000), Decimal(60_000), 90, START, utc("2027-03-10T00:00:00"))
GIFT = Grant("gift:x", "promotion", Decimal(5_000), Decimal(5_000), 30, START)


def a_checkout(**changed: Any) -> Checkout:
    fields: dict[str, Any] = {
        "id": "chk_1",
        "customer_id": CUSTOMER,
        "kind": "top_up",
        "meter": "tokens",
        "plan": None,
        "quantity": Decimal(100_000),
        "amount": Money(Decimal("2.00"), "USD"),
        "status": "open",
        "created_at": NOW - timedelta(minutes=5),
        "expires_at": NOW + timedelta(minutes=40),
    }
    return Checkout(**{**fields, **changed})


ACTIVE = event("activated", 10)
STATES: dict[str, tuple[CustomerHome, tuple[str, ...]]] = {
    "nothing bought": (customer(), ("10,000 left of 10,000", "You have no subscription", "Upgrade to Starter")),
    "active": (
        customer(ACTIVE, used=250_000),
        ("750,000 left of 1,000,000", "$29.00 a month", "Renews on Apr 10, 2026"),
    ),
    "used up, and it stops": (customer(used=10_000), ("0 left of 10,000", "10,000 used · 100%", "Use has stopped")),
    "overage": (
        customer(ACTIVE, used=1_200_000, owed={"tokens": Money(Decimal("4.00"), "USD")}),
        (
            "0 left of 1,000,000",
            "1,200,000 used · 120%",
            "Beyond your plan 200,000 units, $4.00",
            "Up to 300,000 more",
            "Pay $4.00",
        ),
    ),
    "overage below the least charge": (
        customer(ACTIVE, used=1_001_000, owed={"tokens": Money(Decimal("0.02"), "USD")}),
        ("1,000 units, $0.02", "Charged once it comes to $0.50 or more."),
    ),
    "overage without a limit": (
        customer(event("activated", 10, "scale"), used=11_000_000),
        ("Use goes on, charged afterwards", "Beyond your plan 1,000,000 units"),
    ),
    "packs and gifts": (
        with_tokens(customer(ACTIVE), grants=(*customer(ACTIVE).balances[2].grants, PACK, GIFT)),
        ("Bought in advance 60,000 left, until Mar 10, 2027", "A gift 5,000 left, with no end"),
    ),
    "blocked": (blocked(customer(ACTIVE)), ("Access is paused", "Nothing more can be used", "Paused")),
    "blocked in part": (
        with_tokens(customer(ACTIVE), blocked="fraud check"),
        ("Paused: Tokens", "Tokens cannot be used for now. Everything else goes on."),
    ),
    "past due": (
        customer(ACTIVE, event("past_due", 12)),
        ("Payment overdue", "will be tried again", "Access lasts until", "Cancel subscription"),
    ),
    "canceling": (
        customer(ACTIVE, event("canceling", 12)),
        ("Pro ends on Apr 10, 2026", "Ends on Apr 10, 2026", "Keep my subscription"),
    ),
    "trial": (customer(event("activated", 10, is_trial=True)), ("Your trial ends on Apr 10, 2026", "Trial")),
    "to change": (
        customer(ACTIVE, replace(event("plan_change_scheduled", 12, "starter"), period=None)),
        ("You change to Starter", "Stays until Apr 10, 2026"),
    ),
    "to change, nobody says to what": (
        customer(ACTIVE, replace(event("plan_change_scheduled", 12), period=None)),
        ("Your plan changes", "Pro stays until Apr 10, 2026, and another plan follows it"),
    ),
    "refund debt": (with_tokens(customer(ACTIVE), refund_debt=Decimal(5)), ("Refunded units were used already",)),
    "in flight": (
        customer(ACTIVE, checkouts=[a_checkout()]),
        ("Tokens: 100,000 in advance", "$2.00", "Not paid yet", "Pay now"),
    ),
    "paid": (
        customer(ACTIVE, checkouts=[a_checkout(status="paid", payment_ids=("PAY_7",))]),
        ("PAY_7", "Paid"),
    ),
    "given up": (customer(ACTIVE, checkouts=[a_checkout(expires_at=NOW)]), ("Expired",)),
}


@pytest.mark.parametrize("state", STATES)
def test_home_tells_of_each_state(state: str) -> None:
    home, told = STATES[state]
    text = read(shown(home))
    for each in told:
        assert each in text, text


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_that_only_reads_has_no_way_to_buy_or_to_end_anything(state: str, language: str) -> None:
    html = shown(STATES[state][0], may_buy=False, language=language)
    assert f'lang="{language}"' in html
    assert "/buy/" not in html
    assert "/portal/limits" not in html
    assert "/portal/subscriptions" not in html
    assert "{" not in read(html)


@pytest.mark.parametrize("state", STATES)
def test_a_page_can_be_read_without_seeing_it(state: str) -> None:
    html = shown(STATES[state][0])
    assert html.count("<h1") == 1
    assert len(re.findall("<table", html)) == len(re.findall("<caption", html))
    assert all("aria-label" in each for each in re.findall("<progress[^>]*>", html))
    assert not re.findall(r'style="|<style|<script>|onclick', html)
    fields = re.findall(r'<(?:input|select)(?![^>]*hidden)[^>]*id="([^"]*)"', html)
    assert all(f'for="{each}"' in html for each in fields)


def test_trouble_in_the_shop_takes_the_buttons_and_not_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise StoreUnavailable("gone")

    reported: list[Exception] = []
    monkeypatch.setitem(globals(), "OFFERS", replace(OFFERS, secret=gone, on_trouble=reported.append))
    html = shown(STATES["active"][0])
    assert "750,000 left of 1,000,000" in read(html)
    assert "/buy/" not in html
    assert reported


@pytest.mark.parametrize("state", ["blocked", "blocked in part"])
def test_a_reason_for_operators_is_not_shown(state: str) -> None:
    assert "fraud check" not in shown(STATES[state][0])


def test_a_notice_of_a_block_in_part_does_not_say_that_nothing_can_be_used() -> None:
    assert "Nothing more can be used" not in shown(STATES["blocked in part"][0])


@pytest.mark.parametrize(
    ("at", "told", "not_told"),
    [
        ("2026-04-09T00:00:00", "Access lasts until May 10", "Renews on"),
        ("2026-04-11T00:00:00", "Access lasts until May 10", "Apr 10, 2026"),
        ("2026-06-20T00:00:00", "Access ended on", "until"),
    ],
)
def test_an_overdue_plan_says_until_when_access_lasts_and_no_day_that_is_over(
    monkeypatch: pytest.MonkeyPatch, at: str, told: str, not_told: str
) -> None:
    home = customer(ACTIVE, event("past_due", 12))
    monkeypatch.setitem(globals(), "NOW", utc(at))
    card = read(shown(home)).partition("Your plan Pro Payment overdue")[2].partition("Cancel subscription")[0]
    assert told in card, card
    assert not_told not in card, card


def test_a_notice_of_an_overdue_plan_names_no_end_to_come_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    home = customer(ACTIVE, event("past_due", 12))
    assert "access ends on May 10, 2026" in read(shown(home))
    monkeypatch.setitem(globals(), "NOW", utc("2026-06-20T00:00:00"))
    text = read(shown(home))
    assert "access by it ended on May 10, 2026" in text
    assert "access ends on" not in text


def test_a_renewal_that_is_late_is_not_said_to_be_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    home = customer(ACTIVE)
    monkeypatch.setitem(globals(), "NOW", utc("2026-04-10T06:00:00"))
    text = read(shown(home))
    assert "Renewal was due on Apr 10, 2026" in text
    assert "Renews on" not in text


def test_without_a_default_plan_nothing_is_said_to_be_free(monkeypatch: pytest.MonkeyPatch) -> None:
    home = customer()
    monkeypatch.setitem(globals(), "CATALOG", replace(CATALOG, default_plan_key=None))
    text = read(shown(home))
    assert "You have no subscription. You can use what you buy in advance" in text
    assert "what is free" not in text


def test_a_customer_s_id_is_escaped() -> None:
    home = replace(customer(), customer_id="<script>alert(1)</script>")
    assert "<script>alert" not in shown(home)


def test_a_page_says_no_more_than_what_was_done() -> None:
    assert "Your limit is set" in shown(customer(), done="limit_set")
    assert 'role="status"' not in shown(customer(), done="<b>You won</b>")


def test_a_plan_s_own_checkout_is_left_out_once_it_is_paid() -> None:
    plan = a_checkout(kind="subscription", meter=None, plan="pro", quantity=Decimal(0))
    assert "Pro, change of plan" in read(shown(customer(checkouts=[plan])))
    assert "Pro, change of plan" not in read(shown(customer(checkouts=[replace(plan, status="paid")])))


def a_payment(payment_id: str = "PAY_7", back: str | None = None, **changed: Any) -> Payment:
    """A payment of a pack: $2.20 with tax, of which ``back`` was refunded."""
    charge = Charge("USD", Decimal("2.20"), Decimal("2.20"), NOW, "top_up")
    bought = (Credit("tokens", "lot:x", Decimal(100_000)),)
    refunds = {"r": Refund("r", Decimal(back), Decimal("2.20"), NOW, succeeded_at=NOW)} if back else {}
    fields: dict[str, Any] = {
        "charge": charge,
        "credits": bought,
        "refunds": refunds,
        "checkout_id": "chk_1",
        **changed,
    }
    return Payment(payment_id, "ORD_2", CUSTOMER, **fields)


FREE = Charge("USD", Decimal(0), Decimal("2.20"), NOW, "top_up")


@pytest.mark.parametrize(
    ("payment", "told"),
    [
        (a_payment(), "PAY_7 $2.20 Paid"),
        (a_payment(back="2.20"), "PAY_7 $2.20 Refunded"),
        (a_payment(back="1.00"), "PAY_7 $2.20 Partly refunded"),
        (a_payment(flag="charged_nothing", charge=FREE), "PAY_7 $0.00 Being checked"),
        (a_payment(flag="amount_differs", credits=()), "PAY_7 $2.20 Being checked"),
        (a_payment(flag="paid_twice", back="2.20"), "PAY_7 $2.20 Refunded"),
    ],
)
def test_a_row_of_a_checkout_says_what_was_paid_and_what_went_back(payment: Payment, told: str) -> None:
    paid = a_checkout(status="paid", payment_ids=("PAY_7",))
    text = read(shown(customer(checkouts=[paid], payments={"PAY_7": payment})))
    assert f"Tokens: 100,000 in advance {told}" in text, text


def test_a_second_payment_of_one_checkout_is_a_row_of_its_own() -> None:
    twice = a_checkout(status="flagged", flag="paid_twice", payment_ids=("PAY_7", "PAY_8"))
    later = Charge("USD", Decimal("2.20"), None, NOW + timedelta(minutes=1), "top_up")
    known = {"PAY_7": a_payment(), "PAY_8": a_payment("PAY_8", charge=later, flag="paid_twice")}
    text = read(shown(customer(checkouts=[twice], payments=known)))
    assert text.index("PAY_8 $2.20 Being checked") < text.index("PAY_7 $2.20 Paid")


def test_a_payment_of_somebody_else_is_not_shown() -> None:
    paid = a_checkout(status="paid", payment_ids=("PAY_7",))
    other = replace(a_payment(), customer_id="acct_2002")
    assert "PAY_7 $2.00 Paid" in read(shown(customer(checkouts=[paid], payments={"PAY_7": other})))


# --- A meter's card ------------------------------------------------------------------------------------------------


def card_of(home: CustomerHome, meter: str = "tokens", catalog: Catalog = CATALOG) -> MeterCard:
    cards = meter_cards(home, catalog, replace(OFFERS, catalog=catalog), Language("en"), BASE, NOW)
    return next(card for card in cards if card.meter.key == meter)


def section(home: CustomerHome, meter: str = "tokens") -> str:
    """What a person reads of one meter."""
    return read(shown(home).partition(f'aria-labelledby="meter-{meter}">')[2].partition("</section>")[0])


def kind_of(url: str | None) -> str | None:
    return read_link(OFFERS.secret(), url.rpartition("/")[2], NOW).kind if url is not None else None


def test_prices_of_each_meter_are_in_the_currency_of_the_order_that_is_sold_to() -> None:
    # Given tokens in dollars by Pro, and runs in yen by Agent, which is the newer order
    agent = replace(event("activated", 12, "agent", currency="JPY", price=Decimal(9_900)), order_id="ORD_2")
    home = customer(ACTIVE, agent)
    tokens, runs = card_of(home), card_of(home, "agent_runs")
    assert tokens.shop.pack is not None
    assert tokens.shop.next_plan is not None
    assert (tokens.shop.pack.amount, tokens.shop.next_plan.price) == (
        Money(Decimal(2), "USD"),
        Money(Decimal(199), "USD"),
    )
    assert tokens.price == ["$0.02 for each 1,000 begun"]
    assert runs.shop.pack is not None
    assert runs.shop.pack.amount == Money(Decimal(3_000), "JPY")
    assert runs.price == ["¥38 each"]


def test_the_plan_on_offer_is_the_one_that_the_link_sells() -> None:
    # Given an order that grants no tokens: its own next plan up is sold, not that of the free plan that governs tokens
    home = customer(event("activated", 10, "agent"))
    offered = card_of(home).shop.next_plan
    assert offered is not None
    assert offered.plan.key == "scale"


def add_ons(count: int, *events: LifecycleEvent) -> CustomerHome:
    """A customer with so many orders of an add-on, and others."""
    bought = (
        replace(event("activated", 12), order_id=f"ORD_X{n:02}", plan=WITH_ADD_ONS.plans["boost"]) for n in range(count)
    )
    return customer(*bought, *events)


@pytest.mark.parametrize(
    ("orders", "events", "is_offered"),
    [(14, (), True), (15, (), False), (19, (event("activated", 10, "starter"),), True)],
)
def test_point_14_no_button_leads_to_a_plan_that_would_find_no_place(
    orders: int, events: tuple[LifecycleEvent, ...], *, is_offered: bool
) -> None:
    # Given an open checkout of the next plan up
    home = add_ons(orders, *events)
    plan = "pro" if events else "starter"
    home = replace(home, checkouts=[a_checkout(kind="subscription", meter=None, plan=plan, quantity=Decimal(0))])
    # Then a meter and the list of payments lead to it, where its order finds a place
    shop = card_of(home, catalog=WITH_ADD_ONS).shop
    assert (shop.next_plan is not None, kind_of(shop.pack_url)) == (is_offered, "top_up")
    (row,) = payments(home, WITH_ADD_ONS, OFFERS, Language("en"), BASE, NOW)
    assert (row.state, kind_of(row.pay_url)) == ("open", "plan" if is_offered else None)


@pytest.mark.parametrize("kind", ["past_due", "canceling"])
def test_no_plan_is_offered_where_the_order_cannot_be_changed(kind: LifecycleKind) -> None:
    shop = card_of(customer(ACTIVE, event(kind, 12))).shop
    assert shop.next_plan is None
    assert kind_of(shop.pack_url) == "top_up"


def test_who_is_blocked_is_offered_nothing_but_to_pay_what_is_owed() -> None:
    owing = customer(ACTIVE, used=1_200_000, owed={"tokens": Money(Decimal("4.00"), "USD")})
    shop = card_of(with_tokens(owing, blocked="fraud check")).shop
    assert (shop.pack_url, shop.next_plan, kind_of(shop.owed_url)) == (None, None, "overage")


def test_a_meter_that_nobody_has_is_no_card_because_it_is_blocked() -> None:
    home = customer(ACTIVE)
    home = replace(home, balances=[replace(each, blocked="fraud check") for each in home.balances])
    assert 'id="meter-tokens"' in shown(home)
    assert "meter-agent_runs" not in shown(home)
    assert "0 left of 0" not in read(shown(home))


def test_what_is_owed_is_paid_whatever_the_present_plan_says() -> None:
    # Given runs that are owed of a plan that has ended
    home = customer(owed={"agent_runs": Money(Decimal("25.00"), "USD")})
    balances = [
        replace(each, overage_due=Decimal(100)) if each.meter == "agent_runs" else each for each in home.balances
    ]
    card = card_of(replace(home, balances=balances), "agent_runs")
    assert kind_of(card.shop.owed_url) == "overage"
    assert "Pay $25.00" in section(replace(home, balances=balances), "agent_runs")
    little = replace(home, balances=balances, owed={"agent_runs": Money(Decimal("0.25"), "USD")})
    assert card_of(little, "agent_runs").shop.owed_url is None


def a_cap(units: int) -> Limits:
    return Limits(spend_cap=SpendCap(Decimal(units)))


@pytest.mark.parametrize(
    ("used", "limits", "told", "tone"),
    [
        (900_000, Limits(), "Up to 500,000 more, charged afterwards", "warn"),
        (1_200_000, Limits(), "Up to 300,000 more, charged afterwards", "warn"),
        (1_500_000, Limits(), "Use has stopped Price", "bad"),
        (900_000, a_cap(50_000), "Up to 50,000 more", "warn"),
        (1_020_000, a_cap(50_000), "Up to 30,000 more", "warn"),
        (1_050_000, a_cap(50_000), "Use has stopped: your own limit is reached", "bad"),
        (1_200_000, a_cap(50_000), "Use has stopped: your own limit is reached", "bad"),
        (1_000_000, Limits(overage_cap=Decimal(0)), "Use has stopped Price", "bad"),
    ],
)
def test_what_is_left_beyond_the_plan_is_said_and_that_use_has_stopped(
    used: int, limits: Limits, told: str, tone: str
) -> None:
    home = with_tokens(customer(ACTIVE, used=used), limits=limits)
    assert told in section(home)
    assert card_of(home).tone == tone


@pytest.mark.parametrize("limits", [Limits(), a_cap(50_000)])
def test_the_way_to_the_limit_stands_apart_from_it(limits: Limits) -> None:
    html = shown(with_tokens(customer(ACTIVE), limits=limits))
    assert html.partition('<a href="/portal/limits/tokens"')[0].endswith(" ")


def test_what_a_hold_has_reserved_stops_nothing_for_good() -> None:
    home = customer(used=9_000)
    hold = Hold(Decimal(1_000), NOW + timedelta(minutes=5))
    card = card_of(with_tokens(home, holds={"h": hold}))
    assert (card.beyond, card.tone) == ("stops", "warn")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Policy("agent"), "Your plan includes none of this."),
        (Policy(None), "You have no plan that includes this."),
        (Policy.unpaid("pro"), "Nothing is included while a payment is overdue."),
    ],
)
def test_where_nothing_is_given_words_say_so_and_no_bar_is_full(policy: Policy, told: str) -> None:
    home = with_tokens(customer(used=500), policy=policy, grants=(), used=Decimal(500), used_before=Decimal(0))
    text = section(home)
    assert told in text
    assert "500 used so far" in text
    assert "0 left of 0" not in text
    assert "100%" not in text
    assert 'aria-label="Tokens: share that is used"' not in shown(home)


def test_units_without_a_plan_have_a_bar_and_the_plan_gives_nothing() -> None:
    text = section(with_tokens(customer(), policy=Policy("agent"), grants=(PACK,)))
    assert "60,000 left of 60,000" in text
    assert "Your plan gives Nothing" in text
    assert "Starts afresh" not in text


def test_packs_that_end_on_one_day_are_one_line_and_many_lines_are_folded() -> None:
    # Given thirty packs on ten days, and a gift that begins later
    packs = [
        replace(PACK, id=f"lot:{index}", expires_at=utc(f"2026-05-{1 + index // 3:02}T0{index % 3}:00:00"))
        for index in range(30)
    ]
    later = replace(GIFT, starts_at=utc("2026-04-02T00:00:00"), expires_at=utc("2026-04-20T00:00:00"))
    home = with_tokens(customer(ACTIVE), grants=(*customer(ACTIVE).balances[2].grants, *packs, later))
    extras = card_of(home).extras
    assert [(int(each.quantity), each.until and each.until.day) for each in extras][:2] == [(180_000, 1), (180_000, 2)]
    assert len(extras) == 11
    text = section(home)
    assert "Bought in advance 180,000 left, until May 5, 2026 Besides 6 more" in text
    assert "A gift: 5,000, from Apr 2, 2026 until Apr 20, 2026" in text


def test_one_unit_is_named_by_its_singular() -> None:
    one = customer(ACTIVE, used=1_000_001, owed={"tokens": Money(Decimal("0.02"), "USD")})
    assert "Beyond your plan 1 token, $0.02" in section(one)
    tokens = CATALOG.meters["tokens"]
    assert tokens.top_up is not None
    top_up = replace(tokens.top_up, quantity=Decimal("1.0"), prices={"USD": PerUnit(Decimal(1))})
    single = replace(CATALOG, meters={**CATALOG.meters, "tokens": replace(tokens, top_up=top_up)})
    view = SITE.view({"rawPath": "/portal", "headers": {}})
    pack = card_of(customer(ACTIVE), catalog=single)
    template = SITE.templates.from_string(
        '{% import "portal/parts.html" as parts %}{{ parts.pack_text(card, t, number, money) }}'
    )
    language = view.language
    assert (
        template.render(card=pack, t=language.words, number=language.number, money=language.money)
        == "Buy 1 token for $1.00"
    )


def test_all_is_used_only_where_nothing_is_left() -> None:
    assert "999,999 used · 99%" in section(customer(ACTIVE, used=999_999))
    assert "1,000,000 used · 100%" in section(customer(ACTIVE, used=1_000_000))


def test_the_price_of_use_beyond_the_plan_is_said_before_there_is_any() -> None:
    assert "Price of that $0.02 for each 1,000 begun" in section(customer(ACTIVE))
    scale = section(customer(event("activated", 10, "scale")))
    assert "Price of that Up to 1,000,000: $0.015 for 1,000 Up to 10,000,000: $0.012 for 1,000 Beyond" in scale
    # Where use stops there is none
    assert "Price of that" not in section(customer())


@pytest.mark.parametrize(
    ("price", "currency", "told"),
    [
        (PerUnit(Decimal("0.25")), "USD", ["$0.25 each"]),
        (PerUnit(Decimal("0.000002"), free_units=Decimal(1)), "USD", ["The first one is free", "$2.00 for 1,000,000"]),
        (PerUnit(Decimal(0), flat=Decimal(5)), "USD", ["free of charge, and $5.00 once"]),
        (PerUnit(Decimal("0.5")), "JPY", ["¥500 for 1,000"]),
        (Package(Decimal(1), Decimal(1)), "USD", ["$1.00 each, part of one included"]),
        (Package(Decimal(100), Decimal("1.5"), rounding="down"), "USD", ["$1.50 for each full 100"]),
        (Graduated((Tier(None, Decimal("0.1")),), Decimal(50)), "USD", ["The first 50 are free", "$0.10 each"]),
        (
            Volume((Tier(Decimal(10), Decimal(1)), Tier(None, Decimal("0.5"), Decimal(2)))),
            "USD",
            ["If it is up to 10 in all: $1.00 each", "If it is more: $0.50 each, and $2.00 once"],
        ),
    ],
)
def test_a_price_is_said_in_words(price: Price, currency: str, told: list[str]) -> None:
    assert price_texts(price, currency, Language("en")) == told
    assert price_texts(price, currency, Language("zh-Hans"))


# --- Charts --------------------------------------------------------------------------------------------------------


def a_balance(period: Period, days: dict[str, int], used: int, left: int = 1_000) -> Balance:
    grants = (Grant("plan", "plan", Decimal(used + left), Decimal(used + left), 50, period.start),)
    home = customer(ACTIVE).balances[2]
    kept = {day: Decimal(units) for day, units in days.items()}
    term = Term(None, period.start)
    return replace(home, term=term, period=period, days=kept, used=Decimal(used), grants=grants)


def test_a_chart_has_each_day_up_to_today_and_piles_them_up_to_the_limit() -> None:
    period = Period(utc("2026-12-28T09:00:00"), utc("2027-01-28T09:00:00"))
    chart = open_chart(a_balance(period, {"1229": 5, "0102": 7}, 12), utc("2027-01-03T12:00:00"))
    assert [bar.day.isoformat() for bar in chart.bars][::6] == ["2026-12-28", "2027-01-03"]
    assert [(int(bar.before), int(bar.used)) for bar in chart.bars] == [
        (0, 0),
        (0, 5),
        (5, 0),
        (5, 0),
        (5, 0),
        (5, 7),
        (12, 0),
    ]
    assert chart.adds_up
    assert [chart.used, chart.limit] == [12, 1_012]


def test_past_the_limit_it_stays_what_there_was() -> None:
    period = Period(START, END)
    chart = open_chart(a_balance(period, {"0315": 1_500}, 1_500, -500), NOW)
    assert chart.limit == 1_000


def after_a_plan(*uses: tuple[int, int]) -> tuple[Balance, list[ClosedPeriod]]:
    """Tokens of a customer whose plan ended on the 15th, and what closed: units used by day of March."""
    subscription = Subscription(CUSTOMER).learn(OrderFacts.of(ACTIVE))
    ended = subscription.learn(OrderFacts.of(event("canceled", 15)))
    default = Policy.of(CATALOG.default_plan, "tokens")
    change = open_following(CUSTOMER, "tokens", subscription, default, START, START)
    used = [(utc(f"2026-03-{day:02}T09:00:00"), Decimal(units)) for day, units in uses]
    balance = change.balance
    for at, units in (each for each in used if each[0].day < 15):
        balance = record_usage(balance, units, at)
    at = utc("2026-03-15T15:00:00")
    change, _ = follow(advance(balance, at, default), subscription, ended, default, {}, at)
    balance = change.balance
    for at, units in (each for each in used if each[0].day > 15):
        balance = record_usage(balance, units, at)
    return balance, list(change.closed)


def test_what_was_used_under_a_plan_that_has_ended_is_not_on_the_chart_of_the_next() -> None:
    balance, _ = after_a_plan((12, 250_000), (17, 600))
    chart = open_chart(balance, NOW)
    assert [balance.used_of_plan, chart.used, chart.limit] == [600, 600, 10_000]
    assert chart.bars[0].day.isoformat() == "2026-03-15"
    # Nor where nothing was used since
    chart = open_chart(after_a_plan((12, 250_000))[0], NOW)
    assert [chart.used, chart.limit] == [0, 10_000]


def test_the_days_before_belong_to_the_plan_that_has_ended() -> None:
    balance, closed = after_a_plan((12, 250_000), (17, 600))
    usage = CustomerUsage(balance, [], closed, [])
    assert [each.span.start.day for each in choices(usage)] == [15, 10]
    (before,) = earlier_charts(usage)
    chart = past_chart(before, closed)
    assert [chart.used, chart.limit] == [250_000, 1_000_000]
    assert chart.adds_up
    assert [bar.day.day for bar in chart.bars] == [10, 11, 12, 13, 14, 15]


def test_what_is_gone_of_a_plan_without_a_day_of_its_own_is_where_the_pile_begins() -> None:
    balance = replace(a_balance(Period(START, END), {"0315": 5}, 5), used_before=Decimal(-7))
    chart = open_chart(balance, NOW)
    assert chart.bars[0].before == 7
    assert chart.used == balance.used_of_plan == 12


@pytest.mark.parametrize(("plan", "limit"), [("agent", 5_000), ("older", None)])
def test_days_side_by_side_have_a_limit_where_one_plan_gave_it(plan: str, limit: int | None) -> None:
    home = customer(event("activated", 10, "agent"))
    requests = next(each for each in home.balances if each.meter == "requests")
    yesterday = Period(requests.period.start - timedelta(days=1), requests.period.start)
    chart = Chart(yesterday, yesterday.end, 2, days={"0319": Decimal(7)}, plan=plan)
    side_by_side = days_side_by_side(CustomerUsage(requests, [chart], [], []))
    assert side_by_side.limit == limit


def test_a_month_of_a_long_period_has_no_limit() -> None:
    year = Period(START, utc("2027-03-10T00:00:00"))
    assert open_chart(a_balance(year, {"0315": 5}, 5), NOW).limit is None


def a_closed_period(**changed: Any) -> ClosedPeriod:
    """A period of 100 units and 20 rolled over, of which 90 were used; segment 2."""
    fields: dict[str, Any] = {
        "period": Period(START, END),
        "since": None,
        "until": END,
        "closed_at": END,
        "segment": 2,
        "order_id": None,
        "line": LineKey(START, "pro"),
        "allowance": Decimal(100),
        "rolled": Decimal(20),
        "gone": Decimal(90),
        "left": Decimal(30),
        "passed": Decimal(0),
        "overage": Decimal(0),
    }
    return ClosedPeriod(**{**fields, **changed})


def test_an_earlier_period_has_what_was_used_besides_its_plan() -> None:
    closed = a_closed_period(gone=Decimal(100), overage=Decimal(40))
    middle = START + timedelta(days=15)
    charts = [
        Chart(Period(middle, END), END, 2, days={"0401": Decimal(60)}),
        Chart(Period(START, middle), middle, 2, days={"0315": Decimal(100)}),
        # Of other periods
        Chart(Period(END, END + timedelta(days=30)), END, 3, days={"0415": Decimal(7)}),
        Chart(Period(START, END), END, 1, days={"0315": Decimal(7)}),
    ]
    assert besides(closed, charts) == 20
    assert besides(closed, charts[2:]) == 0


def test_periods_in_which_nothing_happened_are_left_out_only_before_the_first_that_has_something() -> None:
    idle = a_closed_period(gone=Decimal(0))
    used, ordered = a_closed_period(), a_closed_period(gone=Decimal(0), order_id=ORDER)
    assert lived([idle, used, idle, idle], []) == [idle, used]
    assert lived([idle, ordered, idle], []) == [idle, ordered]
    assert lived([idle], []) == []
    assert lived([idle], [Chart(Period(START, END), END, 2, days={"0315": Decimal(1)})]) == [idle]


def test_an_earlier_chart_has_the_limit_of_its_time() -> None:
    period = Period(START, END)
    closed = a_closed_period()
    chart = Chart(period, END, 2, days={"0315": Decimal(90)})
    assert past_chart(chart, [closed]).limit == 120
    assert past_chart(chart, []).limit is None


# --- The session ---------------------------------------------------------------------------------------------------


def a_view(site: Site, destination: str) -> Any:
    return site.view({"headers": {"Sec-Fetch-Dest": destination}})


@pytest.mark.parametrize(
    ("site", "destination", "cookie"),
    [
        (Site(CATALOG.brand), "document", "__Host-portal=x; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"),
        (Site(CATALOG.brand), "iframe", "__Host-portal=x; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"),
        (
            Site(CATALOG.brand, ["https://a.example"]),
            "iframe",
            "__Host-portal=x; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None; Partitioned",
        ),
        (
            Site(CATALOG.brand, [], is_local=True),
            "document",
            "portal=x; Path=/portal; Max-Age=60; HttpOnly; SameSite=Lax",
        ),
    ],
)
def test_a_cookie_crosses_sites_only_in_a_frame_that_is_allowed(site: Site, destination: str, cookie: str) -> None:
    assert str(session_cookie(a_view(site, destination), "x", 60)) == cookie


def test_each_session_has_a_mark_of_its_own() -> None:
    def session(at: datetime) -> PortalSession:
        text, _ = make_token(TOKEN_KEYS, CUSTOMER, frozenset({"read"}), timedelta(hours=1), at)
        found = read_session(TOKEN_KEYS, text, NOW)
        assert isinstance(found, PortalSession)
        return found

    one, other = session(NOW), session(NOW)
    assert one.made(one.form_mark)
    assert not one.made(other.form_mark)
    assert not one.made("")
    assert not one.made("é")
    assert read_session(TOKEN_KEYS, "x" * 5_000, NOW) == "malformed"


@pytest.mark.parametrize(
    "event",
    [
        {"cookies": ["a=1", "portal=x=y"]},
        {"headers": {"Cookie": "a=1; portal=x=y"}},
        {"cookies": ["portal=x=y", "portal=z"]},
    ],
)
def test_cookies_are_read_from_where_they_are(event: dict[str, Any]) -> None:
    assert cookies_of(event)["portal"] == "x=y"
