"""Issue 16, point 1: a person sees what a link sells before anything is opened, and what the payment has brought."""

import re
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest

from pancake_meter.catalog import UsageProduct
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.store.access.erasures import Erasures
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.selling.checkouts import list_checkouts
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.erase import erase_customer
from pancake_meter.usecases.selling import waffo_orders
from pancake_meter.usecases.selling.purchase_link import LinkKind, PurchaseLink, make_link, paid_token
from pancake_meter.value import replace
from tests.integration.checkouts.conftest import CATALOG, NOW, SECRET, Shop
from tests.support.api import api_event
from tests.support.webhook_world import World, event, lifecycle, refund

BASE = "https://api.example.com"
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
PERIOD = ("2026-03-10", "2026-04-10")
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


def link(kind: LinkKind = "top_up", customer_id: str = "acct_1001") -> str:
    return make_link(SECRET, BASE, PurchaseLink(customer_id, kind, "tokens"), NOW).removeprefix(BASE)


def text_of(body: str) -> str:
    """Return what a person reads of a page."""
    main = body[body.index("<main") : body.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def checkouts(shop: Shop) -> list[Checkout]:
    return list_checkouts(shop.metering.table, "acct_1001", limit=10)[0]


def subscribe(shop: Shop, plan: str, status: str | None = None) -> None:
    world = World(shop.metering.table, NOW)
    for kind, at in (("activated", "2026-03-10"), *([(status, "2026-03-11")] if status else [])):
        world.take(lifecycle(kind, ORDER, at, *PERIOD, plan=plan, currency="USD"))
    shop.waffo.order(ORDER, plan, status=status or "active")


@pytest.mark.parametrize("kind", ["top_up", "overage", "plan"])
def test_a_get_opens_nothing_and_writes_nothing(shop: Shop, kind: LinkKind) -> None:
    # Given a customer who is 20,350 tokens over
    shop.use(30_350)
    asked: list[str] = []
    client = shop.metering.table._client

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    # When programs preview the link
    client.meta.events.register("before-call.dynamodb", note)
    try:
        seen = [shop.see(link(kind)) for _ in range(3)]
        probed = shop.probe(link(kind))
    finally:
        client.meta.events.unregister("before-call.dynamodb", note)

    # Then each saw the page, and nothing has happened
    assert {page.status for page in seen} == {HTTPStatus.OK}
    assert (probed.status, probed.body) == (HTTPStatus.OK, "")
    assert asked
    assert not WRITES & set(asked)
    assert (shop.waffo.sessions, shop.waffo.tokens, checkouts(shop)) == ([], [], [])


def test_the_page_says_what_is_bought_for_whom_and_for_how_much(shop: Shop) -> None:
    page = shop.see(link())
    assert page.headers["Content-Security-Policy"].count("form-action 'self' https:") == 1
    text = text_of(page.body)
    for part in ("Buy 100,000 tokens", "$4.00", "plus tax", "365 days", "until Mar 10, 2027", "For account ac***01"):
        assert part in text
    assert page.body.count("<button") == 1
    assert "acct_1001" not in page.body
    assert "20,350" not in text


def test_the_page_says_what_a_pack_pays_of_what_is_owed(shop: Shop) -> None:
    shop.use(30_350)
    assert "20,350 tokens pay for what you have used beyond your plan" in text_of(shop.see(link()).body)


def test_the_page_of_overage_has_its_periods_units_and_amounts(shop: Shop) -> None:
    shop.use(30_350)
    shop.wait(timedelta(days=40))
    shop.use(30_350, "e2")
    made = make_link(SECRET, BASE, PurchaseLink("acct_1001", "overage", "tokens"), shop.now).removeprefix(BASE)
    page = shop.see(made)
    text = text_of(page.body)
    for part in (
        "Pay for 40,700 tokens beyond your plan",
        "Mar 10, 2026 \N{EN DASH} Apr 10, 2026",
        "20,350 $0.84",
        "Total 40,700 $1.68",
    ):
        assert part in text, text
    assert shop.press(made, page).status == HTTPStatus.SEE_OTHER
    assert shop.waffo.sessions[0]["priceSnapshot"]["amount"] == "1.68"


def test_the_page_of_a_plan_compares_it_with_the_current_one_and_says_when(shop: Shop) -> None:
    text = text_of(shop.see(link("plan")).body)
    for part in ("Subscribe to Starter", "$9.00 per month", "What changes", "as soon as your payment has arrived"):
        assert part in text, text
    subscribe(shop, "starter")
    page = shop.see(link("plan"))
    for part in ("Change from Starter to Pro", "$29.00 per month", "Now (Starter):"):
        assert part in text_of(page.body)
    assert shop.press(link("plan"), page).status == HTTPStatus.SEE_OTHER


def test_pages_speak_the_language_of_the_browser(shop: Shop) -> None:
    page = shop.see(link("plan"), lang="zh-Hans")
    assert '<html lang="zh-Hans">' in page.body
    assert "订阅 Starter" in text_of(page.body)


def test_what_the_person_saw_counts(shop: Shop) -> None:
    # Given a page whose price has changed since
    page = shop.see(link())
    meters = dict(CATALOG.meters)
    top_up = meters["tokens"].top_up
    assert top_up is not None
    meters["tokens"] = replace(meters["tokens"], top_up=replace(top_up, quantity=Decimal(50_000)))
    shop.metering = replace(shop.metering, catalog=replace(CATALOG, meters=meters))

    # When its button is pressed
    again = shop.press(link(), page)

    # Then nothing is opened, and the page is shown as it is now, with a notice
    assert (again.status, shop.waffo.sessions, checkouts(shop)) == (HTTPStatus.CONFLICT, [], [])
    assert "This offer has changed" in text_of(again.body)
    assert "Buy 50,000 tokens" in text_of(again.body)

    # And its own button sells just that
    assert shop.press(link(), again).status == HTTPStatus.SEE_OTHER
    assert shop.waffo.sessions[0]["metadata"]["quantity"] == "50000"


def test_what_waffo_turns_out_to_have_is_shown_before_it_is_sold(
    shop: Shop,
) -> None:
    # Given an order that has ended at Waffo, no webhook of it, and a page that was shown while Waffo did not answer
    subscribe(shop, "starter")
    shop.waffo.graphql_fails = True
    page = shop.see(link("plan"))
    assert "Change from Starter to Pro" in text_of(page.body)
    shop.waffo.graphql_fails = False
    shop.waffo.orders[0]["status"] = "canceled"

    # When the button is pressed, and then that of the page that it leads to
    changed = shop.press(link("plan"), page)
    assert (changed.status, shop.waffo.sessions) == (HTTPStatus.CONFLICT, [])
    assert "Subscribe to Starter" in text_of(changed.body)
    assert shop.press(link("plan"), changed).status == HTTPStatus.SEE_OTHER


def test_a_press_twice_opens_one_session_and_the_page_says_that_it_is_open(shop: Shop) -> None:
    page = shop.see(link())
    first, again = shop.press(link(), page), shop.press(link(), page)
    assert (first.status, again.status, len(shop.waffo.sessions)) == (303, 303, 1)
    assert first.headers["Location"].partition("#")[0] == again.headers["Location"].partition("#")[0]
    assert "Continue your payment" in shop.see(link()).body


@pytest.mark.parametrize(
    ("status", "title"), [("past_due", "is overdue"), ("canceling", "You have cancelled your plan")]
)
def test_a_plan_that_cannot_be_changed_is_explained_before_a_button_is_pressed(
    shop: Shop, status: str, title: str
) -> None:
    subscribe(shop, "starter", status)
    page = shop.see(link("plan"))
    assert (page.status, title in page.body, "<button" in page.body) == (HTTPStatus.CONFLICT, True, False)


def test_the_page_is_shown_in_time_while_waffo_hangs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waffo_orders, "LOOKUP_SECONDS_MAX", 0.05)
    subscribe(shop, "starter")
    shop.waffo.graphql_seconds = 0.5
    assert "Change from Starter to Pro" in text_of(shop.see(link("plan")).body)
    assert len(shop.failed_lookups) == 1


def test_where_waffo_makes_no_session_the_button_says_to_try_again(shop: Shop) -> None:
    page = shop.see(link())
    shop.waffo.refuse = True
    closed = shop.press(link(), page)
    assert (closed.status, closed.headers["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "5")
    assert "Nothing has been charged" in closed.body


def test_after_paying_the_customer_lands_on_a_page_that_waits_and_then_says_what_was_added(shop: Shop) -> None:
    # Given a pack on its way to be paid
    shop.press(link())
    landing = shop.waffo.sessions[0]["successUrl"]
    assert landing.startswith("https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/buy/chk_")
    path = landing.removeprefix("https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com")

    # When the webhook is not there yet
    waiting = shop.paid(path)
    assert "Waiting for your payment" in text_of(waiting.body)
    assert f'hx-get="{path}?look=1" hx-trigger="load delay:2s, every 10s"' in waiting.body
    assert f'<noscript><meta http-equiv="refresh" content="2; url={path}?look=1"></noscript>' in waiting.body
    assert 'href="https://app.example.com/billing"' in waiting.body

    # Nor after two minutes
    tired = shop.paid(path, look="20")
    assert "We have not heard of your payment yet" in text_of(tired.body)
    assert "hx-get" not in tired.body
    assert "http-equiv" not in tired.body
    assert "/buy/gAAAA" in tired.body, "back to the offer"

    # And when it is
    (checkout,) = checkouts(shop)
    money = {"listPrice": {"total": "4.00", "subtotal": "4.00"}, "chargedAmount": "4.00", "amount": "4.00"}
    facts = {"paymentId": "PAY_1", "productMetadata": {"kind": "usage"}, "orderMerchantExternalId": checkout.id}
    World(shop.metering.table, NOW).take(event("order.completed", ORDER, "2026-03-10", "PAY_1", **money, **facts))
    done = shop.paid(path, look="1")
    assert "100,000 tokens added" in text_of(done.body)
    assert "You have now 110,000 tokens" in text_of(done.body)
    assert 'href="https://app.example.com/billing"' in done.body
    assert "hx-get" not in done.body

    # Then the link itself reminds of it
    assert "You have bought this already: 100,000 tokens for $4.00" in text_of(shop.see(link()).body)


def test_after_a_plan_is_paid_the_page_names_it_and_what_it_includes(shop: Shop) -> None:
    shop.press(link("plan"))
    (checkout,) = checkouts(shop)
    path = f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    activated = lifecycle("activated", ORDER, "2026-03-10", *PERIOD, orderMerchantExternalId=checkout.id)
    World(shop.metering.table, NOW).take(activated)
    text = text_of(shop.paid(path).body)
    assert "You are on Starter now" in text
    assert "tokens per billing period" in text


def waffos_payment(checkout: Checkout, status: str) -> dict[str, object]:
    """A payment as Waffo's GraphQL shows it."""
    money = {"currency": "USD", "subtotal": "4.00", "taxAmount": "0.00", "total": "4.00"}
    return {
        "id": "PAY_1",
        "orderId": ORDER,
        "testMode": True,
        "status": status,
        "createdAt": "2026-03-10T15:21:00.000Z",
        "orderMerchantExternalId": checkout.id,
        "snapshotAmountDetails": money,
    }


@pytest.mark.parametrize(
    ("known", "title", "may_go_back"),
    [
        ([], "No payment has arrived", True),
        (["failed"], "No payment has arrived", True),
        (["failed", "succeeded"], "Your payment has been made", False),
        (["pending"], "We have not heard of a payment", False),
        (None, "We have not heard of a payment", False),
    ],
)
def test_whoever_was_not_heard_of_is_told_what_waffo_knows_and_is_not_led_to_pay_twice(
    shop: Shop, known: list[str] | None, title: str, may_go_back: bool
) -> None:
    # Given a payment page that has closed, and no webhook
    shop.press(link())
    (checkout,) = checkouts(shop)
    shop.wait(timedelta(hours=2))
    shop.waffo.graphql_fails = known is None
    shop.waffo.payments = [waffos_payment(checkout, status) for status in known or ()]

    # When the customer comes back
    page = shop.paid(f"/buy/{paid_token(SECRET, checkout.id)}/paid")

    # Then the page says what is known, and leads to another payment only where there is none
    assert title in text_of(page.body)
    assert "nothing has been charged" not in page.body
    assert ("/buy/gAAAA" in page.body) == may_go_back
    assert ("not pay again" in page.body) != may_go_back


def test_a_payment_of_other_money_is_said_so_until_somebody_has_decided(shop: Shop) -> None:
    shop.press(link())
    (checkout,) = checkouts(shop)
    path = f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    pay(shop, checkout, chargedAmount="3.00", listPrice={"total": "3.00", "subtotal": "3.00"}, amount="3.00")
    assert "needs a look" in text_of(shop.paid(path).body)
    shop.world.take(refund(f"{ORDER}PAY_1", "PAY_1", "RF_1", "2026-03-11", amount="3.00", of="3.00"))
    assert "Your payment has been refunded" in text_of(shop.paid(path).body)


@pytest.mark.parametrize(
    ("amount", "title", "left"),
    [
        ("4.00", "Your payment has been refunded", "10,000"),
        ("1.00", "A part of your payment has been refunded", "85,000"),
    ],
)
def test_the_page_after_a_payment_follows_its_refunds(shop: Shop, amount: str, title: str, left: str) -> None:
    """Issue 16: nothing is said to be added that was taken back."""
    shop.press(link())
    (checkout,) = checkouts(shop)
    pay(shop, checkout)
    shop.world.take(refund(f"{ORDER}PAY_1", "PAY_1", "RF_1", "2026-03-11", amount=amount, of="4.00"))
    text = text_of(shop.paid(f"/buy/{paid_token(SECRET, checkout.id)}/paid").body)
    assert title in text
    assert f"You have now {left} tokens" in text
    assert "tokens added" not in text


def test_overage_that_was_no_longer_owed_is_said_to_be_yours_to_use(shop: Shop) -> None:
    shop.use(30_350)
    shop.press(link("overage"))
    (checkout,) = checkouts(shop)
    shop.call(api_event("overage_forgive", body={"id": "goodwill-1", "quantity": 20_350}))
    pay(shop, checkout)
    text = text_of(shop.paid(f"/buy/{paid_token(SECRET, checkout.id)}/paid").body)
    assert "It is yours to use instead" in text
    assert "You have now 20,350 tokens" in text
    assert "Paid:" not in text


def test_a_pack_that_was_paid_twice_is_said_so_until_one_payment_is_refunded(shop: Shop) -> None:
    shop.press(link())
    (checkout,) = checkouts(shop)
    path = f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    pay(shop, checkout)
    pay(shop, checkout, "PAY_2")
    text = text_of(shop.paid(path).body)
    assert "You have paid more than once" in text
    assert "You have now 210,000 tokens" in text
    shop.world.take(refund(f"{ORDER}PAY_2", "PAY_2", "RF_1", "2026-03-11", amount="4.00", of="4.00"))
    assert "100,000 tokens added" in text_of(shop.paid(path).body)


@pytest.mark.parametrize(
    ("then", "title"),
    [
        ([], "You are on Starter now"),
        (["changed"], "Your plan has changed since"),
        (["canceled"], "Your plan has ended"),
        (["refunded"], "Your payment has been refunded"),
        (["partly"], "A part of your payment has been refunded"),
    ],
)
def test_the_page_after_a_plan_follows_its_order(shop: Shop, then: list[str], title: str) -> None:
    shop.press(link("plan"))
    (checkout,) = checkouts(shop)
    facts: dict[str, Any] = {"orderMerchantExternalId": checkout.id}
    charge: dict[str, Any] = {"paymentId": "PAY_1", "chargedAmount": "9.00", "amount": "9.00"}
    shop.world.take(lifecycle("activated", ORDER, "2026-03-10", *PERIOD, currency="USD", **facts))
    shop.world.take(lifecycle("payment_succeeded", ORDER, "2026-03-10", *PERIOD, **charge))
    for what in then:
        if what == "changed":
            shop.world.take(lifecycle("plan_changed", "ORD_2", "2026-03-12", *PERIOD, plan="pro", currency="USD"))
        elif what == "canceled":
            shop.world.take(lifecycle("canceled", ORDER, "2026-03-12", *PERIOD))
        else:
            amount = "9.00" if what == "refunded" else "3.00"
            shop.world.take(refund(ORDER, "PAY_1", "RF_1", "2026-03-11", amount=amount, of="9.00"))
    text = text_of(shop.paid(f"/buy/{paid_token(SECRET, checkout.id)}/paid").body)
    assert title in text
    assert ("You are on" in text) == (not then)


def test_the_page_of_a_customer_who_was_erased_is_over(shop: Shop) -> None:
    erasures = Erasures(shop.metering.table, lambda: SECRET)
    shop.metering = replace(shop.metering, erasures=erasures)
    shop.press(link())
    (checkout,) = checkouts(shop)
    path = f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    pay(shop, checkout)
    assert "110,000 tokens" in text_of(shop.paid(path).body)
    erase_customer(erasures, "acct_1001", NOW, may_go_on=lambda: True)
    page = shop.paid(path)
    assert (page.status, "tokens" in text_of(page.body)) == (HTTPStatus.GONE, False)


def test_a_page_that_waits_goes_on_looking_after_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 16: what htmx gets in place of the page is not shown, and a page without it comes again by itself."""
    shop.press(link())
    (checkout,) = checkouts(shop)
    path = f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    waiting = shop.paid(path).body
    assert 'hx-trigger="load delay:2s, every 10s"' in waiting
    assert 'hx-status:4xx="swap:none" hx-status:5xx="swap:none"' in waiting

    def down(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(Table, "get", down)
    closed = shop.paid(path, look="1")
    assert (closed.status, closed.headers["Refresh"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "10")
    assert "Refresh" not in shop.see(link()).headers


def test_the_page_after_a_payment_is_for_its_own_token_and_time(shop: Shop) -> None:
    assert shop.paid("/buy/chk_1.nonsense/paid").status == HTTPStatus.NOT_FOUND
    assert shop.paid(f"{link()}/paid").status == HTTPStatus.NOT_FOUND
    assert shop.paid(f"/buy/{paid_token(SECRET, 'chk_unknown')}/paid").status == HTTPStatus.GONE
    shop.press(link())
    (checkout,) = checkouts(shop)
    shop.wait(timedelta(days=9))
    assert shop.paid(f"/buy/{paid_token(SECRET, checkout.id)}/paid").status == HTTPStatus.GONE


def test_a_product_of_its_own_sells_a_meter_s_packs(shop: Shop) -> None:
    general = CATALOG.usage_product
    assert general is not None
    own = replace(general, name="Tokens", product_ids={"test": "PROD_8tTokensOneTime0000001"})
    narrow = UsageProduct(own, frozenset({"tokens"}), frozenset({"top_up"}))
    shop.metering = replace(shop.metering, catalog=replace(CATALOG, usage_products=(narrow,)))
    shop.press(link())
    assert shop.waffo.sessions[0]["productId"] == "PROD_8tTokensOneTime0000001"


def pay(shop: Shop, checkout: Checkout, payment_id: str = "PAY_1", **data: object) -> None:
    """Let the webhook of a checkout's payment arrive."""
    price = checkout.amount.display
    money = {"listPrice": {"total": price, "subtotal": price}, "chargedAmount": price, "amount": price}
    facts = {"paymentId": payment_id, "productMetadata": {"kind": "usage"}, "orderMerchantExternalId": checkout.id}
    order = f"{ORDER}{payment_id}"
    shop.world.take(event("order.completed", order, "2026-03-10", payment_id, **{**money, **facts, **data}))


def test_whoever_goes_on_using_pays_what_was_shown_and_the_rest_later(shop: Shop) -> None:
    """Issue 16: what was seen is sold as seen while it is owed, and three checkouts cost what one would."""
    # Given a customer who is shown what is owed, and uses more before each press of the button
    uses = [(30_350, 5_000), (20_000, 137), (30_000, 99_999)]
    for number, (before, meanwhile) in enumerate(uses):
        shop.wait(timedelta(minutes=1))
        shop.use(before, f"before{number}")
        page = shop.see(link("overage"))
        shop.use(meanwhile, f"meanwhile{number}")

        # Then just what was shown is sold
        assert shop.press(link("overage"), page).status == HTTPStatus.SEE_OTHER
        checkout = checkouts(shop)[0]
        assert f'value="overage tokens {checkout.quantity} {checkout.amount.display} USD' in page.body
        pay(shop, checkout, f"PAY_{number}")

    # And 75,487 tokens in three parts cost what 76 begun thousands do
    sold = [(int(each.quantity), each.amount.display, each.status) for each in reversed(checkouts(shop))]
    assert sold == [(20_350, "0.84", "paid"), (25_000, "1.00", "paid"), (30_137, "1.20", "paid")]
    assert "Pay for 99,999 tokens" in text_of(shop.see(link("overage")).body)


def test_overage_of_which_a_part_was_paid_meanwhile_is_shown_anew(shop: Shop) -> None:
    shop.use(30_350)
    page = shop.see(link("overage"))
    shop.call(api_event("overage_forgive", body={"id": "goodwill-1", "quantity": 5_000}))
    changed = shop.press(link("overage"), page)
    assert (changed.status, shop.waffo.sessions) == (HTTPStatus.CONFLICT, [])
    assert "Pay for 15,350 tokens beyond your plan" in text_of(changed.body)


def test_the_page_that_is_left_when_nothing_is_owed_any_more_says_so(shop: Shop) -> None:
    shop.use(30_350)
    page = shop.see(link("overage"))
    shop.call(api_event("overage_forgive", body={"id": "goodwill-1", "quantity": 20_350}))
    changed = shop.press(link("overage"), page)
    assert changed.status == HTTPStatus.CONFLICT
    assert "You owe nothing any more" in text_of(changed.body)


def test_a_pack_that_was_shown_for_too_small_a_debt_is_sold_though_the_debt_has_grown(shop: Shop) -> None:
    shop.use(10_500)
    page = shop.see(link("overage"))
    assert "Buy 100,000 tokens" in text_of(page.body)
    shop.use(50_000, "e2")
    assert shop.press(link("overage"), page).status == HTTPStatus.SEE_OTHER
    assert checkouts(shop)[0].kind == "top_up"


@pytest.mark.parametrize("kind", ["top_up", "overage", "plan"])
def test_a_form_sent_again_after_its_own_payment_leads_to_what_that_brought(shop: Shop, kind: LinkKind) -> None:
    # Given a page, its payment made and told of
    shop.use(30_350)
    page = shop.see(link(kind))
    shop.press(link(kind), page)
    (checkout,) = checkouts(shop)
    if kind == "plan":
        shop.world.take(lifecycle("activated", ORDER, "2026-03-10", *PERIOD, orderMerchantExternalId=checkout.id))
    else:
        pay(shop, checkout)

    # When the form is sent again, from the page that the browser goes back to
    again = shop.press(link(kind), page)

    # Then no second session is made
    assert again.status == HTTPStatus.SEE_OTHER
    assert again.headers["Location"] == f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    assert len(shop.waffo.sessions) == 1


def test_a_form_sent_again_while_its_payment_is_on_its_way_leads_to_the_page_that_waits(shop: Shop) -> None:
    page = shop.see(link())
    shop.press(link(), page)
    (checkout,) = checkouts(shop)
    shop.waffo.payments = [waffos_payment(checkout, "succeeded")]
    again = shop.press(link(), page)
    assert again.headers["Location"] == f"/buy/{paid_token(SECRET, checkout.id)}/paid"
    assert "Waiting for your payment" in text_of(shop.paid(again.headers["Location"]).body)


def test_a_trial_that_was_not_heard_of_is_no_missing_payment(shop: Shop) -> None:
    shop.press(link("plan"))
    (checkout,) = checkouts(shop)
    shop.waffo.order(ORDER, "starter", status="trialing", orderMerchantExternalId=checkout.id)
    shop.wait(timedelta(hours=2))
    text = text_of(shop.paid(f"/buy/{paid_token(SECRET, checkout.id)}/paid").body)
    assert "Please do not pay again" in text


def test_more_is_sold_to_whoever_was_told_of_the_purchase_and_the_notice_stays(shop: Shop) -> None:
    # Given a pack that was bought
    shop.press(link())
    pay(shop, checkouts(shop)[0])

    # When another one is wanted, by a page that says so
    page = shop.see(link())
    assert "You have bought this already" in text_of(page.body)
    assert shop.press(link(), page).status == HTTPStatus.SEE_OTHER
    assert len(shop.waffo.sessions) == 2

    # Then the page goes on saying so while the second payment page is open
    text = text_of(shop.see(link()).body)
    assert "A payment page for this is open already" in text
    assert "You have bought this already: 100,000 tokens for $4.00" in text
    shop.wait(timedelta(days=2))
    assert "You have bought this already" not in text_of(shop.see(link()).body)
