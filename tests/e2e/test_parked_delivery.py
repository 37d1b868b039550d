"""A webhook that nobody can place, over real HTTP: it is listed, told whose it is, and applied."""

import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_scenario_22_39_a_parked_delivery_is_listed_assigned_and_applied(stack: Stack, customer_id: str) -> None:
    # Given a subscription whose checkout named no customer
    order_id = stack.simulate("subscriptions", {"product": "Starter"})["id"]
    stack.simulate("flush")
    of_order = stack.api.get("/v1/deliveries", params={"order_id": order_id}).raise_for_status().json()["deliveries"]
    by_type = {delivery["event_type"]: delivery for delivery in of_order}
    activated = by_type["subscription.activated"]
    assert {(each["verdict"], each["reason"]) for each in of_order} == {("parked", "customer_unknown")}
    parked = stack.api.get("/v1/deliveries", params={"verdict": "parked"}).raise_for_status().json()["deliveries"]
    assert activated["delivery_id"] in {delivery["delivery_id"] for delivery in parked}
    path = f"/v1/deliveries/{activated['delivery_id']}"
    assert order_id in stack.api.get(path).raise_for_status().json()["body"]

    # When the operator says whose it is, twice
    answers = [stack.api.post(f"{path}/assign", json={"customer_id": customer_id}) for _ in range(2)]

    # Then it is applied once, and with it what else waited for that order
    assert [answer.json()["verdict"] for answer in answers] == ["applied", "applied"]
    assert [answer.json()["repeated"] for answer in answers] == [False, True]
    assert answers[0].json()["unparked"] == len(of_order) - 1
    quota = stack.quota(customer_id)
    assert (quota["plan"], quota["available"]) == ("starter", 100_000)
    assert stack.api.post(f"{path}/replay").json()["repeated"] is True
    assert stack.api.get("/v1/deliveries/" + "0" * 64).status_code == 404
