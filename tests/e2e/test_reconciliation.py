"""Webhooks that never come, over real HTTP: the stack asks Waffo, and heals."""

from typing import Any

import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

MONTH_SECONDS = 31 * 24 * 3600
RUNS_MAX = 20


def reconcile(stack: Stack) -> list[dict[str, Any]]:
    """Run until nothing is left: a run is bounded, and other tests' customers are Waffo's too."""
    reports: list[dict[str, Any]] = []
    for _ in range(RUNS_MAX):
        response = stack.api.post("/v1/reconciliations")
        assert response.status_code == 200, response.text
        reports.append(response.json())
        if not reports[-1]["left"]:
            return reports
    raise AssertionError(f"there was always something left: {reports[-1]}")


def test_a_subscription_whose_webhooks_are_lost_for_good_is_healed_on_demand(stack: Stack, customer_id: str) -> None:
    # Given a customer who becomes a subscriber, and every webhook of it is lost, all four attempts
    event = {"id": "call-1", "customer_id": customer_id, "meter": "tokens", "quantity": 1}
    assert stack.api.post("/v1/usage", json={"events": [event]}).json()["counted"] == 1
    stack.simulate("faults", {"drop": 1.0})
    try:
        order_id = stack.simulate("subscriptions", {"product": "Starter", "buyer_identity": customer_id})["id"]
        stack.simulate("flush")
    finally:
        stack.simulate("faults", {})
    assert stack.quota(customer_id)["plan"] == "free"

    # When
    reports = reconcile(stack)

    # Then
    assert sum(report["healed"] for report in reports) >= 2
    assert [report["failed"] for report in reports] == [0] * len(reports)
    quota = stack.quota(customer_id)
    assert (quota["plan"], quota["available"]) == ("starter", 100_000)
    causes = [(entry["cause"], entry["reference"]) for entry in stack.ledger(customer_id)]
    assert causes == [("reconciliation:subscription.activated", order_id), ("opened", None)]

    # And the delivery that Waffo could not deliver is kept with the others
    listed = stack.api.get("/v1/deliveries", params={"order_id": order_id}).json()["deliveries"]
    kept = [stack.api.get(f"/v1/deliveries/{each['delivery_id']}").json() for each in listed]
    assert {each["told_by"] for each in kept} == {"reconciliation"}

    # And a second time finds nothing of theirs
    assert [report["passes"]["deliveries"]["healed"] for report in reconcile(stack)] == [0]
    assert [(entry["cause"], entry["reference"]) for entry in stack.ledger(customer_id)] == causes


def test_without_an_api_key_nobody_reconciles(stack: Stack) -> None:
    response = stack.api.post("/v1/reconciliations", headers={"Authorization": ""})
    assert response.status_code in {401, 403}
