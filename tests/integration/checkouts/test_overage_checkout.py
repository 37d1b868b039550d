"""Selling: server-computed amounts, one session per sale, links that work and links that do not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus

import pytest

import customer_pages
from overage_checkout import handler
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.balance.balances import read_ledger
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.selling.open_checkout import open_checkout
from pancake_meter.usecases.selling.purchase_link import LINK_LIFETIME, PurchaseLink, make_link
from pancake_meter.usecases.selling.quote_sale import SaleRequest
from pancake_meter.value import replace
from pancake_meter.waffo.errors import WaffoInFlight
from pancake_pages.site import Site
from tests.integration.checkouts.conftest import CATALOG, NOW, SECRET, Shop
from tests.support.api import LambdaContext, api_event, read_answer
from tests.support.pages import pages_deps
from tests.support.webhook_world import World, lifecycle

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"


def test_a_top_up_is_priced_here_and_bound_to_the_customer(shop: Shop) -> None:
    # When a free customer asks for 50,000 tokens ahead, at 0.04 a thousand
    opened = shop.call(api_event("checkouts_top_up"))

    # Then the checkout sells just that
    assert opened.status == HTTPStatus.CREATED
    assert (opened.body["kind"], opened.body["quantity"], opened.body["amount"]) == ("top_up", 50_000, "2.00")
    (session,) = shop.waffo.sessions
    assert session["priceSnapshot"] == {"amount": "2.00", "taxCategory": "saas"}
    assert session["successUrl"] == "https://app.example.com/billing/done"
    assert session["orderMerchantExternalId"] == opened.body["checkout_id"]
    assert session["metadata"]["customer_id"] == "acct_1001"
    assert [token["buyerIdentity"] for token in shop.waffo.tokens] == ["acct_1001"]
    assert opened.body["url"].endswith("#token=token-1")


def test_scenario_82_yen_have_no_decimals(shop: Shop) -> None:
    opened = shop.checkout(meter="tokens", quantity=50_001, currency="JPY")
    assert (opened.body["amount"], opened.body["currency"]) == ("306", "JPY")  # 51 packages of 6


def test_overage_is_what_lies_beyond_every_grant(shop: Shop) -> None:
    # Given a customer 20,350 tokens over, 21 packages of 0.04
    shop.use(30_350)
    opened = shop.checkout(meter="tokens")
    assert (opened.body["kind"], opened.body["quantity"], opened.body["amount"]) == ("overage", 20_350, "0.84")


def test_scenario_75_an_amount_below_the_minimum_stays_owed(shop: Shop) -> None:
    shop.use(10_350)
    refused = shop.checkout(meter="tokens")
    assert (refused.status, refused.body["code"], refused.body["minimum"]) == (
        HTTPStatus.CONFLICT,
        "below_minimum",
        "0.50",
    )
    assert shop.waffo.sessions == []
    assert shop.metering.current_balance("acct_1001", "tokens", NOW).current_overage == 350


def test_a_customer_who_owes_nothing_has_no_overage_to_pay(shop: Shop) -> None:
    refused = shop.call(api_event("checkouts_overage"))
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "nothing_owed")


def test_a_plan_sells_at_the_products_own_price(shop: Shop) -> None:
    opened = shop.call(api_event("checkouts_subscription"))
    assert (opened.body["plan"], opened.body["amount"], opened.body["currency"]) == ("starter", "1400", "JPY")
    assert "priceSnapshot" not in shop.waffo.sessions[0]


def test_scenario_71_a_checkout_asked_for_again_is_the_same_with_a_fresh_token(shop: Shop) -> None:
    first, again = shop.call(api_event("checkouts_top_up")), shop.call(api_event("checkouts_top_up"))
    assert (first.status, again.status) == (HTTPStatus.CREATED, HTTPStatus.OK)
    assert first.body["checkout_id"] == again.body["checkout_id"]
    assert len(shop.waffo.sessions) == 1
    assert (first.body["url"], again.body["url"]) != (first.body["url"], first.body["url"])


def test_scenario_71_sixteen_concurrent_checkouts_make_one_session(shop: Shop) -> None:
    shop.use(30_350)
    shop.waffo.seconds = 0.05

    def ask(_: int) -> str:
        try:
            sale = SaleRequest("overage", "tokens")
            return open_checkout(shop.deps().selling, "acct_1001", sale, None, NOW).checkout.id
        except WaffoInFlight:
            return "ask again"

    with ThreadPoolExecutor(16) as clients:
        answers = set(clients.map(ask, range(16)))

    # Then some may be told to ask again while the session is being made; none makes another
    assert len(answers - {"ask again"}) == 1
    assert len(shop.waffo.sessions) == 1
    assert shop.checkout(meter="tokens").status == HTTPStatus.OK
    assert len(shop.waffo.sessions) == 1


def test_scenario_71_a_session_whose_answer_was_lost_is_not_made_twice(shop: Shop) -> None:
    shop.waffo.lose_answers = 1
    assert shop.call(api_event("checkouts_top_up")).status == HTTPStatus.CREATED
    assert len(shop.waffo.sessions) == 1


def test_scenario_72_an_outage_longer_than_our_retries_makes_no_second_session(shop: Shop) -> None:
    shop.waffo.lose_answers = 1
    shop.waffo.attempts_max = 1
    lost = shop.call(api_event("checkouts_top_up"))
    assert (lost.status, lost.body["code"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "waffo_unavailable")
    assert lost.headers["Retry-After"] == "2"
    again = shop.call(api_event("checkouts_top_up"))
    assert again.status == HTTPStatus.OK
    assert len(shop.waffo.sessions) == 1


def test_scenario_74_an_expired_checkout_gives_way_to_a_new_one(shop: Shop) -> None:
    first = shop.call(api_event("checkouts_top_up"))
    shop.wait(timedelta(minutes=46))
    second = shop.call(api_event("checkouts_top_up"))
    assert (second.status, len(shop.waffo.sessions)) == (HTTPStatus.CREATED, 2)
    old = shop.call(api_event("checkouts_read", path=f"/v1/customers/acct_1001/checkouts/{first.body['checkout_id']}"))
    assert old.body["status"] == "expired"


def test_an_overage_that_has_grown_supersedes_the_open_checkout(shop: Shop) -> None:
    shop.use(30_350)
    first = shop.checkout(meter="tokens")
    shop.wait(timedelta(seconds=1))
    shop.use(10_000, "e2")
    second = shop.checkout(meter="tokens")
    assert (second.body["quantity"], second.body["amount"]) == (30_350, "1.24")
    listed = shop.call(api_event("checkouts_list", query={"limit": "1"})).body
    assert [checkout["checkout_id"] for checkout in listed["checkouts"]] == [second.body["checkout_id"]]
    rest = shop.call(api_event("checkouts_list", query={"cursor": listed["next_cursor"]})).body
    assert [(checkout["checkout_id"], checkout["status"]) for checkout in rest["checkouts"]] == [
        (first.body["checkout_id"], "superseded")
    ]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("checkout_id", ["chk_never", "x", "chk_" + "a" * 3000, "%F0%9F%A5%9E"])
def test_what_is_no_checkout_cannot_be_read(shop: Shop, checkout_id: str) -> None:
    read = shop.call(api_event("checkouts_read", path=f"/v1/customers/acct_1001/checkouts/{checkout_id}"))
    assert (read.status, read.body["code"]) == (HTTPStatus.NOT_FOUND, "checkout_not_found")


def test_another_customers_checkout_cannot_be_read(shop: Shop) -> None:
    mine = shop.call(api_event("checkouts_top_up")).body["checkout_id"]
    assert (
        shop.call(api_event("checkouts_read", path=f"/v1/customers/acct_2/checkouts/{mine}")).status
        == HTTPStatus.NOT_FOUND
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"meter": "tokens", "success_url": "https://evil.example.com/"}, "success_url_not_allowed"),
        ({"meter": "tokens", "quantity": 0}, "invalid_request"),
        ({"meter": "tokens", "amount": "0.01"}, "invalid_request"),
        ({"quantity": 5}, "unknown_meter"),
        ({"plan": "nonsense"}, "unknown_plan"),
        ({"plan": "starter", "kind": "plan_change"}, "not_for_sale"),
        ({"meter": "tokens", "quantity": 5000, "currency": "EUR"}, "not_for_sale"),
    ],
)
def test_what_cannot_be_sold_is_refused_before_waffo_is_asked(shop: Shop, body: dict[str, object], code: str) -> None:
    assert shop.checkout(**body).body["code"] == code
    assert (shop.waffo.sessions, shop.waffo.tokens) == ([], [])


def test_a_refusal_by_waffo_is_502_and_tells_the_caller_no_internals(shop: Shop) -> None:
    shop.waffo.refuse = True
    refused = shop.call(api_event("checkouts_top_up"))
    assert (refused.status, refused.body["code"]) == (HTTPStatus.BAD_GATEWAY, "waffo_refused")
    assert "no such product" not in refused.body["detail"]


ANOTHER_SECRET = "another secret of the tests, as long as the first"


def link(kind: str = "top_up", secret: str = SECRET) -> str:
    made = make_link(secret, "https://api.example.com", PurchaseLink("acct_1001", kind, "tokens"), NOW)  # type: ignore[arg-type]
    return made.removeprefix("https://api.example.com")


def changed(path: str) -> str:
    """Return the link with one character in its middle changed."""
    middle = len(path) // 2
    return path[:middle] + ("A" if path[middle] != "A" else "B") + path[middle + 1 :]


def test_promise_9_a_purchase_link_leads_to_the_live_session_each_time(shop: Shop) -> None:
    first, again = (shop.press(link()) for _ in range(2))
    assert (first.status, again.status) == (HTTPStatus.SEE_OTHER, HTTPStatus.SEE_OTHER)
    assert first.headers["Location"].partition("#")[0] == again.headers["Location"].partition("#")[0]
    assert first.headers["Cache-Control"] == "no-store"
    assert len(shop.waffo.sessions) == 1


def test_forty_clicks_of_one_link_ask_waffo_for_one_token_and_one_session(shop: Shop) -> None:
    each = shop.deps()
    selling = replace(each.selling, waffo=shop.waffo.client(clock=lambda: NOW))
    warm = pages_deps(replace(each, selling=selling), Site(CATALOG.brand), lambda: NOW)
    event = api_event("buy_press", path=link())
    clicks = [read_answer(customer_pages.handler(event, LambdaContext(), warm)) for _ in range(40)]
    assert {click.status for click in clicks} == {HTTPStatus.SEE_OTHER}
    assert {click.headers["Location"].partition("#")[2] for click in clicks} == {"token=token-1"}
    assert (len(shop.waffo.tokens), len(shop.waffo.sessions)) == (1, 1)


def test_a_link_to_the_next_plan_up_sells_it(shop: Shop) -> None:
    assert shop.press(link("subscription")).status == HTTPStatus.SEE_OTHER
    assert shop.waffo.sessions[0]["metadata"]["plan"] == "starter"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (changed(link()), 404),
        (link(secret=ANOTHER_SECRET), 404),
        ("/buy/nonsense", 404),
        (link("gift"), 404),
    ],
)
def test_a_link_that_leads_nowhere_shows_a_page_for_people(shop: Shop, path: str, status: int) -> None:
    answer = shop.see(path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert "<h1>" in answer.body
    assert shop.waffo.sessions == []


def test_a_link_expires(shop: Shop) -> None:
    shop.wait(LINK_LIFETIME)
    assert shop.see(link()).status == HTTPStatus.GONE


def test_overage_can_be_forgiven_once_and_is_no_longer_sold(shop: Shop) -> None:
    # Given a customer 20,350 tokens over
    shop.use(30_350)
    forgive = api_event("overage_forgive")

    # When 350 of them are let go, and the request is repeated
    first, again = shop.call(forgive), shop.call(forgive)

    # Then it happened once
    assert (first.status, first.body) == (
        HTTPStatus.OK,
        {"id": "goodwill-42", "meter": "tokens", "forgiven": 350, "replayed": False},
    )
    assert again.body == {**first.body, "replayed": True}
    assert shop.metering.current_balance("acct_1001", "tokens", NOW).current_overage == 20_000
    assert shop.checkout(meter="tokens").body["amount"] == "0.80"

    # And the ledger names the API key that did it
    (entry,) = [
        each for each in read_ledger(shop.metering.table, "acct_1001", "tokens", limit=10) if each.cause == "forgiven"
    ]
    assert (entry.reference, entry.by) == ("goodwill-42", "seller-backend")

    # And the id stands for nothing else
    other = shop.call(api_event("overage_forgive", body={"id": "goodwill-42", "quantity": 1}))
    assert (other.status, other.body["code"]) == (HTTPStatus.CONFLICT, "forgiveness_conflict")


def test_a_forgiveness_may_be_named_by_an_idempotency_key(shop: Shop) -> None:
    shop.use(30_350)
    event = api_event("overage_forgive", body={"quantity": 350})
    refused = shop.call(event)
    assert (refused.status, refused.body["code"]) == (422, "invalid_idempotency_key")
    event["headers"]["idempotency-key"] = "goodwill-43"
    assert [shop.call(event).body["replayed"] for _ in range(2)] == [False, True]
    assert shop.metering.current_balance("acct_1001", "tokens", NOW).current_overage == 20_000


def test_a_checkout_is_opened_once_for_an_idempotency_key_also_when_it_is_paid_or_more_is_owed(shop: Shop) -> None:
    # Given a checkout for what is owed
    shop.use(30_350)
    event = api_event("checkouts_overage", body={"kind": "overage", "meter": "tokens"})
    event["headers"]["idempotency-key"] = "pay-1"
    first = shop.call(event)
    assert (first.status, first.headers.get("Idempotency-Replayed")) == (HTTPStatus.CREATED, None)

    # When more is owed meanwhile, and the request is repeated
    shop.use(5_000, "e2")
    again = shop.call(event)

    # Then it is the same checkout, and no second session
    assert (again.status, again.headers["Idempotency-Replayed"]) == (HTTPStatus.CREATED, "true")
    same = ("checkout_id", "amount", "quantity", "status", "expires_at", "created_at")
    assert [again.body.get(name) for name in same] == [first.body.get(name) for name in same]
    assert len(shop.waffo.sessions) == 1

    # And another content is a conflict, another key another request
    event["body"] = '{"kind": "top_up", "meter": "tokens", "quantity": 100000}'
    other = shop.call(event)
    assert (other.status, other.body["code"]) == (HTTPStatus.CONFLICT, "idempotency_conflict")
    assert shop.checkout(meter="tokens").body["amount"] != first.body["amount"]


def test_a_repeat_for_a_customer_who_was_erased_meanwhile_is_refused(shop: Shop) -> None:
    # Given a checkout of a customer
    erasures = Erasures(shop.metering.table, lambda: SECRET)
    shop.metering = replace(shop.metering, erasures=erasures)
    shop.use(30_350)
    event = api_event("checkouts_overage", body={"kind": "overage", "meter": "tokens"})
    event["headers"]["idempotency-key"] = "pay-1"
    assert shop.call(event).status == HTTPStatus.CREATED

    # When the customer is erased, and the request is repeated
    erase_customer(erasures, "acct_1001", NOW, may_go_on=lambda: True)
    again = shop.call(event)

    # Then
    assert (again.status, again.body["code"]) == (HTTPStatus.GONE, "customer_erased")
    assert len(shop.waffo.sessions) == 1


def test_what_is_not_owed_cannot_be_forgiven(shop: Shop) -> None:
    refused = shop.call(api_event("overage_forgive"))
    assert (refused.status, refused.body["code"]) == (HTTPStatus.CONFLICT, "nothing_owed")


def test_promise_9_a_link_to_overage_that_cannot_be_charged_sells_a_pack(shop: Shop) -> None:
    # Given a link to what was owed, followed when it is too little to charge, and when nothing is owed any more
    shop.use(10_350)
    for _ in range(2):
        followed = shop.press(link("overage"))
        assert followed.status == HTTPStatus.SEE_OTHER

    # Then it sells a pack, once: the customer can go on
    (session,) = shop.waffo.sessions
    assert (session["metadata"]["kind"], session["metadata"]["quantity"]) == ("top_up", "100000")


def test_a_currency_that_waffo_does_not_take_is_not_for_sale(shop: Shop) -> None:
    # Given a catalog with a price that Waffo sells nothing in
    tokens = CATALOG.plans["free"].allowances["tokens"]
    allowance = replace(tokens, prices={"KRW": tokens.prices["JPY"]})
    free = replace(CATALOG.plans["free"], allowances={"tokens": allowance})
    shop.metering = replace(shop.metering, catalog=replace(CATALOG, plans={**CATALOG.plans, "free": free}))

    # When
    refused = shop.checkout(meter="tokens", quantity=1_000_000, currency="KRW")

    # Then
    assert (refused.status, refused.body["code"], refused.body["field"]) == (409, "not_for_sale", "currency")
    assert shop.waffo.sessions == []


def test_a_plan_change_says_when(shop: Shop) -> None:
    # Given a subscriber of starter
    World(shop.metering.table, NOW).take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10"))
    change = {"kind": "plan_change", "plan": "pro"}

    # When pro is asked for with the next period, then at once, then at once again
    later, now, again = (shop.checkout(**change, timing=timing) for timing in ("next_period", "immediate", "immediate"))

    # Then each timing is a session of its own, bound to the order
    assert (later.status, now.status, again.status) == (HTTPStatus.CREATED, HTTPStatus.CREATED, HTTPStatus.OK)
    told = [(session["originOrderId"], session["changeTiming"]) for session in shop.waffo.sessions]
    assert told == [(ORDER, "next_period"), (ORDER, "immediate")]
    assert shop.checkout(plan="pro", timing="immediate").body["code"] == "invalid_request"


def test_an_upgrade_link_of_a_subscriber_changes_the_plan(shop: Shop) -> None:
    World(shop.metering.table, NOW).take(lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10"))
    assert shop.press(link("plan_change")).status == HTTPStatus.SEE_OTHER
    (session,) = shop.waffo.sessions
    assert (session["originOrderId"], session["metadata"]["plan"]) == (ORDER, "pro")


@pytest.mark.parametrize(
    ("is_local", "url", "status"),
    [
        (True, "http://localhost:3000/done", HTTPStatus.CREATED),
        (True, "http://127.0.0.1/done", HTTPStatus.CREATED),
        (True, "http://localhost.example.com/done", HTTPStatus.UNPROCESSABLE_ENTITY),
        (True, "https://evil.example.com/done", HTTPStatus.UNPROCESSABLE_ENTITY),
        (False, "http://localhost:3000/done", HTTPStatus.UNPROCESSABLE_ENTITY),
    ],
)
def test_on_the_local_stack_alone_a_customer_may_land_on_this_machine(
    shop: Shop, is_local: bool, url: str, status: HTTPStatus
) -> None:
    deps = shop.deps()
    local = replace(deps, selling=replace(deps.selling, is_local=is_local))
    event = api_event("checkouts_top_up", body={"meter": "tokens", "quantity": 50_000, "success_url": url})
    answer = read_answer(handler(event, LambdaContext(), local))
    assert answer.status == status
    if status == HTTPStatus.CREATED:
        assert shop.waffo.sessions[0]["successUrl"] == url
    else:
        assert (answer.body["code"], shop.waffo.sessions) == ("success_url_not_allowed", [])


@pytest.mark.parametrize("path", [link(), link(secret=ANOTHER_SECRET), "/buy/nonsense", "/buy/%ff", link("gift")])
@pytest.mark.parametrize("is_late", [False, True])
def test_issue_13_point_8_every_answer_to_a_link_is_sealed_against_frames_and_downgrades(
    shop: Shop, path: str, is_late: bool
) -> None:
    if is_late:
        shop.wait(LINK_LIFETIME)
    headers = shop.see(path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")
    assert (headers["Referrer-Policy"], headers["X-Content-Type-Options"]) == ("no-referrer", "nosniff")
