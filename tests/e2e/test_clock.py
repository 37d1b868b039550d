"""Time on the local stack: what a customer lives through in months can be lived through in seconds."""

from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def move(stack: Stack, span: timedelta) -> None:
    stack.simulate("clock", {"advance_seconds": span // timedelta(seconds=1)})
    stack.simulate("flush")


def hold(stack: Stack, customer_id: str, quantity: int, hold_id: str, meter: str = "tokens") -> int:
    body = {"meter": meter, "quantity": quantity, "id": hold_id}
    return stack.api.post(f"/v1/customers/{customer_id}/holds", json=body).status_code


def test_promise_6_a_free_plans_reset_and_a_holds_expiry_can_be_lived_through(stack: Stack, customer_id: str) -> None:
    # Given a free customer who holds all that there is
    assert hold(stack, customer_id, 10_000, "forgotten") == HTTPStatus.CREATED
    assert hold(stack, customer_id, 1, "call-1") == HTTPStatus.PAYMENT_REQUIRED

    # When the hold's five minutes are over, its units are back
    move(stack, timedelta(minutes=6))
    assert hold(stack, customer_id, 10_000, "call-2") == HTTPStatus.CREATED
    path = f"/v1/customers/{customer_id}/holds/tokens~10000~call-2/settle"
    used_up = stack.api.post(path, json={"quantity": 10_000}).json()["quota"]
    assert (used_up["available"], used_up["alert"]) == (0, 1)

    # And when the month is over, so is what was used in it
    ends = datetime.fromisoformat(used_up["resets_at"])
    move(stack, timedelta(days=31, minutes=1))
    fresh = stack.quota(customer_id)
    assert (fresh["used"], fresh["available"]) == (0, 10_000)
    assert datetime.fromisoformat(fresh["period"]["start"]) == ends


def test_a_grace_can_be_lived_through(stack: Stack, customer_id: str) -> None:
    # Given a customer of a plan that ends access 72 hours after a renewal has failed
    order = stack.simulate("subscriptions", {"product": "Agent", "buyer_identity": customer_id})["id"]
    stack.simulate("flush")
    renewal = datetime.fromisoformat(stack.quota(customer_id, "agent_runs")["period"]["end"])
    stack.simulate("clock", {"now": f"{renewal - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"})
    stack.simulate(f"orders/{order}/past-due", {"grace_days": 7})
    stack.simulate("flush")

    # Then it is as it was within the grace
    move(stack, timedelta(hours=71))
    assert stack.quota(customer_id, "agent_runs")["plan"] == "agent"

    # And access ends with it, until the payment is made
    move(stack, timedelta(hours=2))
    over = stack.quota(customer_id, "agent_runs")
    assert (over["plan"], over["available"], over["past_due"]) == ("agent", 0, True)
    assert hold(stack, customer_id, 1, "call-1", "agent_runs") == HTTPStatus.PAYMENT_REQUIRED
    stack.simulate(f"orders/{order}/recover")
    stack.simulate("flush")
    assert stack.quota(customer_id, "agent_runs")["plan"] == "agent"
    assert hold(stack, customer_id, 1, "call-1", "agent_runs") == HTTPStatus.CREATED
