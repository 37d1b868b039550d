"""The simulator's faults: each does what it says, and the same each time."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.waffo_simulator import PRO, SCALE, STORE_ID, USAGE, RunningSimulator, simulator

CREATE = "/v1/actions/checkout/create-session"
OVERAGE = {"productId": USAGE, "currency": "USD", "priceSnapshot": {"amount": "18.00", "taxCategory": "saas"}}
FAILED = f"""{{ webhookDeliveries(storeId: "{STORE_ID}", limit: 100, filter: {{ status: {{ eq: "failed" }} }})
  {{ eventType status httpStatus attemptCount payload }} }}"""
LIFE = (
    *("activated", "plan_changed", "canceled", "past_due", "recovered", "canceling", "uncanceled", "renewed"),
    *("plan_change_scheduled", "plan_change_failed"),
)


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    return running


def subscribe_and_renew(sim: RunningSimulator, renewals: int = 4) -> None:
    """Two events each time, all at known times."""
    sim.sim("clock", now="2026-03-10T15:14:30Z", stopped=True)
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")["id"]
    for month in range(renewals):
        sim.sim(f"orders/{order}/renew", at=f"2026-{month + 4:02}-10T15:14:30Z")


def told(event: dict[str, Any]) -> tuple[str, int]:
    return event["eventType"].partition(".")[2], event["data"]["periodNumber"]


def failed_deliveries(sim: RunningSimulator) -> list[dict[str, Any]]:
    answer = sim.post_signed("/v1/graphql", {"query": FAILED})
    found: list[dict[str, Any]] = answer.json()["data"]["webhookDeliveries"]
    return found


def test_duplicates_are_the_same_bytes_under_the_same_signature(sim: RunningSimulator) -> None:
    # Given: scenarios 1 and 2
    sim.sim("faults", duplicate=2)
    # When
    sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
    sim.sim("flush")
    # Then
    requests = [(one.headers["x-waffo-signature"], one.body) for one in sim.sink.received]
    assert len(requests) == 6
    assert len(set(requests)) == 2
    assert [delivery["status"] for delivery in sim.http.get("/_sim/deliveries").json()["deliveries"]] == ["success"] * 2


def test_without_faults_events_arrive_in_order(sim: RunningSimulator) -> None:
    # When
    subscribe_and_renew(sim)
    # Then
    expected = [("payment_succeeded", 1), ("activated", 1)]
    for period in range(2, 6):
        expected += [("payment_succeeded", period), ("renewed", period)]
    assert [told(event) for event in sim.events()] == expected


def test_a_shuffle_has_every_event_once_in_an_order_that_the_seed_decides(sim: RunningSimulator) -> None:
    # When
    orders = []
    for seed in (1, 1, 2):
        sim.begin_again()
        sim.sim("faults", shuffle=True, seed=seed)
        subscribe_and_renew(sim)
        assert sim.sink.received == []
        orders.append([told(event) for event in sim.events()])
    # Then
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    assert len(set(orders[0])) == 10


def test_a_shuffle_within_a_window_lets_a_full_window_go(sim: RunningSimulator) -> None:
    # Given
    sim.sim("faults", shuffle=4)
    # When: ten events, two full windows and a rest that waits
    subscribe_and_renew(sim)
    deadline = time.monotonic() + 10
    while len(sim.sink.received) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    arrived = len(sim.sink.received)
    events = [told(event) for event in sim.events()]
    # Then
    assert (arrived, len(events), len(set(events))) == (8, 10, 10)
    assert {period for _, period in events[:4]} == {1, 2}


def test_delayed_events_arrive_when_they_are_flushed(sim: RunningSimulator) -> None:
    # Given
    sim.sim("faults", delay_seconds=600)
    # When
    sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
    before = len(sim.sink.received)
    # Then
    assert (before, len(sim.events())) == (0, 2)


def test_dropped_events_never_arrive_and_wait_for_the_reconciler_with_their_payload(sim: RunningSimulator) -> None:
    # Given: scenario 23
    sim.sim("faults", drop=1)
    # When
    subscribe_and_renew(sim, renewals=0)
    # Then
    [arrived] = sim.events()
    assert told(arrived) == ("activated", 1)
    [lost] = failed_deliveries(sim)
    assert (lost["eventType"], lost["attemptCount"]) == ("subscription.payment_succeeded", 4)
    assert '"eventType":"subscription.payment_succeeded"' in lost["payload"]


def test_an_outage_loses_every_kind_of_event_for_good_and_graphql_keeps_each_payload(sim: RunningSimulator) -> None:
    # Given: scenario 23
    sim.sim("faults", drop=1.0)
    # When: a life with a plan change as a new order, a lapse and its recovery, refunds in part and in full
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
    order = sim.sim("plan-change", order_id=order["id"], product=SCALE, timing="immediate")
    sim.sim(f"orders/{order['id']}/past-due")
    sim.sim(f"orders/{order['id']}/recover")
    sim.sim(f"orders/{order['id']}/cancel")
    sim.sim(f"orders/{order['id']}/uncancel")
    sim.sim("plan-change", order_id=order["id"], product=PRO, timing="next_period")
    sim.sim("plan-change", order_id=order["id"], fail=True)
    sim.sim(f"orders/{order['id']}/renew")
    payment = sim.http.get("/_sim/state").json()["payments"][-1]
    sim.sim(f"payments/{payment['id']}/refund", amount="9.00")
    sim.sim(f"payments/{payment['id']}/refund", fail=True)
    sim.sim(f"payments/{payment['id']}/refund")
    # Then
    assert sim.events() == []
    lost = failed_deliveries(sim)
    assert {each["attemptCount"] for each in lost} == {4}
    assert {each["eventType"] for each in lost} == {
        *(f"subscription.{kind}" for kind in LIFE),
        "subscription.payment_succeeded",
        "refund.succeeded",
        "refund.failed",
    }
    assert all(json.loads(each["payload"])["eventType"] == each["eventType"] for each in lost)


def test_a_graphql_that_lags_shows_what_was_until_it_catches_up(sim: RunningSimulator) -> None:
    # Given: scenario 24
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
    sim.sim("faults", graphql_lags=True)
    # When
    sim.sim(f"orders/{order['id']}/cancel", immediately=True)
    query = {"query": "query($id: ID!) { subscriptionOrder(id: $id) { status } }", "variables": {"id": order["id"]}}

    def shown() -> str:
        status: str = sim.post_signed("/v1/graphql", query).json()["data"]["subscriptionOrder"]["status"]
        return status

    # Then
    assert sim.http.get("/_sim/state").json()["orders"][0]["status"] == "canceled"
    assert shown() == "active"
    sim.sim("faults")
    assert shown() == "canceled"


def test_drops_by_chance_are_the_same_for_the_same_seed(sim: RunningSimulator) -> None:
    # When
    runs = []
    for seed in (3, 3, 4):
        # What an earlier test has sent must be there before all is forgotten.
        sim.sim("flush")
        sim.begin_again()
        sim.sim("faults", drop=0.5, seed=seed)
        subscribe_and_renew(sim)
        runs.append([told(event) for event in sim.events()])
    # Then
    assert runs[0] == runs[1] != runs[2]
    assert 0 < len(runs[0]) < 10


def test_what_is_not_answered_2xx_is_tried_four_times_under_one_stamp_and_then_failed(sim: RunningSimulator) -> None:
    # Given: one event gets through at the last attempt, one not even then
    sim.sink.statuses = [503, 500, 404, 204, 503, 503, 503, 503]
    # When
    for number in ("1", "2"):
        sim.sim("events", event={"eventType": "subscription.something_new", "eventId": number})
        sim.sim("flush")
    # Then
    requests = [(one.headers["x-waffo-signature"], one.body) for one in sim.sink.received]
    assert [len(set(requests[:4])), len(set(requests[4:])), len(requests)] == [1, 1, 8]
    [failed] = failed_deliveries(sim)
    assert (failed["payload"], failed["httpStatus"], failed["attemptCount"]) == (requests[-1][1].decode(), 503, 4)
    # When it is sent again by hand
    resent = sim.http.get("/_sim/deliveries").json()["deliveries"][-1]["id"]
    sim.sim(f"deliveries/{resent}/resend")
    sim.sim("flush")
    # Then
    assert failed_deliveries(sim) == []


def test_an_endpoint_that_is_not_there_is_a_failed_delivery_too() -> None:
    # Given
    with simulator(webhook_url="http://127.0.0.1:9/nobody") as sim:
        # When
        sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
        sim.sim("flush")
        # Then
        assert [(one["status"], one["httpStatus"]) for one in failed_deliveries(sim)] == [("failed", None)] * 2


def test_a_session_whose_answer_is_lost_is_made_and_found_again_by_its_key(sim: RunningSimulator) -> None:
    # Given: scenario 71
    sim.sim("faults", create_session_timeout_after_commit=1, hold_seconds=0)
    # When
    lost = sim.post_signed(CREATE, OVERAGE, **{"X-Idempotency-Key": "ovg_1"})
    found = sim.post_signed(CREATE, OVERAGE, **{"X-Idempotency-Key": "ovg_1"})
    # Then
    [session] = sim.http.get("/_sim/state").json()["sessions"]
    assert (lost.status_code, lost.json()["data"]) == (502, None)
    assert found.json()["data"]["sessionId"] == session["id"]


def test_without_a_key_a_lost_answer_means_a_second_session(sim: RunningSimulator) -> None:
    # Given: scenario 72
    sim.sim("faults", create_session_timeout_after_commit=1, hold_seconds=0)
    # When
    statuses = [sim.post_signed(CREATE, OVERAGE).status_code for _ in range(2)]
    # Then
    assert statuses == [502, 200]
    assert len(sim.http.get("/_sim/state").json()["sessions"]) == 2


def test_the_same_key_in_flight_is_a_409(sim: RunningSimulator) -> None:
    # Given
    sim.sim("faults", api_delay_seconds=0.5)
    # When
    with ThreadPoolExecutor(2) as pool:
        key = {"X-Idempotency-Key": "ovg_1"}
        answers = list(pool.map(lambda _: sim.post_signed(CREATE, OVERAGE, **key), range(2)))
    # Then
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["errors"] == [
        {"message": "Idempotent request is already being processed", "layer": "gateway"}
    ]


def test_failing_calls_have_no_effect_and_end_by_themselves(sim: RunningSimulator) -> None:
    # Given
    sim.sim("faults", api_failures=2)
    # When
    key = {"X-Idempotency-Key": "ovg_1"}
    statuses = [sim.post_signed(CREATE, OVERAGE, **key).status_code for _ in range(3)]
    # Then
    assert statuses == [502, 502, 200]
    assert len(sim.http.get("/_sim/state").json()["sessions"]) == 1


def test_one_seed_is_one_history(sim: RunningSimulator) -> None:
    # When
    histories = []
    for _ in range(2):
        sim.begin_again()
        subscribe_and_renew(sim)
        histories.append(sim.events())
    # Then
    assert histories[0] == histories[1]
    assert histories[0][0]["timestamp"] == "2026-03-10T15:14:30.000Z"


def test_the_control_api_says_what_it_cannot_do(sim: RunningSimulator) -> None:
    # When
    answers = [
        sim.http.post("/_sim/subscriptions", json={"product": "Nothing"}),
        sim.http.post("/_sim/orders/ORD_none/renew", json={}),
        sim.http.post("/_sim/clock", json={"now": "2026-03-10T15:14:30"}),
        sim.http.post("/_sim/faults", json={"duplicate": -1}),
        sim.http.post("/_sim/faults", json={"dupicate": 1}),
        sim.http.post("/_sim/faults", content=b"{"),
    ]
    # Then
    assert [answer.status_code for answer in answers] == [404, 404, 400, 400, 400, 400]
    assert all(answer.json()["error"] for answer in answers)
