"""What is for sale, as a pricing page shows it: at the prices that a checkout asks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pancake_meter.domain.access.customer_token import CustomerToken
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http.access.caller import token_context
from tests.integration.checkouts.conftest import Shop
from tests.support.api import Answer, api_event


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
        "expires_after_days": 365,
    }
    # The plan of the customer has no price for requests, so nobody sells them.
    assert set(packs) == {"tokens", "agent_runs"}
    sold = shop.call(api_event("checkouts_top_up", body={"kind": "top_up", "meter": "tokens"}))
    assert sold.body["amount"] == packs["tokens"]["price"]


def test_prices_are_in_the_currency_that_is_asked_for(shop: Shop) -> None:
    listed = plans(shop, {"currency": "JPY"}).body
    assert (listed["currency"], listed["plans"][0]["price"]) == ("JPY", "1400")
    assert plans(shop, {"currency": "CHF"}).body == {"currency": "CHF", "plans": [], "top_ups": []}
    assert plans(shop, {"currency": "yen"}).status == 422


def test_a_token_names_its_customer_and_no_other(shop: Shop) -> None:
    assert plans(shop, token_of="acct_1001").status == 200
    assert plans(shop, {"customer_id": "acct_1001"}, token_of="acct_1001").status == 200
    other: Any = plans(shop, {"customer_id": "acct_1002"}, token_of="acct_1001")
    assert (other.status, other.body["code"]) == (403, "other_customer")
