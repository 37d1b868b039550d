"""Issue 11, point 8: the simulator sells a trial in each form that Waffo's could have; the official SDK is the client."""

from typing import Any

import pytest

from tests.support.waffo_simulator import PRO, STORE_ID, USAGE, RunningSimulator

BOUGHT, ENDS, RENEWS = "2026-03-10T15:14:30.000Z", "2026-03-24T15:14:30.000Z", "2026-04-24T15:14:30.000Z"
SHOWN = """query ($id: ID!) { subscriptionOrder(id: $id) {
  status isInTrial willRenew currentPeriodStart currentPeriodEnd currentPeriodNumber
  priceSnapshot { specialPhaseDays specialPhase { total } regularPhase { total } }
  payments { periodNumber pspAmountDetails { amount } }
} }"""


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    running.sim("clock", now=BOUGHT, stopped=True)
    return running


def buy(sim: RunningSimulator, product: str = PRO, buyer: str = "acct_1001", **fields: Any) -> dict[str, Any]:
    """Pay a checkout that the SDK made; the order."""
    params = {"productId": product, "currency": "USD", "buyerIdentity": buyer, **fields}
    [made] = sim.sdk(("checkout.authenticated.create", params))
    paid: dict[str, Any] = sim.sim(f"checkout/{made['result']['sessionId']}/pay", token=made["result"]["token"])
    return paid


def shown(sim: RunningSimulator, order: dict[str, Any]) -> dict[str, Any]:
    """The order as GraphQL has it."""
    answer = sim.post_signed("/v1/graphql", {"query": SHOWN, "variables": {"id": order["id"]}})
    found: dict[str, Any] = answer.json()["data"]["subscriptionOrder"]
    return found


def told(sim: RunningSimulator) -> list[tuple[str, int | None, str | None, str | None]]:
    """What the events say: type, number, status, amount."""
    said = []
    for event in sim.events():
        data = event["data"]
        price = data.get("planPrice", {}).get("total")
        said.append(
            (event["eventType"], data.get("periodNumber"), data.get("orderStatus"), data.get("chargedAmount", price))
        )
    return said


@pytest.mark.parametrize("conversion", ["renewed", "charge"])
@pytest.mark.parametrize("status", ["trialing", "active"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_trial_begins_and_becomes_the_paid_period_in_every_form(
    sim: RunningSimulator, number: int, status: str, conversion: str
) -> None:
    # Given
    sim.sim("settings", trial_number=number, trial_status=status, trial_conversion=conversion)
    sim.sim("trial", product=PRO, days=14)
    # When
    order = buy(sim)
    # Then
    begun = shown(sim, order)
    assert (begun["status"], begun["isInTrial"], begun["willRenew"]) == (status, True, True)
    assert (begun["currentPeriodStart"], begun["currentPeriodEnd"]) == (BOUGHT, ENDS)
    assert begun["currentPeriodNumber"] == number
    assert begun["priceSnapshot"]["specialPhaseDays"] == 14
    assert begun["priceSnapshot"]["specialPhase"]["total"] == "0.00"
    assert begun["priceSnapshot"]["regularPhase"]["total"] == "29.00"
    # When its end has passed
    sim.sim("clock", now=ENDS, stopped=True)
    # Then
    paid = shown(sim, order)
    assert (paid["status"], paid["isInTrial"], paid["currentPeriodNumber"]) == ("active", False, number + 1)
    assert (paid["currentPeriodStart"], paid["currentPeriodEnd"]) == (ENDS, RENEWS)
    assert [payment["pspAmountDetails"]["amount"] for payment in paid["payments"]] == ["29.00", "0.00"]
    renewed = [("subscription.renewed", number + 1, "active", "29.00")] if conversion == "renewed" else []
    assert told(sim) == [
        ("subscription.payment_succeeded", number, None, "0.00"),
        ("subscription.activated", number, status, "0.00"),
        ("subscription.payment_succeeded", number + 1, None, "29.00"),
        *renewed,
    ]
    # Then the paid periods go on from the trial's end, and every renewal is told
    sim.sim("clock", now=RENEWS, stopped=True)
    assert told(sim)[-1] == ("subscription.renewed", number + 2, "active", "29.00")


def test_a_product_made_with_trial_days_is_sold_with_its_trial_and_its_price(sim: RunningSimulator) -> None:
    # Given
    price = {"amount": "9.99", "taxCategory": "saas", "trialAmount": "1.00"}
    [made] = sim.sdk(
        (
            "subscriptionProducts.create",
            {
                "storeId": STORE_ID,
                "name": "Tried",
                "billingPeriod": "monthly",
                "prices": {"USD": price},
                "metadata": {"trialDays": 7, "plan": "pro"},
            },
        )
    )
    product = made["result"]["product"]
    assert product["prices"]["USD"] == price
    # When
    order = buy(sim, product["id"])
    # Then
    assert (order["trial_days"], order["is_trialing"]) == (7, True)
    assert [said[3] for said in told(sim)] == ["1.00", "1.00"]


@pytest.mark.parametrize(
    ("metadata", "trial_amount"), [({}, "1.00"), ({"trialDays": 7}, "9.99"), ({"trialDays": "soon"}, "1.00")]
)
def test_a_trials_price_needs_trial_days_and_is_lower(
    sim: RunningSimulator, metadata: dict[str, Any], trial_amount: str
) -> None:
    price = {"amount": "9.99", "taxCategory": "saas", "trialAmount": trial_amount}
    product = {"storeId": STORE_ID, "name": "Tried", "billingPeriod": "monthly", "prices": {"USD": price}}
    [refused] = sim.sdk(("subscriptionProducts.create", {**product, "metadata": metadata}))
    assert refused["error"]["status"] == 400


@pytest.mark.parametrize(("with_trial", "is_trialing"), [(None, True), (True, True), (False, False)])
def test_a_session_forces_a_trial_or_leaves_it_out(
    sim: RunningSimulator, with_trial: bool | None, is_trialing: bool
) -> None:
    sim.sim("trial", product=PRO, days=14)
    asked: dict[str, Any] = {} if with_trial is None else {"withTrial": with_trial}
    assert buy(sim, **asked)["is_trialing"] is is_trialing


def test_a_buyer_has_one_trial_of_a_product_unless_it_is_forced(sim: RunningSimulator) -> None:
    sim.sim("trial", product=PRO, days=14)
    orders = [buy(sim), buy(sim), buy(sim, withTrial=True), buy(sim, buyer="acct_1002")]
    assert [order["is_trialing"] for order in orders] == [True, False, True, True]


@pytest.mark.parametrize("status", ["trialing", "active"])
def test_a_cancelled_trial_goes_on_though_graphql_no_longer_calls_it_one(sim: RunningSimulator, status: str) -> None:
    # Given
    sim.sim("settings", trial_status=status)
    sim.sim("trial", product=PRO, days=14)
    order = buy(sim)
    # When
    [canceled] = sim.sdk(("orders.cancelSubscription", {"orderId": order["id"]}))
    # Then
    assert canceled["result"]["status"] == "canceling"
    seen = shown(sim, order)
    assert (seen["status"], seen["isInTrial"], seen["currentPeriodEnd"]) == ("canceling", False, ENDS)
    # When it is withdrawn, and cancelled again
    sim.sim(f"orders/{order['id']}/uncancel")
    assert (shown(sim, order)["status"], shown(sim, order)["isInTrial"]) == (status, True)
    sim.sim(f"orders/{order['id']}/cancel")
    # Then it ends with its trial, and was never charged
    sim.sim("clock", now=ENDS, stopped=True)
    assert shown(sim, order)["status"] == "canceled"
    assert [said[3] for said in told(sim) if said[0] == "subscription.payment_succeeded"] == ["0.00"]


def test_a_conversion_whose_charge_fails_is_overdue_and_recovers_into_the_paid_period(sim: RunningSimulator) -> None:
    # Given
    sim.sim("trial", product=PRO, days=14)
    order = buy(sim)
    # When
    sim.sim(f"orders/{order['id']}/past-due", at=ENDS)
    assert (shown(sim, order)["status"], shown(sim, order)["isInTrial"]) == ("past_due", False)
    sim.sim(f"orders/{order['id']}/recover", at="2026-03-25T00:00:00Z")
    # Then
    seen = shown(sim, order)
    assert (seen["status"], seen["currentPeriodStart"], seen["currentPeriodEnd"]) == ("active", ENDS, RENEWS)


@pytest.mark.parametrize("mode", ["new_order", "same_order"])
def test_a_plan_change_ends_the_trial(sim: RunningSimulator, mode: str) -> None:
    # Given
    sim.sim("settings", plan_change=mode)
    sim.sim("trial", product=PRO, days=14)
    order = buy(sim)
    # When
    changed = sim.sim("plan-change", order_id=order["id"], product="Scale monthly", at="2026-03-12T00:00:00Z")
    # Then
    assert (changed["is_trialing"], changed["status"]) == (False, "active")
    assert changed["period_end"] == "2026-04-12T00:00:00.000Z"


def test_a_discount_leaves_less_to_pay_or_nothing(sim: RunningSimulator) -> None:
    # When
    price = {"amount": "18.00", "taxCategory": "saas"}
    sold: list[dict[str, Any]] = [{"productId": USAGE, "priceSnapshot": price}, {"productId": PRO}]
    for params in sold:
        [made] = sim.sdk(("checkout.anonymous.create", {"currency": "USD", **params}))
        sim.sim(f"checkout/{made['result']['sessionId']}/pay", charged="0.00", buyer_identity="acct_1001")
    # Then
    once, charge, activated = (event["data"] for event in sim.events())
    assert (once["chargedAmount"], once["listPrice"]["total"]) == ("0.00", "18.00")
    assert (charge["chargedAmount"], charge["listPrice"]["total"], charge["periodNumber"]) == ("0.00", "29.00", 1)
    assert activated["planPrice"]["total"] == "29.00"
