"""Overage from the first token to the last cent: what is owed, asked, paid, and told, over real HTTP."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_whole_life import pay_page

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ALLOWANCE = 10_000_000
OVERAGE = 120_350

# By hand. The plan `scale` sells overage by graduated tiers, priced per 1,000 tokens; 120,350 lie in the first one:
#   USD  0.015 a thousand: 120.350 x 0.015 = 1.80525  -> 1.81, half up to cents
#   JPY  2.25  a thousand: 120.350 x 2.25  = 270.7875 -> 271, yen have no decimals
# 1,120,350 would reach the second tier:
#   USD  1,000 x 0.015 + 120.350 x 0.012 = 15 + 1.4442 = 16.4442 -> 16.44
# Waffo adds tax, here 10 %, half up too: 0.181 -> 0.18, 27.1 -> 27, 1.644 -> 1.64.
# The plan itself is 199.00 dollars, with tax 218.90; or 30,000 yen, with tax 33,000.
PLAN = {"USD": (Decimal("199.00"), Decimal("19.90")), "JPY": (Decimal(30_000), Decimal(3_000))}


@pytest.mark.parametrize(
    ("currency", "overage", "amount", "tax"),
    [
        ("USD", OVERAGE, "1.81", "0.18"),
        ("JPY", OVERAGE, "271", "27"),
        ("USD", 1_000_000 + OVERAGE, "16.44", "1.64"),
    ],
)
def test_promise_10_overage_of_a_graduated_price_is_asked_paid_and_told_to_the_cent(
    stack: Stack, taxed_months: list[str], customer_id: str, currency: str, overage: int, amount: str, tax: str
) -> None:
    # Given a customer of `scale` who is so many tokens over
    sold_before = overage_revenue(stack, taxed_months, currency)
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

    # And so does the revenue report: this overage, for its plan, in its currency
    sold = overage_revenue(stack, taxed_months, currency)
    assert {name: sold[name] - sold_before[name] for name in sold} == {
        "received": Decimal(amount) + Decimal(tax),
        "tax": Decimal(tax),
        "net": Decimal(amount),
        "payments": Decimal(1),
    }
    (of_customer,) = customer_revenue(stack, taxed_months, customer_id)
    plan_price, plan_tax = PLAN[currency]
    assert (of_customer["currency"], of_customer["payments"], of_customer["refunds"]) == (currency, 2, 0)
    assert Decimal(of_customer["net"]) == plan_price + Decimal(amount)
    assert Decimal(of_customer["tax"]) == plan_tax + Decimal(tax)

    # And so does Waffo
    charges = {each["id"]: each["charged"] for each in stack.waffo.get("/_sim/state").json()["payments"]}
    assert Decimal(charges[receipt["payment_ids"][0]]) == Decimal(amount) + Decimal(tax)


@pytest.fixture
def taxed_months(stack: Stack) -> Iterator[list[str]]:
    """Let Waffo add 10 % tax meanwhile. The months in which payments of the test may be, by Waffo's clock."""
    now = datetime.fromisoformat(stack.waffo.get("/_sim/state").json()["now"])
    stack.simulate("settings", {"tax_rate_percent": 10})
    try:
        yield sorted({f"{now:%Y-%m}", f"{now + timedelta(hours=1):%Y-%m}"})
    finally:
        stack.simulate("settings", {"tax_rate_percent": 0})


def overage_revenue(stack: Stack, months: list[str], currency: str) -> dict[str, Decimal]:
    """What the revenue report says of all overage of `scale` in one currency."""
    params = {"from": months[0], "to": months[-1]}
    report = stack.api.get("/v1/reports/revenue", params=params).raise_for_status().json()
    rows = [
        row
        for month in report["months"]
        for revenue in month["currencies"]
        if revenue["currency"] == currency
        for row in revenue["rows"]
        if (row["sold"], row["plan"]) == ("overage", "scale")
    ]
    names = ("received", "tax", "net", "payments")
    return {name: sum((Decimal(row[name]) for row in rows), Decimal(0)) for name in names}


def customer_revenue(stack: Stack, months: list[str], customer_id: str) -> list[dict[str, Any]]:
    """What the report says of one customer."""
    answers = (
        stack.api.get("/v1/reports/revenue/customers", params={"month": month, "customer_id": customer_id})
        for month in months
    )
    return [row for answer in answers for row in answer.raise_for_status().json()["customers"]]


def checkout(stack: Stack, customer_id: str, currency: str) -> Any:
    body = {"kind": "overage", "meter": "tokens", "currency": currency}
    return stack.api.post(f"/v1/customers/{customer_id}/checkouts", json=body)
