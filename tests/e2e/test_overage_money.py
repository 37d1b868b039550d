"""Overage from the first token to the last cent: what is owed, asked, paid, and told, over real HTTP."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_whole_life import pay_page

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(300)]

ALLOWANCE = 10_000_000
OVERAGE = 120_350

# By hand. The plan `scale` sells overage by graduated tiers, priced per 1,000 tokens; 120,350 lie in the first one:
#   USD  0.015 a thousand: 120.350 x 0.015 = 1.80525  -> 1.81, half up to cents
#   JPY  2.25  a thousand: 120.350 x 2.25  = 270.7875 -> 271, yen have no decimals
# 1,120,350 would reach the second tier:
#   USD  1,000 x 0.015 + 120.350 x 0.012 = 15 + 1.4442 = 16.4442 -> 16.44


@pytest.mark.parametrize(
    ("currency", "overage", "amount", "plan_price"),
    [
        ("USD", OVERAGE, "1.81", "199.00"),
        ("JPY", OVERAGE, "271", "30000"),
        ("USD", 1_000_000 + OVERAGE, "16.44", "199.00"),
    ],
)
def test_promise_10_overage_of_a_graduated_price_is_asked_paid_and_told_to_the_cent(
    stack: Stack, customer_id: str, currency: str, overage: int, amount: str, plan_price: str
) -> None:
    # Given a customer of `scale` who is so many tokens over
    stack.simulate("subscriptions", {"product": "Scale", "buyer_identity": customer_id, "currency": currency})
    stack.simulate("flush")
    events = [
        {"id": "bulk", "customer_id": customer_id, "meter": "tokens", "quantity": ALLOWANCE},
        {"id": "over", "customer_id": customer_id, "meter": "tokens", "quantity": overage},
    ]
    assert stack.api.post("/v1/usage", json={"events": events}).json()["counted"] == 2
    assert stack.quota(customer_id)["overage"] == overage

    # When the seller asks for what is owed
    opened = checkout(stack, customer_id, currency)
    assert opened.status_code == HTTPStatus.CREATED, opened.text
    asked = opened.json()

    # Then it is the figure worked out by hand
    assert (asked["kind"], asked["quantity"], asked["currency"], asked["amount"]) == (
        "overage",
        overage,
        currency,
        amount,
    )

    # And asking again is the same checkout
    assert checkout(stack, customer_id, currency).json()["checkout_id"] == asked["checkout_id"]

    # When it is paid
    assert pay_page(asked["url"]).is_redirect
    stack.simulate("flush")

    # Then the debt is gone, and the receipt, the ledger and the revenue agree
    quota = stack.quota(customer_id)
    assert (quota["overage"], quota["used"]) == (0, ALLOWANCE + overage)
    assert checkout(stack, customer_id, currency).json()["code"] == "nothing_owed"
    receipt = stack.api.get(f"/v1/customers/{customer_id}/checkouts/{asked['checkout_id']}").json()
    assert (receipt["status"], receipt["flag"], receipt["amount"], len(receipt["payment_ids"])) == (
        "paid",
        None,
        amount,
        1,
    )
    paid_units = [
        Decimal(movement["quantity"])
        for entry in stack.ledger(customer_id)
        for movement in entry["movements"]
        if movement["kind"] == "overage_paid"
    ]
    assert sum(paid_units) == overage
    (revenue,) = revenue_of(stack, customer_id)
    assert (revenue["currency"], revenue["payments"]) == (currency, 2)
    assert Decimal(revenue["net"]) == Decimal(plan_price) + Decimal(amount)


def revenue_of(stack: Stack, customer_id: str) -> list[dict[str, Any]]:
    """The customer's rows of the revenue report, in the month that it is for the simulator, whose clock tests move."""
    month = stack.waffo.get("/_sim/state").json()["now"][:7]
    query = {"month": month, "customer_id": customer_id}
    rows: list[dict[str, Any]] = stack.api.get("/v1/reports/revenue/customers", params=query).json()["customers"]
    return rows


def checkout(stack: Stack, customer_id: str, currency: str) -> Any:
    body = {"kind": "overage", "meter": "tokens", "currency": currency}
    return stack.api.post(f"/v1/customers/{customer_id}/checkouts", json=body)
