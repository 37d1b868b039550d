"""What is for sale, as a pricing page shows it: at the prices that a checkout asks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pancake_meter.domain.access.customer_token import CustomerToken
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http.access.caller import token_context
from tests.integration.checkouts.conftest import Shop
from tests.support.api import Answer, api_event
from tests.support.webhook_world import World, lifecycle

ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"


def plans(shop: Shop, query: dict[str, str] | None = None, token_of: str | None = None) -> Answer:
    event = api_event("plans_list", query=query or {})
    if token_of is not None:
        ends = floor_ms(datetime.now(UTC) + timedelta(minutes=5))
        token = CustomerToken(token_of, frozenset({"read"}), ends, "token-1")
        event["requestContext"]["authorizer"]["lambda"] = dict(token_context(token))
    return shop.call(event)


def test_plans_are_listed_by_rank_with_the_price_of_their_first_product(shop: Shop) -> None:
    listed = plans(shop)
    assert (listed.status, listed.body["currency"]) == (200, "USD")
    shown = [(each["plan"], each["price"], each["billing_period"], each["is_current"]) for each in listed.body["plans"]]
    assert shown == [
        ("starter", "9.00", "monthly", False),
        ("agent", "99.00", "monthly", False),
        ("pro", "29.00", "monthly", False),
        ("scale", "199.00", "monthly", False),
    ]
    (starter, *_) = listed.body["plans"]
    assert starter["allowances"] == [{"meter": "tokens", "name": "Tokens", "quantity": 100000, "cadence": "billing"}]


def test_packs_cost_what_a_checkout_asks(shop: Shop) -> None:
    packs = {each["meter"]: each for each in plans(shop, {"customer_id": "acct_1001"}).body["top_ups"]}
    assert packs["tokens"] == {
        "meter": "tokens",
        "name": "Tokens",
        "quantity": 100000,
        "price": "4.00",
        "currency": "USD",
        "expires_after_days": 365,
    }
    # The plan of the customer has no price for requests, so nobody sells them.
    assert set(packs) == {"tokens", "agent_runs"}
    sold = shop.call(api_event("checkouts_top_up", body={"kind": "top_up", "meter": "tokens"}))
    assert sold.body["amount"] == packs["tokens"]["price"]


def test_prices_are_in_the_currency_that_is_asked_for(shop: Shop) -> None:
    listed = plans(shop, {"currency": "JPY"}).body
    assert (listed["currency"], listed["plans"][0]["price"]) == ("JPY", "1400")
    nothing = {"currency": "CHF", "currency_guessed": False, "plans": [], "top_ups": []}
    assert plans(shop, {"currency": "CHF"}).body == nothing
    unknown = plans(shop, {"currency": "ABC"})
    assert (unknown.status, unknown.body["code"]) == (422, "unknown_currency")
    assert plans(shop, {"currency": "yen"}).status == 422


def test_a_token_names_its_customer_and_no_other(shop: Shop) -> None:
    assert plans(shop, token_of="acct_1001").status == 200
    assert plans(shop, {"customer_id": "acct_1001"}, token_of="acct_1001").status == 200
    other: Any = plans(shop, {"customer_id": "acct_1002"}, token_of="acct_1001")
    assert (other.status, other.body["code"]) == (403, "other_customer")


def prices(body: Any) -> dict[str, tuple[str, str]]:
    """What is for sale by plan or meter, as (price, currency)."""
    sold = {each["plan"]: each for each in body["plans"]} | {each["meter"]: each for each in body["top_ups"]}
    return {name: (each["price"], each["currency"]) for name, each in sold.items()}


def sold(shop: Shop, **body: object) -> tuple[str, str]:
    opened = shop.checkout(**body)
    assert opened.status in (200, 201), opened.body
    return opened.body["amount"], opened.body["currency"]


def subscribed(shop: Shop, currency: str, plan: str = "Starter", order: str = ORDER) -> None:
    """The customer has an order, as its event tells."""
    world = World(shop.metering.table, shop.now)
    document = lifecycle("activated", order, "2026-03-10", "2026-03-10", "2026-04-10", currency=currency)
    document["data"]["productName"] = plan
    assert world.take(document).verdict == "applied"


def test_a_customer_is_shown_the_prices_at_which_each_checkout_sells(shop: Shop) -> None:
    subscribed(shop, "JPY")
    shown = plans(shop, token_of="acct_1001").body
    assert (shown["currency"], shown["currency_guessed"]) == ("JPY", False)
    listed = prices(shown)
    assert listed["pro"] == sold(shop, plan="pro") == ("4500", "JPY")
    assert listed["tokens"] == sold(shop, meter="tokens", kind="top_up")
    assert listed["tokens"][1] == "JPY"
    # Nobody had to ask Waffo for it.
    assert shop.failed_lookups == []


def test_overage_is_sold_in_the_currency_of_the_order(shop: Shop) -> None:
    subscribed(shop, "JPY", "Pro")
    shop.use(1_500_000)
    assert sold(shop, meter="tokens", kind="overage")[1] == "JPY"


def test_what_has_no_price_in_the_customer_s_currency_is_shown_and_sold_in_the_catalog_s(shop: Shop) -> None:
    subscribed(shop, "EUR")
    listed = prices(plans(shop, token_of="acct_1001").body)
    assert listed["tokens"] == sold(shop, meter="tokens", kind="top_up") == ("3.00", "USD")
    # A change keeps the currency of its order, in which no plan is sold.
    assert "pro" not in listed
    assert shop.checkout(plan="pro").status == 409


def test_prices_do_not_pretend_where_the_currency_of_an_order_is_not_known(shop: Shop) -> None:
    # Given an order as an earlier version kept it, and a Waffo that does not answer
    subscribed(shop, "unknown")
    shown = plans(shop, token_of="acct_1001").body
    assert (shown["currency"], shown["currency_guessed"]) == ("USD", True)
    # When it answers, there is no guess
    shop.waffo.order(ORDER, "starter", currency="JPY")
    again = plans(shop, token_of="acct_1001").body
    assert (again["currency"], again["currency_guessed"]) == ("JPY", False)
    assert prices(again)["tokens"] == sold(shop, meter="tokens", kind="top_up")


def test_the_query_takes_an_id_in_base64url_as_every_path_does(shop: Shop) -> None:
    subscribed(shop, "JPY")
    assert plans(shop, {"customer_id": "~b64.YWNjdF8xMDAx"}).body["currency"] == "JPY"
    assert plans(shop, {"customer_id": "~b64.!"}).status == 422
