"""What keeps a store in order, with the official SDK as the client: webhooks, products and product groups."""

from typing import Any

import pytest

from tests.support.waffo_simulator import PRO, SCALE, STORE_ID, RunningSimulator


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    return running


def webhooks(sim: RunningSimulator) -> list[dict[str, Any]]:
    query = "query ($id: ID!) { store(id: $id) { storeWebhooks { id url events testMode channel } } }"
    [answer] = sim.sdk(("graphql.query", {"query": query, "variables": {"id": STORE_ID}}))
    found: list[dict[str, Any]] = answer["result"]["data"]["store"]["storeWebhooks"]
    return found


def test_issue_14_7_a_webhook_is_listed_changed_and_removed(sim: RunningSimulator) -> None:
    # Given
    url = "https://api.example.com/waffo"
    wanted = {"storeId": STORE_ID, "channel": "http", "url": url, "events": ["order.completed"], "testMode": True}
    [added] = sim.sdk(("webhooks.add", wanted))
    webhook_id = added["result"]["webhook"]["id"]
    assert [each["events"] for each in webhooks(sim) if each["id"] == webhook_id] == [["order.completed"]]
    # When
    events = ["order.completed", "refund.succeeded"]
    [changed] = sim.sdk(("webhooks.update", {"id": webhook_id, "events": events}))
    # Then
    assert changed["result"]["webhook"]["events"] == events
    assert [each["events"] for each in webhooks(sim) if each["url"] == url] == [events]
    sim.sdk(("webhooks.remove", {"id": webhook_id}))
    assert url not in {each["url"] for each in webhooks(sim)}
    [gone] = sim.sdk(("webhooks.remove", {"id": webhook_id}))
    assert gone["error"]["status"] == 404


def test_issue_14_8_a_product_is_changed_published_and_taken_off_sale(sim: RunningSimulator) -> None:
    price = {"USD": {"amount": "35.00", "taxCategory": "saas"}}
    changed, published, ended, refused = sim.sdk(
        ("subscriptionProducts.update", {"id": PRO, "prices": price, "metadata": {"plan": "pro", "trialDays": "14"}}),
        ("subscriptionProducts.publish", {"id": PRO}),
        ("subscriptionProducts.updateStatus", {"id": PRO, "status": "inactive"}),
        ("checkout.createSession", {"productId": PRO, "currency": "USD"}),
    )
    assert changed["result"]["product"]["prices"] == price
    assert changed["result"]["product"]["name"] == "Pro monthly", "what is left out stays"
    assert published["result"]["product"]["id"] == PRO
    assert ended["result"]["product"]["status"] == "inactive"
    assert refused["error"]["status"] == 400
    query = "query ($id: ID!) { subscriptionProduct(id: $id) { status hasProdVersion metadata } }"
    [asked] = sim.sdk(("graphql.query", {"query": query, "variables": {"id": PRO}}))
    assert asked["result"]["data"]["subscriptionProduct"] == {
        "status": "inactive",
        "hasProdVersion": True,
        "metadata": '{"plan": "pro", "trialDays": "14"}',
    }


def test_issue_14_8_a_group_merges_rules_and_replaces_products(sim: RunningSimulator) -> None:
    # Given
    [made] = sim.sdk(
        (
            "subscriptionProductGroups.create",
            {"storeId": STORE_ID, "name": "Plans", "rules": {"sharedTrial": True}, "productIds": [PRO]},
        )
    )
    group = made["result"]["group"]
    assert group["rules"] == {"sharedTrial": True, "selfServicePlanChange": False}
    # When
    [changed] = sim.sdk(
        (
            "subscriptionProductGroups.update",
            {"id": group["id"], "rules": {"selfServicePlanChange": True}, "productIds": [PRO, SCALE]},
        )
    )
    # Then
    assert changed["result"]["group"]["rules"] == {"sharedTrial": True, "selfServicePlanChange": True}
    query = """query ($storeId: String!) {
      subscriptionProductGroups(storeId: $storeId) { id name rules { selfServicePlanChange } products { id } }
    }"""
    [asked] = sim.sdk(("graphql.query", {"query": query, "variables": {"storeId": STORE_ID}}))
    [listed] = asked["result"]["data"]["subscriptionProductGroups"]
    assert [each["id"] for each in listed["products"]] == [PRO, SCALE]
    published, deleted = sim.sdk(
        ("subscriptionProductGroups.publish", {"id": group["id"]}),
        ("subscriptionProductGroups.delete", {"id": group["id"]}),
    )
    assert published["result"]["group"]["id"] == deleted["result"]["group"]["id"] == group["id"]
