"""Issue 16, point 2: the portal of one customer, from the door to each page, against a table."""

import re
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from pancake_meter.catalog import Catalog
from pancake_meter.catalog.model import METERS_MAX
from pancake_meter.domain.balance.limits import Limits, SpendCap
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.usage.usage_event import usage_event
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.selling.checkouts import list_checkouts, read_slot, write_new_checkout
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.balance.limits import LimitsWanted, limit
from pancake_meter.usecases.balance.operate import block_customer
from pancake_meter.usecases.balance.record_usage import record_events
from pancake_meter.usecases.selling.offer import Offers
from pancake_meter.usecases.selling.owed_overage import due_lines, read_owed
from pancake_meter.usecases.selling.purchase_link import read_link
from pancake_meter.value import replace
from pancake_pages.portal.meters import CHARTS_MAX
from tests.support.followed import SECRET, Reader, ToldTable
from tests.support.metered_dynamodb import metered
from tests.support.portal import BUY, HOST, LINK_SECRET, READ, Browser, Page, portal_deps
from tests.support.webhook_world import CUSTOMER, Document, World, event, lifecycle, payment, refund, utc

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = utc("2026-03-20T12:00:00")
ORDER = "ORD_1aB2cD3eF4gH5iJ6kL7mN8"
CAP = frozenset({"spend_cap"})


@pytest.fixture
def world(dynamodb: "DynamoDBClient", table: str) -> World:
    ours = Table(dynamodb, table, sleep=lambda _: None)
    return World(ours, NOW, erasures=Erasures(ours, lambda: "a key of the tests"))


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(portal_deps(world, NOW))


def subscribe(world: World, plan: str = "pro", amount: str = "29.00") -> None:
    begun = lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10", plan=plan, amount=amount)
    assert world.take(begun).verdict == "applied"
    paid = payment(ORDER, "PAY_1", "2026-03-10", amount=amount, productMetadata={"plan": plan})
    assert world.take(paid).verdict == "applied"


def use(world: World, units: int, day: int = 15) -> None:
    world.use(units, now=utc(f"2026-03-{day:02}T09:00:00"))


# --- The door ------------------------------------------------------------------------------------------------------


def test_a_token_becomes_a_session_that_lasts_as_long_as_the_token(browser: Browser) -> None:
    page = browser.enter(life=timedelta(minutes=15))
    assert (page.status, page.headers["Location"]) == (303, "/portal")
    (cookie,) = page.cookies
    assert cookie.startswith("__Host-portal=")
    assert cookie.split("; ")[1:] == ["Path=/", "Max-Age=900", "HttpOnly", "Secure", "SameSite=Lax"]
    assert browser.get("/portal").status == 200


def test_a_token_may_come_in_the_query_with_a_language(world: World, browser: Browser) -> None:
    browser.enter()
    token = browser.cookies["__Host-portal"]
    page = Browser(portal_deps(world, NOW)).get(f"/portal/enter?token={token}&lang=zh-Hans")
    assert (page.status, page.headers["Location"]) == (303, "/portal?lang=zh-Hans")


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 5000])
def test_what_is_no_token_opens_nothing(browser: Browser, token: str) -> None:
    page = browser.get(f"/portal/enter/{token}")
    assert (page.status, page.cookies) == (401, [])
    assert "open this page again" in page.text


@pytest.mark.parametrize("path", ["/portal", "/portal/payments", "/portal/usage/tokens", "/portal/limits/tokens"])
def test_without_a_session_each_page_says_how_to_come_back(browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert page.status == 401
    assert "Go back to where you came from" in page.text


def test_a_session_that_is_over_shows_nothing(world: World, browser: Browser) -> None:
    browser.enter(life=timedelta(minutes=15))
    later = Browser(portal_deps(world, NOW + timedelta(minutes=15)), cookies=browser.cookies)
    assert later.get("/portal").status == 401


def test_a_token_that_may_not_read_opens_nothing(browser: Browser) -> None:
    assert browser.enter(frozenset({"buy"})).status == 401


def test_an_erased_customer_is_refused_at_the_door_and_inside(world: World, browser: Browser) -> None:
    use(world, 10)
    browser.enter()
    assert world.erasures is not None
    erase_customer(world.erasures, CUSTOMER, NOW, may_go_on=lambda: True)
    for path in ("/portal", "/portal/payments", "/portal/usage/tokens", "/portal/limits/tokens"):
        assert browser.get(path).status == 401
    assert Browser(portal_deps(world, NOW)).enter().status == 401


def test_signing_out_takes_the_session_away(browser: Browser) -> None:
    browser.enter()
    page = browser.fill("/portal", "/portal/leave")
    assert page.status == 200
    assert "Max-Age=0" in page.cookies[0]
    assert browser.get("/portal").status == 401


def test_the_page_that_says_so_is_there_in_the_other_language_too(browser: Browser) -> None:
    browser.enter()
    left = browser.fill("/portal", "/portal/leave")
    (other,) = re.findall(r'href="([^"]*)" hreflang="zh-Hans"', left.html)
    page = browser.get(other)
    assert (page.status, "您已退出" in page.text) == (200, True)
    # An address ends no session
    browser.enter()
    assert browser.get("/portal/leave").headers["Location"] == "/portal"
    assert browser.get("/portal").status == 200


def test_pages_with_a_message_lead_back_to_the_portal_and_say_so(browser: Browser) -> None:
    browser.enter(READ)
    mark = browser.get("/portal").form("/portal/leave")
    pages = (
        browser.get("/portal/usage/coffee"),
        browser.get("/portal/nothing/here"),
        browser.get("/portal/limits/tokens"),
        browser.post("/portal/leave", {}),
        browser.post("/portal/leave", {**mark, **{f"field_{number}": "x" for number in range(60)}}),
    )
    assert [page.status for page in pages] == [404, 404, 403, 403, 400]
    for page in pages:
        assert '<a class="button quiet" href="/portal">Back to your account</a>' in page.html
    # Where there is no session it would lead nowhere.
    assert 'href="/portal"' not in Browser(browser.deps).get("/portal").html


def test_head_is_answered_as_get_without_the_page(browser: Browser) -> None:
    assert browser._ask("HEAD", "/portal", "", {}).status == 401
    browser.enter()
    for path, status in (("/portal", 200), ("/portal/payments", 200), ("/portal/usage/coffee", 404)):
        page, head = browser.get(path), browser._ask("HEAD", path, "", {})
        assert (head.status, head.html) == (status, "")
        assert head.headers == page.headers
    assert browser._ask("HEAD", "/portal/leave", "", {}).status == 303


def test_a_slash_at_the_end_leads_to_the_home(browser: Browser) -> None:
    page = browser.get("/portal/")
    assert (page.status, page.headers["Location"]) == (303, "/portal")


def test_a_page_of_the_seller_may_frame_the_portal_and_no_other(world: World) -> None:
    framed = Browser(portal_deps(world, NOW, None, None, "https://app.example.com"))
    page = framed.enter(sec_fetch_dest="iframe")
    assert "SameSite=None; Partitioned" in page.cookies[0]
    home = framed.get("/portal", sec_fetch_dest="iframe")
    assert "frame-ancestors 'self' https://app.example.com;" in home.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in home.headers
    # Opened by itself its cookie does not cross sites.
    assert "SameSite=Lax" in framed.enter(sec_fetch_dest="document").cookies[0]
    # Without origins nobody frames it.
    alone = Browser(portal_deps(world, NOW))
    assert "SameSite=Lax" in alone.enter(sec_fetch_dest="iframe").cookies[0]
    assert alone.get("/portal").headers["X-Frame-Options"] == "DENY"


# --- Home ----------------------------------------------------------------------------------------------------------


def test_home_takes_four_requests_whatever_there_is(world: World, browser: Browser, dynamodb: "DynamoDBClient") -> None:
    # Given a customer with overage of two periods, a plan, a pack, a trial elsewhere, checkouts
    subscribe(world)
    use(world, 1_200_000)
    world.take(lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2))
    later = utc("2026-04-20T12:00:00")
    world.use(1_100_000, now=utc("2026-04-18T09:00:00"))
    late = Browser(portal_deps(world, later))
    late.enter()
    # When
    with metered(dynamodb) as asked:
        page = late.get("/portal")
    # Then
    assert page.status == 200
    assert len(asked.operations) <= 4, asked.operations
    assert sorted(asked.operations) == ["BatchGetItem", "Query", "Query", "Query"]
    # And what is owed is what a checkout would ask for
    owed = read_owed(world.metering, CUSTOMER, "tokens", "USD", later)
    assert f"Pay ${owed.total.quantize(Decimal('0.01'))}" in page.text


def test_home_takes_four_requests_where_a_paid_term_has_lapsed_with_overage(
    world: World, browser: Browser, dynamodb: "DynamoDBClient"
) -> None:
    subscribe(world)
    use(world, 1_200_000)
    late = Browser(portal_deps(world, utc("2026-06-20T12:00:00")))
    late.enter()
    with metered(dynamodb) as asked:
        page = late.get("/portal")
    assert page.status == 200
    assert len(asked.operations) <= 4, asked.operations
    assert "Beyond your plan 200,000 units, $4.00" in page.text


def test_home_takes_four_requests_however_many_payments_there_are(world: World, dynamodb: "DynamoDBClient") -> None:
    # Given overage, and packs that were paid, paid twice and refunded
    subscribe(world)
    use(world, 1_200_000)
    for number in range(3):
        pack = a_pack(f"chk_{number}")
        assert write_new_checkout(world.table, pack, read_slot(world.table, CUSTOMER, "top_up", "tokens"))
        world.take(paid_pack(pack.id, f"PAY_{number}1", f"ORD_{number}1"))
        world.take(paid_pack(pack.id, f"PAY_{number}2", f"ORD_{number}2"))
    world.take(refund("ORD_01", "PAY_01", "REF_1", "2026-03-20", amount="3.30", of="3.30"))
    browser = Browser(portal_deps(world, NOW + timedelta(minutes=1)))
    browser.enter()
    # When
    with metered(dynamodb) as asked:
        home = browser.get("/portal")
    # Then
    assert len(asked.operations) <= 4, asked.operations
    assert "Tokens: 100,000 in advance" in home.text
    # And each payment is there, with its tax, its flag and its refund
    page = browser.get("/portal/payments").text
    assert [page.count(f"PAY_{number}{which}") for number in range(3) for which in (1, 2)] == [1] * 6
    assert "PAY_01 $3.30 Refunded" in page
    assert "PAY_11 $3.30 Paid" in page
    assert "PAY_12 $3.30 Being checked" in page


def a_pack(checkout_id: str) -> Checkout:
    price, opened = Money(Decimal("3.00"), "USD"), NOW - timedelta(minutes=30)
    units, ends = Decimal(100_000), NOW + timedelta(minutes=30)
    return Checkout(checkout_id, CUSTOMER, "top_up", "tokens", None, units, price, "open", opened, ends)


def paid_pack(checkout_id: str, payment_id: str, order_id: str) -> Document:
    price = {"total": "3.30", "subtotal": "3.00", "taxAmount": "0.30"}
    money = {"listPrice": price, "amount": "3.30", "chargedAmount": "3.30", "paymentId": payment_id}
    named = {"productName": "Usage", "productMetadata": {"kind": "usage"}, "orderMerchantExternalId": checkout_id}
    return event("order.completed", order_id, "2026-03-20", payment_id, **money, **named)


BYTES_MAX = 150_000
METERS = [f"meter_{number:02}" for number in range(METERS_MAX)]


def with_many_meters(catalog: Catalog) -> Catalog:
    """As many meters as a catalog may have, all of them in Pro."""
    meters = {key: replace(catalog.meters["tokens"], key=key, name=f"{key}: prompts and answers") for key in METERS}
    pro = catalog.plans["pro"]
    allowances = {key: replace(pro.allowances["tokens"], meter=key) for key in METERS}
    plans = {
        "pro": replace(pro, allowances=allowances),
        "scale": replace(catalog.plans["scale"], allowances=allowances),
    }
    return replace(catalog, meters=meters, plans=plans, default_plan_key=None, llm_calls=None, event_mappings=())


def test_home_with_as_many_meters_as_there_may_be_keeps_its_budgets(world: World, dynamodb: "DynamoDBClient") -> None:
    # Given fifty meters, each of them used, one beyond its plan
    many = replace(world, catalog=with_many_meters(world.catalog))
    subscribe(many)
    for number, meter in enumerate(METERS):
        many.use(1_200_000 if number == 0 else 123_456, meter, now=utc("2026-03-15T09:00:00"))
    late = Browser(portal_deps(many, utc("2026-04-09T12:00:00")))
    late.enter()
    # When
    with metered(dynamodb) as asked:
        page = late.get("/portal", accept_encoding="gzip, br")
    # Then
    assert (page.status, page.headers["Content-Encoding"]) == (200, "gzip")
    assert page.text.count("123,456 used") == METERS_MAX - 1
    assert sorted(asked.operations) == ["BatchGetItem", "Query", "Query", "Query"]
    assets = late.deps.site.assets
    named = [assets.find(name) for name in re.findall(r'(?:src|href)="/assets/([^"]*)"', page.html)]
    loaded = sum(len(asset.compressed) for asset in named if asset is not None)
    assert page.size + loaded < BYTES_MAX
    # And it is small for one who takes no gzip: a chart of each meter is behind its own page
    assert page.html.count("data-chart") == CHARTS_MAX
    assert late.get("/portal").size < BYTES_MAX


@pytest.mark.parametrize(
    ("accepted", "is_compressed"), [("gzip", True), ("br;q=1, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False)]
)
def test_a_page_is_compressed_where_the_browser_takes_that(
    browser: Browser, accepted: str, *, is_compressed: bool
) -> None:
    browser.enter()
    page = browser.get("/portal", accept_encoding=accepted)
    assert ("Content-Encoding" in page.headers) == is_compressed
    assert "10,000 left of 10,000" in page.text


def test_what_is_owed_of_a_plan_that_has_ended_is_paid_from_home_and_from_a_refusal(
    world: World, browser: Browser
) -> None:
    # Given an agent who used 100 runs beyond the plan, and then ended it
    bought = lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10", plan="agent", amount="99.00")
    assert world.take(bought).verdict == "applied"
    world.use(600, "agent_runs", now=utc("2026-03-15T09:00:00"))
    world.take(lifecycle("canceled", ORDER, "2026-03-18", "2026-03-10", "2026-04-10", plan="agent"))
    # When
    browser.enter()
    page = browser.get("/portal")
    # Then
    assert "Beyond your plan 100 units, $25.00" in page.text
    assert "Pay $25.00" in page.text
    # And a refusal sells it too, where there is no pack to sell
    balance = world.metering.current_balance(CUSTOMER, "agent_runs", NOW)
    catalog = replace(
        world.catalog, meters={key: replace(each, top_up=None) for key, each in world.catalog.meters.items()}
    )
    offers = Offers(catalog, "test", lambda: LINK_SECRET, due_lines=partial(due_lines, world.table))
    sold = offers.links(balance, f"https://{HOST}", NOW)["purchase_url"]
    assert read_link(LINK_SECRET, sold.rpartition("/")[2], NOW).kind == "overage"


def test_home_of_a_stranger_shows_the_free_plan_and_writes_nothing(
    world: World, browser: Browser, dynamodb: "DynamoDBClient"
) -> None:
    browser.enter()
    with metered(dynamodb) as asked:
        page = browser.get("/portal")
    assert set(asked.operations) <= {"BatchGetItem", "Query"}
    assert "10,000 left of 10,000" in page.text
    assert "You have no subscription" in page.text
    assert world.meters() == []


def test_home_shows_what_is_left_and_when_it_starts_afresh(world: World, browser: Browser) -> None:
    subscribe(world)
    use(world, 250_000)
    browser.enter()
    page = browser.get("/portal")
    assert "750,000 left of 1,000,000" in page.text
    assert "250,000 used · 25%" in page.text
    assert "Starts afresh on Apr 10, 2026" in page.text
    assert 'value="250000"' in page.html
    assert 'data-limit="1000000"' in page.html
    # The day is in the table that the chart is drawn from.
    assert (
        '<th scope="row">Mar 15</th><td class="number" data-value="0">0</td><td class="number" data-value="250000">'
        in (page.html)
    )
    assert "Pro Active Renews on Apr 10, 2026" in page.text
    assert "Pro, subscription PAY_1 $29.00 Paid" in page.text
    assert "Scale: 10,000,000 per billing period · $199.00 a month" in page.text


def test_links_to_buy_are_made_for_this_customer(world: World, browser: Browser) -> None:
    subscribe(world)
    browser.enter()
    page = browser.get("/portal")
    links = {
        (link.customer_id, link.kind, link.meter)
        for link in (
            read_link(LINK_SECRET, part.partition('"')[0], NOW)
            for part in page.html.split(f'href="https://{HOST}/buy/')[1:]
        )
    }
    assert links == {
        (CUSTOMER, "top_up", "tokens"),
        (CUSTOMER, "plan", "tokens"),
        (CUSTOMER, "top_up", "agent_runs"),
    }


def test_a_token_that_only_reads_sees_no_button_and_does_nothing(world: World, browser: Browser) -> None:
    subscribe(world)
    browser.enter(BUY)
    marked = browser.get("/portal").form("/portal/leave")
    browser.enter(READ)
    page = browser.get("/portal")
    assert page.status == 200
    assert "/buy/" not in page.html
    assert "/portal/limits" not in page.html
    assert "/portal/subscriptions" not in page.html
    marked = page.form("/portal/leave")
    cancel = f"/portal/subscriptions/{ORDER}/cancel"
    for asked in (
        browser.get("/portal/limits/tokens"),
        browser.get(cancel),
        browser.post("/portal/limits/tokens", {**marked, "amount": "5", "of": "USD"}),
        browser.post(cancel, marked),
    ):
        assert asked.status == 403
    assert world.metering.current_balance(CUSTOMER, "tokens", NOW).limits.spend_cap is None


def test_a_customer_sees_nothing_of_another(world: World, browser: Browser) -> None:
    subscribe(world)
    use(world, 250_000)
    browser.enter(customer_id="acct_2002")
    home = browser.get("/portal")
    assert CUSTOMER not in home.text
    assert "10,000 left of 10,000" in home.text
    assert "PAY_1" not in browser.get("/portal/payments").text
    assert "250,000" not in browser.get("/portal/usage/tokens").text
    assert browser.get(f"/portal/subscriptions/{ORDER}/cancel").status == 404


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("past_due", {}, "Payment overdue"),
        ("canceling", {}, "Pro ends on Apr 10, 2026"),
    ],
)
def test_home_says_how_the_subscription_stands(
    world: World, browser: Browser, kind: str, data: dict[str, Any], said: str
) -> None:
    subscribe(world)
    world.take(lifecycle(kind, ORDER, "2026-03-18", "2026-03-10", "2026-04-10", plan="pro", **data))
    browser.enter()
    assert said in browser.get("/portal").text


# --- Usage and payments --------------------------------------------------------------------------------------------


def test_earlier_periods_are_chosen_by_the_address(world: World) -> None:
    subscribe(world)
    use(world, 300_000)
    world.take(lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2))
    later = utc("2026-04-20T12:00:00")
    world.use(70_000, now=utc("2026-04-18T09:00:00"))
    browser = Browser(portal_deps(world, later))
    browser.enter()
    now = browser.get("/portal/usage/tokens")
    assert "70,000 used" in now.text
    (_, earlier) = [each.partition('"')[0] for each in now.html.split('<option value="')[1:]]
    before = browser.get(f"/portal/usage/tokens?period={earlier}")
    assert "Apr 10, 2026 300,000 used" in before.text
    assert 'data-limit="1000000"' in before.html
    assert "300,000 used" in before.text.partition("What happened")[2]
    for unknown in ("/portal/usage/tokens?period=2020-01-01T00:00:00.000Z.1", "/portal/usage/coffee"):
        assert browser.get(unknown).status == 404


def test_no_period_is_listed_of_the_time_before_the_customer_came(world: World, browser: Browser) -> None:
    subscribe(world)
    use(world, 300_000)
    browser.enter()
    assert "Earlier periods" not in browser.get("/portal/usage/tokens").text
    # And later none but the customer's own
    world.take(lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", plan="pro", number=2))
    later = Browser(portal_deps(world, utc("2026-04-20T12:00:00")))
    later.enter()
    table = later.get("/portal/usage/tokens").text.partition("Earlier periods")[2].partition("What happened")[0]
    assert "Apr 10, 2026 Pro 1,000,000 300,000" in table
    assert "Free" not in table


def test_the_usage_page_says_what_a_period_was_made_of_and_the_rest_is_not_known(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    # Given usage of more models than have columns, on two days, some of it of nobody knows what
    told = ToldTable(dynamodb, table)
    world = World(told, NOW, erasures=Erasures(told, lambda: SECRET))
    browser = Browser(portal_deps(world, NOW))
    browser.enter()
    yesterday = NOW - timedelta(days=1)
    models = [
        ("<b>large</b>", 400),
        ("m2", 300),
        ("m3", 200),
        ("m4", 100),
        ("m5", 50),
        ("m6", 20),
        ("m7", 10),
        (None, 120),
    ]
    for at in (yesterday, NOW):
        events = [
            usage_event(f"{at:%d}-{n}", Decimal(units), None, at).made_of(model, "my-app" if n < 2 else None)
            for n, (model, units) in enumerate(models)
        ]
        record_events(world.metering, CUSTOMER, "tokens", events, at)
    # Then the page says nothing before the stream is read
    assert "By model" not in browser.get("/portal/usage/tokens").text
    Reader(dynamodb, told, table, lambda: NOW).follow()
    page = browser.get("/portal/usage/tokens")
    # And then each day's parts add up to its units, in the tables that charts are drawn from
    (by_day, by_model, by_source) = rows_of_figures(page)
    used = [row[-1] for row in by_day]
    assert sum(used) == 2400
    assert [sum(row) for row in by_model] == used
    assert [sum(row) for row in by_source] == used
    assert by_model[-1] == [400, 300, 200, 100, 50, 30, 120]
    assert by_source[-1] == [700, 500]
    assert "Model Used Share <b>large</b> 800 33% m2 600 25%" in page.text
    assert "Other 60 2% Not known 240 10%" in page.text
    assert "&lt;b&gt;large&lt;/b&gt;" in page.html
    # And in the other language too
    assert "按模型" in browser.get("/portal/usage/tokens?lang=zh-Hans").text


def rows_of_figures(page: Page) -> list[list[list[int]]]:
    """Return the figures of each chart's table, row by row."""
    figures = re.findall(r"<figure.*?</figure>", page.html, re.DOTALL)
    rows = [re.findall(r"<tr>(.*?)</tr>", figure, re.DOTALL) for figure in figures]
    return [
        [[int(value) for value in re.findall(r'data-value="(\d+)"', row)] for row in each if "data-value" in row]
        for each in rows
    ]


def test_payments_have_states_and_open_ones_can_be_paid(world: World, browser: Browser) -> None:
    subscribe(world)
    browser.enter()
    page = browser.get("/portal/payments")
    assert "Mar 10, 2026 Pro, subscription PAY_1 $29.00 Paid" in page.text
    assert list_checkouts(world.table, CUSTOMER, limit=1) == ([], None)


# --- The customer's own limit --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "cap", "shown"),
    [
        ({"amount": "20", "of": "USD"}, SpendCap(Decimal(1_000_000), Money(Decimal(20), "USD")), "$20.00 a period"),
        ({"amount": "5000", "of": "units"}, SpendCap(Decimal(5_000)), "5,000 units a period"),
        ({"amount": "\uff15,000", "of": "units"}, SpendCap(Decimal(5_000)), "5,000 units a period"),
        ({"amount": "1", "of": "units"}, SpendCap(Decimal(1)), "1 token a period"),
    ],
)
def test_a_customer_sets_and_removes_a_limit(
    world: World, browser: Browser, fields: dict[str, str], cap: SpendCap, shown: str
) -> None:
    subscribe(world)
    browser.enter()
    where = "/portal/limits/tokens"
    page = browser.fill(where, where, fields)
    assert (page.status, page.headers["Location"]) == (303, "/portal")
    assert world.metering.current_balance(CUSTOMER, "tokens", NOW).limits.spend_cap == cap
    assert shown in (said := browser.get("/portal")).text
    assert "Your limit is set" in said.text
    assert "Your limit is set" not in browser.get("/portal").text
    removed = browser.fill(where, where, {"do": "remove"})
    assert removed.headers["Location"] == "/portal"
    assert "Your limit is gone" in browser.get("/portal").text
    assert world.metering.current_balance(CUSTOMER, "tokens", NOW).limits.spend_cap is None


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "", "of": "USD"},
        {"amount": "lots", "of": "USD"},
        {"amount": "20.505", "of": "USD"},
        {"amount": "-1", "of": "units"},
        {"amount": "9" * 30, "of": "units"},
        {"amount": "20", "of": "XXX"},
        {"amount": "20", "of": "EUR"},
        {"amount": "20", "of": ""},
        {"amount": "20"},
        {"amount": "1,5", "of": "USD"},
    ],
)
def test_what_is_no_limit_is_said_beside_the_field_and_sets_none(
    world: World, browser: Browser, fields: dict[str, str]
) -> None:
    subscribe(world)
    browser.enter()
    page = browser.fill("/portal/limits/tokens", "/portal/limits/tokens", fields)
    assert page.status == 422
    assert 'role="alert"' in page.html
    assert world.metering.current_balance(CUSTOMER, "tokens", NOW).limits.spend_cap is None


def test_a_limit_is_counted_in_the_currency_of_the_order_that_governs_the_meter(world: World, browser: Browser) -> None:
    subscribe(world)
    bought = lifecycle("activated", "ORD_2", "2026-03-12", "2026-03-12", "2026-04-12", plan="agent", currency="JPY")
    world.take(bought)
    browser.enter()
    for meter, currency in (("tokens", "USD"), ("agent_runs", "JPY")):
        assert f'<option value="{currency}" selected>' in browser.get(f"/portal/limits/{meter}").html


def test_the_operator_s_limits_stay_where_a_customer_sets_one(world: World, browser: Browser) -> None:
    subscribe(world)
    own = LimitsWanted(Limits(overage_cap=Decimal(7)), frozenset({"overage_cap"}))
    limit(world.metering, CUSTOMER, "tokens", own, NOW, by="operator")
    browser.enter()
    browser.fill("/portal/limits/tokens", "/portal/limits/tokens", {"amount": "5", "of": "USD"})
    limits = world.metering.current_balance(CUSTOMER, "tokens", NOW).limits
    assert limits.overage_cap == Decimal(7)
    assert limits.spend_cap is not None


# --- Forms of others -----------------------------------------------------------------------------------------------


def attempts(browser: Browser) -> list[Page]:
    where = "/portal/limits/tokens"
    fields = {**browser.get(where).form(where), "amount": "5", "of": "USD"}
    other = Browser(browser.deps)
    other.enter()
    foreign = other.get(where).form(where)["form"]
    bare = {name: value for name, value in fields.items() if name != "form"}
    return [
        browser.post(where, bare),
        browser.post(where, {**fields, "form": "0" * 64}),
        browser.post(where, {**fields, "form": foreign}),
        browser.post(where, fields, sec_fetch_site="cross-site"),
        browser.post(where, fields, sec_fetch_site="same-site"),
        browser.post(where, fields, sec_fetch_site="none"),
    ]


def test_a_form_that_no_page_of_the_session_has_sent_changes_nothing(world: World, browser: Browser) -> None:
    subscribe(world)
    browser.enter(life=timedelta(minutes=59))
    for page in attempts(browser):
        assert page.status == 403
    assert world.metering.current_balance(CUSTOMER, "tokens", NOW).limits.spend_cap is None


def test_an_old_browser_is_believed_by_its_origin(world: World, browser: Browser) -> None:
    subscribe(world)
    browser.enter()
    where = "/portal/limits/tokens"
    fields = {**browser.get(where).form(where), "amount": "5", "of": "USD"}

    def sent(**headers: str) -> int:
        return browser._ask(
            "POST", where, "&".join(f"{name}={value}" for name, value in fields.items()), headers
        ).status

    assert (sent(), sent(origin="https://evil.example")) == (403, 403)
    assert sent(origin=f"https://{HOST}") == 303
    # Chromium on plain http: our pages send no referrer, so the origin is withheld too.
    assert sent(origin="null") == 303
    # The mark decides then, and where Sec-Fetch-Site is there, it does.
    assert sent(origin="null", sec_fetch_site="cross-site") == 403
    fields["form"] = "0" * 64
    assert sent(origin="null") == 403


def test_an_old_browser_behind_a_proxy_is_believed_by_the_public_address(world: World) -> None:
    subscribe(world)
    deps = portal_deps(world, NOW)
    browser = Browser(replace(deps, shop=replace(deps.shop, public_base_url="http://127.0.0.1:8080")))
    browser.enter()
    where = "/portal/limits/tokens"
    body = urlencode({**browser.get(where).form(where), "amount": "5", "of": "USD"})
    assert browser._ask("POST", where, body, {"origin": "http://127.0.0.1:9090"}).status == 403
    assert browser._ask("POST", where, body, {"origin": "http://127.0.0.1:8080"}).status == 303


def test_reading_changes_nothing(world: World, browser: Browser, dynamodb: "DynamoDBClient") -> None:
    subscribe(world)
    browser.enter()
    with metered(dynamodb) as asked:
        for path in (
            "/portal",
            "/portal/payments",
            "/portal/usage/tokens",
            "/portal/limits/tokens",
            f"/portal/subscriptions/{ORDER}/cancel",
        ):
            assert browser.get(path).status == 200
    assert set(asked.operations) <= {"GetItem", "BatchGetItem", "Query"}


def test_pages_speak_chinese(world: World) -> None:
    subscribe(world)
    use(world, 250_000)
    browser = Browser(portal_deps(world, NOW), "zh-CN")
    browser.enter()
    page = browser.get("/portal")
    assert 'lang="zh-Hans"' in page.html
    assert "750,000 剩余" in page.text
    assert "续订日期 2026年4月10日" in page.text


def test_a_blocked_customer_is_told(world: World, browser: Browser) -> None:
    use(world, 10)
    block_customer(world.metering, CUSTOMER, "fraud check", NOW, by="operator")
    browser.enter()
    page = browser.get("/portal")
    assert "Access is paused" in page.text
    assert "fraud check" not in page.text
