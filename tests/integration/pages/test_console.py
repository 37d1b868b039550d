"""The seller's console, page by page, on a real table engine (issue 16, point 3)."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient

import operator_console
from pancake_meter.deps.access import AccessDeps
from pancake_meter.deps.alert_endpoints import AlertsDeps
from pancake_meter.deps.checkout import CheckoutDeps
from pancake_meter.deps.waffo_actions import WaffoActionsDeps
from pancake_meter.domain.access.role import ROLES, Role
from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.usage.made_of import MadeOf, Parts
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.alerts.alerts import put_alert
from pancake_meter.store.balance.balances import read_balance, read_ledger
from pancake_meter.store.balance.made_of import Day, DayMadeOf, day_write
from pancake_meter.store.table import Table
from pancake_meter.store.usage.parked_usage import ParkedUsage, mark_counted, park, read_parked
from pancake_meter.usecases.access.manage_keys import create_key, revoke_key
from pancake_meter.usecases.alerts.endpoints import Addresses, Endpoints
from pancake_meter.usecases.alerts.signing import SigningKeys
from pancake_meter.usecases.balance.grants import held_grants
from pancake_meter.usecases.selling.act_on_order import Acting
from pancake_meter.usecases.selling.open_checkout import Selling
from pancake_meter.usecases.selling.purchase_link import read_link
from pancake_meter.usecases.selling.refund_payment import Refunding
from pancake_meter.waffo.client import WaffoClient
from pancake_pages.deps.operator_console import OperatorConsoleDeps
from pancake_pages.site import Site
from tests.support.console import Browser, Page
from tests.support.fake_waffo import FakeWaffo
from tests.support.fifo import FakeFifo
from tests.support.token_keys import TOKEN_KEYS
from tests.support.webhook_world import CUSTOMER, STORE_ID, World, lifecycle, payment

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LINK_SECRET = "a secret of purchase links, long enough"
OPERATE: frozenset[Role] = frozenset({"operate"})
HOME = f"/console/customers/{CUSTOMER}"


class Seller:
    """A stack, and operators at its console."""

    def __init__(self, table: Table, waffo: WaffoClient | None = None) -> None:
        self.now = NOW
        self.table = table
        erasures = Erasures(table, lambda: "a secret of pseudonyms")
        self.world = World(table, NOW, erasures=erasures)
        waffo = waffo or FakeWaffo().client(lambda: self.now)
        selling = Selling(self.world.metering, waffo, "test", None, STORE_ID)
        endpoints = Endpoints(
            table, SigningKeys(lambda: json.dumps({"current": "1", "1": "k" * 64})), Addresses(is_local=True)
        )

        def clock() -> datetime:
            return self.now

        self.queue = FakeFifo(clock)
        self.deps = OperatorConsoleDeps(
            AccessDeps(table, "test", TOKEN_KEYS, clock, erasures=erasures),
            CheckoutDeps(selling, lambda: LINK_SECRET, clock),
            WaffoActionsDeps(
                Refunding(table, erasures, waffo), Acting(table, erasures, waffo, "test", STORE_ID), clock
            ),
            AlertsDeps(endpoints, self.queue.queue, clock),
            Site(self.world.catalog.brand),
            None,
            clock,
        )

    def key(self, roles: frozenset[Role] = frozenset(ROLES), name: str = "ada at the desk") -> str:
        return create_key(self.table, "test", name, roles, None, self.now).text

    def browser(self) -> Browser:
        return Browser(operator_console.handler, self.deps)

    def signed_in(self, roles: frozenset[Role] = frozenset(ROLES)) -> Browser:
        browser = self.browser()
        assert browser.sign_in(self.key(roles)).status == 200
        return browser

    def subscribe(self) -> None:
        self.world.take(lifecycle("activated", "ORD_1", "2026-03-02", "2026-03-01", "2026-04-01"))
        self.world.take(payment("ORD_1", "PAY_1", "2026-03-02"))

    def ledger(self) -> list[tuple[str, str | None]]:
        return [(each.cause, each.by) for each in read_ledger(self.table, CUSTOMER, "tokens", limit=20)]


class Counted(list[str]):
    """Requests to DynamoDB, by operation."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    asked = Counted()
    send = vars(BaseClient)["_make_api_call"]

    def noted(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        asked.append(operation)
        return send(client, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return asked


@pytest.fixture
def seller(dynamodb: "DynamoDBClient", table: str) -> Seller:
    return Seller(Table(dynamodb, table, sleep=lambda _: None))


def is_sign_in(page: Page) -> bool:
    return any(form.action == "/console/sign-in" for form in page.forms)


def test_without_a_session_every_page_leads_to_the_sign_in_and_back_to_the_page_asked_for(seller: Seller) -> None:
    browser = seller.browser()
    asked = browser.get("/console/deliveries?verdict=parked", follow=False)
    assert (asked.status, asked.headers["Location"]) == (
        303,
        "/console/sign-in?to=%2Fconsole%2Fdeliveries%3Fverdict%3Dparked",
    )
    page = browser.sign_in(seller.key(), "/console/deliveries?verdict=parked")
    assert (page.status, page.path) == (200, "/console/deliveries?verdict=parked")


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/console",
        "//evil.example",
        "///console/x",
        "/v1/keys",
        "/console/../x",
        "/console\\@evil",
        "x" * 3000,
    ],
)
def test_a_sign_in_leads_nowhere_but_into_the_console(seller: Seller, to: str) -> None:
    browser = seller.browser()
    form = browser.get("/console/sign-in").form("/sign-in")
    assert browser.send(form, key=seller.key(), to=to, follow=False).headers["Location"] == "/console"


def test_the_session_is_a_cookie_that_no_script_reads_and_only_the_console_gets(seller: Seller) -> None:
    browser = seller.browser()
    form = browser.get("/console/sign-in").form("/sign-in")
    event_cookies: list[str] = []
    handler = browser.handler

    def kept(*given: Any) -> Any:
        answer = handler(*given)
        event_cookies.extend(answer.get("cookies") or ())
        return answer

    browser.handler = kept
    browser.send(form, key=seller.key(), follow=False)
    (cookie,) = event_cookies
    assert {"Path=/console", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=28800"} <= set(cookie.split("; "))


def test_only_a_live_operator_s_key_of_this_stack_opens_the_console(seller: Seller) -> None:
    keys = {
        "nonsense": "pm_test_nonsense",
        "other mode": create_key(seller.table, "live", "live", OPERATE, None, NOW).text,
        "no role": seller.key(frozenset({"meter", "sell", "report"})),
        "revoked": seller.key(),
        "expired": create_key(seller.table, "test", "old", OPERATE, NOW + timedelta(minutes=1), NOW).text,
    }
    revoke_key(
        seller.table, next(k.id for k in _keys(seller) if k.name == "ada at the desk" and "admin" in k.roles), NOW
    )
    seller.now = NOW + timedelta(minutes=2)
    for why, key in keys.items():
        browser = seller.browser()
        page = browser.sign_in(key)
        assert (page.status, is_sign_in(page), browser.cookies) == (403, True, {}), why
        assert key not in page.body


def _keys(seller: Seller) -> Any:
    from pancake_meter.store.access.api_keys import list_api_keys  # noqa: PLC0415

    return list_api_keys(seller.table, limit=50).keys


def test_a_session_is_over_after_an_hour_without_use_and_after_eight_hours_in_any_case(seller: Seller) -> None:
    browser = seller.signed_in()
    for _ in range(9):
        seller.now += timedelta(minutes=50)
        assert not is_sign_in(browser.get("/console/customers"))
    seller.now = NOW + timedelta(hours=8)
    assert is_sign_in(browser.get("/console/customers"))
    idle = seller.signed_in()
    seller.now += timedelta(hours=1)
    assert is_sign_in(idle.get("/console/customers"))


def test_an_overview_that_is_left_open_does_not_keep_a_session_alive(seller: Seller) -> None:
    browser = seller.signed_in()
    for _ in range(3):
        seller.now += timedelta(minutes=19)
        assert browser.get("/console/live").status == 200
    seller.now += timedelta(minutes=4)
    assert is_sign_in(browser.get("/console/customers"))


def test_a_revoked_key_is_signed_out_at_once(seller: Seller) -> None:
    browser = seller.browser()
    made = create_key(seller.table, "test", "grace", OPERATE, None, NOW)
    browser.sign_in(made.text)
    revoke_key(seller.table, made.known.id, NOW)
    assert is_sign_in(browser.get("/console"))


def test_signing_out_ends_the_session_in_the_table_too(seller: Seller) -> None:
    browser = seller.signed_in()
    cookies = dict(browser.cookies)
    assert is_sign_in(browser.send(browser.get("/console").form("/sign-out")))
    browser.cookies = cookies
    assert is_sign_in(browser.get("/console"))


def test_a_form_of_another_site_or_session_changes_nothing(seller: Seller) -> None:
    seller.subscribe()
    browser, other = seller.signed_in(), seller.signed_in()
    form = browser.get(HOME).form("/grants")
    before = seller.ledger()
    form.fields |= {"meter": "tokens", "quantity": "500"}
    assert browser.send(form, form_token="").status == 403
    assert browser.send(form, form_token=other.get(HOME).form("/grants").fields["form_token"]).status == 403
    browser.site = "cross-site"
    assert browser.send(form).status == 403
    browser.site = "same-site"
    assert browser.send(browser.get("/console").form("/sign-out")).status == 403
    assert seller.ledger() == before
    browser.site = "same-origin"
    assert browser.send(form).status == 200


def test_a_grant_happens_once_however_often_the_button_is_pressed_and_the_ledger_names_the_key(seller: Seller) -> None:
    seller.subscribe()
    browser = seller.signed_in()
    form = browser.get(HOME).form("/grants")
    for _ in range(2):
        page = browser.send(form, meter="tokens", quantity="500", reason="sorry for the outage")
        assert "The units were given." in page.text
    assert seller.ledger()[0] == ("given", "ada at the desk")
    assert [cause for cause, _ in seller.ledger()].count("given") == 1
    assert "given by hand" in page.text
    assert "ada at the desk" in page.text
    (gift,) = [each.grant for each in held_grants(seller.world.metering, CUSTOMER, "tokens", NOW) if each.grant.is_gift]
    assert gift.quantity == 500
    page = browser.send(page.form("/void"))
    assert seller.ledger()[0] == ("voided", "ada at the desk")


def test_a_customer_s_usage_is_shown_by_model_as_far_as_that_is_known(seller: Seller) -> None:
    seller.subscribe()
    seller.world.use(10)
    balance = read_balance(seller.table, CUSTOMER, "tokens")
    assert balance is not None
    day = Day(CUSTOMER, "tokens", balance.chart.start, NOW.date())
    made_of = MadeOf(Parts({"<i>large</i>": Decimal(7)}, Decimal(1)))
    seller.table.write(day_write(day, DayMadeOf(made_of, (Decimal(1),)), None))
    page = seller.signed_in().get(HOME)
    assert "By model Tokens <i>large</i> 7 Other 1 Not known 2" in page.text
    assert "By source" not in page.text


def test_access_is_cut_off_and_opened_with_the_key_s_name(seller: Seller) -> None:
    seller.subscribe()
    seller.world.use(10)
    browser = seller.signed_in()
    page = browser.send(browser.get(HOME).form("/block"), meter="", reason="card reported as stolen")
    assert "card reported as stolen" in page.text
    browser.send(page.form("/unblock"))
    assert seller.ledger()[:2] == [("unblocked", "ada at the desk"), ("blocked", "ada at the desk")]


def test_wrong_fields_are_named_and_nothing_changes(seller: Seller) -> None:
    seller.subscribe()
    browser = seller.signed_in()
    form = browser.get(HOME).form("/grants")
    before = seller.ledger()
    page = browser.send(form, meter="tokens", quantity="-5", reason="sorry for the outage")
    assert (page.status, "Quantity" in page.text, f'href="{HOME}"' in page.body) == (422, True, True)
    assert browser.send(form, meter="tokens", quantity="5", priority="x").status == 422
    assert seller.ledger() == before
    # What was right is kept: only the wrong field is asked for again.
    again = page.form("/grants")
    assert (again.fields["quantity"], again.fields["reason"]) == ("-5", "sorry for the outage")
    done = browser.send(again, quantity="5")
    browser.send(again, quantity="5")
    assert (done.status, done.path.partition("?")[0]) == (200, HOME)
    assert [cause for cause, _ in seller.ledger()].count("given") == 1


def test_a_chinese_page_says_in_chinese_why_something_was_not_done(seller: Seller) -> None:
    seller.subscribe()
    browser = seller.signed_in()
    browser.cookies["lang"] = "zh-Hans"
    form = browser.get(HOME).form("/grants")
    wrong = browser.send(form, meter="tokens", quantity="")
    assert ("必须填写" in wrong.text, "missing" in wrong.text) == (True, False)
    refused = browser.send(form, meter="no_such_meter", quantity="5")
    assert ("没有这个计量项" in refused.text, "meter" in refused.text.replace("unknown_meter", "")) == (True, False)


def test_a_key_sees_and_does_what_the_table_of_routes_opens_to_it(seller: Seller) -> None:
    seller.subscribe()
    operator = seller.signed_in(OPERATE)
    overview = operator.get("/console")
    assert "Revenue and usage are for keys with the role report." in overview.text
    assert "$9.00" not in overview.text
    assert 'href="/console/keys"' not in overview.body
    for path in ("/console/keys", "/console/live"):
        assert operator.get(path).status == 403
    assert not [form for form in operator.get(HOME).forms if form.action.endswith("/purchase-link")]
    everything = seller.signed_in()
    assert "$9.00" in everything.get("/console").text
    form = everything.get("/console/keys").form("/console/keys")
    form.fields["form_token"] = overview.form("/sign-out").fields["form_token"]
    assert operator.send(form, name="mine", role_admin="yes").status == 403
    assert "mine" not in [key.name for key in _keys(seller)]


def test_a_parked_delivery_is_assigned_and_applied(seller: Seller) -> None:
    seller.world.take(
        lifecycle("activated", "ORD_9", "2026-03-02", "2026-03-01", "2026-04-01", merchantProvidedBuyerIdentity=None)
    )
    browser = seller.signed_in()
    overview = browser.get("/console")
    assert "1 parked deliveries" in overview.text
    listed = browser.get("/console/deliveries?verdict=parked")
    path = next(each for each in listed.body.split('"') if each.startswith("/console/deliveries/"))
    page = browser.get(path)
    assert "Nobody knows whose it is" in page.text
    assert "still parked" in browser.send(page.form("/replay")).text
    asked = browser.send(page.form("/assign"), customer_id=CUSTOMER)
    assert "Nothing is known of a customer with the id acct_1001" in asked.text
    assert seller.world.plan() != "starter"
    done = browser.send(asked.form("/assign"))
    assert "It is applied now." in done.text
    assert "Decided by ada at the desk" in done.text
    assert seller.world.plan() == "starter"


def test_a_new_key_is_shown_once_and_a_double_press_makes_one(seller: Seller) -> None:
    browser = seller.signed_in()
    form = browser.get("/console/keys").form("/console/keys")
    first, again = (browser.send(form, name="backend", role_meter="yes") for _ in range(2))
    assert first.status == 201
    text = next(each for each in first.body.split('"') if each.startswith("pm_test_"))
    assert text in again.body
    assert [key.name for key in _keys(seller)].count("backend") == 1
    listed = browser.get("/console/keys")
    assert text not in listed.body
    made = next(key for key in _keys(seller) if key.name == "backend")
    assert "The key is revoked." in browser.send(listed.form(f"/{made.id}/revoke")).text


def test_links_are_for_the_customer_and_bear_no_more_than_the_key_may_give(seller: Seller) -> None:
    seller.subscribe()
    browser = seller.signed_in()
    page = browser.send(browser.get(HOME).form("/purchase-link"), kind="top_up", meter="tokens")
    token = page.text.split("/buy/")[1].split()[0]
    link = read_link(LINK_SECRET, token, NOW)
    assert (link.customer_id, link.kind, link.meter) == (CUSTOMER, "top_up", "tokens")
    assert "/portal/enter/" in browser.send(browser.get(HOME).form("/portal-link")).text


def test_no_link_is_made_that_sells_nothing(seller: Seller) -> None:
    seller.world.use(10)
    browser = seller.signed_in()
    page = browser.send(browser.get(HOME).form("/purchase-link"), kind="top_up", meter="requests")
    assert (page.status, "/buy/" in page.body, "not_for_sale" in page.text) == (409, False, True)


def test_what_is_dismissed_stays_dismissed_for_the_first_reason_and_says_so(seller: Seller) -> None:
    of_nobody = lifecycle(
        "activated", "ORD_9", "2026-03-02", "2026-03-01", "2026-04-01", merchantProvidedBuyerIdentity=None
    )
    path = f"/console/deliveries/{seller.world.take(of_nobody).digest}"
    browser = seller.signed_in()
    first, second = browser.get(path).form("/dismiss"), browser.get(path).form("/dismiss")
    assert "It is dismissed." in browser.send(first, reason="not ours").text
    seller.now += timedelta(minutes=1)
    again = browser.send(second, reason="a test").text
    assert ("had been dismissed before" in again, "not ours" in again, "a test" in again) == (True, True, False)
    assert "does nothing a second time" in browser.send(first, reason="not ours").text
    assert browser.send(first, reason="of last year").status == 409


def test_every_page_is_shown_in_both_languages(seller: Seller) -> None:
    seller.subscribe()
    seller.world.use(1200)
    browser = seller.signed_in()
    paths = [
        "/console",
        "/console/live",
        "/console/customers",
        "/console/customers?prefix=acct",
        HOME,
        f"{HOME}?meter=requests",
        "/console/payments",
        "/console/payments/PAY_1",
        "/console/deliveries",
        "/console/parked-usage",
        "/console/parked-usage?status=dismissed",
        "/console/catalog",
        "/console/catalog?currency=JPY",
        "/console/launch",
        "/console/alerts",
        "/console/keys",
    ]
    for path in paths:
        for language in ("en", "zh-Hans"):
            page = browser.get(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert page.status == 200, (path, language, page.text)
    assert browser.get("/console/customers/nobody").status == 200
    assert browser.get("/console/nothing").status == 404


def test_an_endpoint_of_alerts_is_made_once_with_its_secret_tested_and_disabled(seller: Seller) -> None:
    browser = seller.signed_in()
    form = browser.get("/console/alerts").form("/alert-endpoints")
    first, again = (browser.send(form, url="http://127.0.0.1:9/alerts") for _ in range(2))
    secret = next(each for each in first.body.split('"') if each.startswith("whsec_"))
    assert (first.status, secret in again.body) == (201, True)
    listed = browser.get("/console/alerts")
    assert (secret in listed.body, listed.body.count("http://127.0.0.1:9/alerts")) == (False, 1)
    rung = browser.send(listed.form("/test"))
    assert rung.path.startswith("/console/alerts/alrt_")
    assert "A test is on its way." in rung.text
    assert "The endpoint is disabled." in browser.send(listed.form("/enabled")).text
    assert "The endpoint is gone." in browser.send(browser.get("/console/alerts").form("/delete")).text


def test_who_changed_an_endpoint_had_an_alert_sent_again_or_usage_counted_is_kept_by_name(seller: Seller) -> None:
    browser = seller.signed_in()
    browser.send(browser.get("/console/alerts").form("/alert-endpoints"), url="http://127.0.0.1:9/alerts")
    alert = Alert("due#1", "overage.due", CUSTOMER, "tokens", NOW, {"units": 7})
    put_alert(seller.table, alert)
    sent = browser.send(browser.get(f"/console/alerts/{alert.id}").form("/replay"), endpoint_id="")
    assert sent.text.count("ada at the desk") == 2  # once of them in the page's head
    changed = browser.send(browser.get("/console/alerts").form("/enabled"))
    assert "By ada at the desk" in changed.text
    parked = ParkedUsage("openmeter", "{}", "unknown_meter", "no such meter", NOW)
    park(seller.table, parked)
    for by in ("ada", "bob"):
        mark_counted(seller.table, parked.digest, NOW, by=by)
    counted = read_parked(seller.table, parked.digest)
    assert counted is not None
    assert (counted.counted_at, counted.counted_by) == (NOW, "ada")


def test_overage_is_forgiven(seller: Seller) -> None:
    seller.world.take(lifecycle("activated", "ORD_1", "2026-03-02", "2026-03-01", "2026-04-01", plan="scale"))
    seller.world.use(10_000_500)
    browser = seller.signed_in()
    page = browser.get(HOME)
    assert "Owes 500 of Tokens" in page.text
    page = browser.send(page.form("/tokens/forgive"), quantity="99999999999")
    assert "The overage was forgiven: 500 units." in page.text
    assert seller.ledger()[0] == ("forgiven", "ada at the desk")


def test_what_waffo_does_not_do_is_a_page_and_no_error(seller: Seller) -> None:
    seller = Seller(seller.table, FakeWaffo(graphql_fails=True).client())
    order = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
    seller.world.take(lifecycle("activated", order, "2026-03-02", "2026-03-01", "2026-04-01"))
    browser = seller.signed_in()
    page = browser.send(browser.get(HOME).form("/cancel"))
    assert (page.status, f'href="{HOME}"' in page.body, "Waffo did not answer" in page.text) == (502, True, True)


def test_a_customer_s_page_asks_for_no_more_than_its_budget(seller: Seller, counted: Counted) -> None:
    seller.subscribe()
    seller.world.use(10)
    browser = seller.signed_in()
    counted.clear()
    assert browser.get("/console/customers").status == 200
    # The session, its key, and the page of the list.
    assert len(counted) <= 4, counted
    counted.clear()
    assert browser.get(HOME).status == 200
    assert len(counted) <= 30, counted
    counted.clear()
    assert browser.get("/console").status == 200
    # Mostly shards of the reports: four for each meter and day of the live figures, and for each month of revenue.
    assert len(counted) <= 100, counted


def test_a_key_that_may_not_sell_sees_no_link_that_buys(seller: Seller) -> None:
    url = "https://api.example.com/buy/sealed"
    alert = Alert(
        "due#1", "overage.due", CUSTOMER, "tokens", NOW, {"purchase_url": url, "upgrade_url": url, "units": 7}
    )
    put_alert(seller.table, alert)
    page = seller.signed_in(OPERATE).get(f"/console/alerts/{alert.id}")
    assert (page.status, '"units": 7' in page.text, "/buy/" in page.body) == (200, True, False)
    assert "/buy/" in seller.signed_in().get(f"/console/alerts/{alert.id}").body
