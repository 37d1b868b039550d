"""The simulator's webhooks: the SDK verifies them, and they are the reference events field by field."""

import base64
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from local.waffo_simulator.calendar_periods import bound
from local.waffo_simulator.config import Product
from tests.support.node import run_node
from tests.support.waffo_simulator import PRO, SCALE, STORE_ID, USAGE, Received, RunningSimulator, simulator
from tests.support.waffo_webhooks import reference

# The products that the reference events speak of.
PRODUCTS = (
    Product(USAGE, "Usage", "onetime", metadata={"kind": "usage"}, description="Overage, price set per order"),
    Product(
        PRO,
        "Pro monthly",
        "subscription",
        prices={"USD": Decimal("29.00")},
        metadata={"planKey": "pro-monthly"},
        billing_period="monthly",
        description="2,000,000 tokens each month",
    ),
    Product(
        SCALE,
        "Scale monthly",
        "subscription",
        prices={"USD": Decimal("99.00")},
        metadata={"planKey": "scale-monthly"},
        billing_period="monthly",
        description="10,000,000 tokens each month",
    ),
)
JAPAN = {"country": "JP", "isBusiness": False, "postcode": "100-0001", "state": "Tokyo"}
VARIES = re.compile(r"(?<=[A-Z]_)[0-9A-Za-z]{22}|\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with simulator(products=PRODUCTS, store_name="Invented AI Store") as started:
        yield started


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    running.sim("settings", period_bounds="date", tax_rate_percent=10)
    return running


def without_what_varies(value: Any) -> Any:
    """Ids and instants differ from run to run; their form does not."""
    if isinstance(value, dict):
        # The reference knows a city, which no documented field can give.
        return {key: without_what_varies(inner) for key, inner in value.items() if key != "city"}
    return VARIES.sub("*", value) if isinstance(value, str) else value


def assert_is(event: dict[str, Any], name: str) -> None:
    """The event is the reference event of this name."""
    assert without_what_varies(event) == without_what_varies(reference(f"{name}.json"))


def buy(sim: RunningSimulator, at: str, **fields: Any) -> dict[str, Any]:
    """Pay a checkout of acct_1001 at this time; the order."""
    sim.sim("clock", now=at)
    params = {"currency": "USD", "billingDetail": JAPAN, "buyerEmail": "buyer@example.com", **fields}
    [made] = sim.sdk(("checkout.authenticated.create", {**params, "buyerIdentity": "acct_1001"}))
    token = made["result"]["token"]
    paid: dict[str, Any] = sim.sim(f"checkout/{made['result']['sessionId']}/pay", token=token)
    return paid


def buy_pro(sim: RunningSimulator, at: str = "2026-03-10T15:14:30Z") -> dict[str, Any]:
    metadata = {"accountId": "acct_1001", "planKey": "pro-monthly"}
    return buy(sim, at, productId=PRO, orderMerchantExternalId="sub:acct_1001:pro-monthly:v1", metadata=metadata)


def sdk_verdicts(received: list[Received], public_key: str, now_ms: int) -> list[bool]:
    verdicts: list[bool] = run_node(
        "verify_request_webhooks.mjs",
        {
            "nowMs": now_ms,
            "publicKey": public_key,
            "deliveries": [
                {"header": one.headers["x-waffo-signature"], "body": base64.b64encode(one.body).decode()}
                for one in received
            ],
        },
    )
    return verdicts


def test_a_one_time_order_and_its_refunds_are_the_reference_events(sim: RunningSimulator) -> None:
    # When
    external_id = "ovg:acct_1001:2026-03-10:0001"
    order = buy(
        sim,
        "2026-04-02T09:15:31Z",
        productId=USAGE,
        priceSnapshot={"amount": "18.00", "taxCategory": "saas"},
        orderMerchantExternalId=external_id,
        metadata={"kind": "overage", "accountId": "acct_1001", "invoiceKey": external_id},
    )
    payments = sim.http.get("/_sim/state").json()["payments"]
    refund = f"payments/{payments[0]['id']}/refund"
    sim.sim(refund, amount="9.90", external_id="rfd:acct_1001:0001", at="2026-04-04T10:20:30Z")
    sim.sim("settings", refund_payment_id=True)
    sim.sim(refund, fail=True, external_id="rfd:acct_1001:0002", at="2026-04-05T10:20:30Z")
    sim.sim(refund, amount="9.90", external_id="rfd:acct_1001:0001", at="2026-04-04T10:20:30Z")
    # Then
    assert order["total"] == "19.80"
    completed, documented, failed, succeeded = sim.events()
    assert_is(completed, "events/01_order.completed")
    assert_is(documented, "quirks/refund_without_payment_id")
    assert_is(succeeded, "events/14_refund.succeeded")
    assert_is(failed, "events/15_refund.failed")


def test_the_life_of_a_subscription_is_told_by_the_reference_events(sim: RunningSimulator) -> None:
    # When
    order = buy_pro(sim)
    sim.sim("clock", now="2026-04-20T00:00:00Z")
    sim.sim(f"orders/{order['id']}/past-due", at="2026-05-10T15:15:02Z")
    sim.sim(f"orders/{order['id']}/recover", at="2026-05-12T06:00:09Z")
    sim.sim(f"orders/{order['id']}/cancel", at="2026-06-01T02:03:04Z")
    sim.sim(f"orders/{order['id']}/uncancel", at="2026-06-02T05:00:00Z")
    sim.sim(f"orders/{order['id']}/cancel", at="2026-06-03T00:00:00Z")
    sim.sim("clock", now="2026-06-11T00:00:00Z")
    # Then
    events = sim.events()
    expected = [
        "03_subscription.payment_succeeded",
        "02_subscription.activated",
        "05_subscription.payment_succeeded.renewal",
        "04_subscription.renewed",
        "06_subscription.past_due",
        None,  # the payment that recovers: like 05, of period 3
        "07_subscription.recovered",
        "11_subscription.canceling",
        "12_subscription.uncanceled",
        "11_subscription.canceling",
        "13_subscription.canceled",
    ]
    assert len(events) == len(expected)
    for event, name in zip(events, expected, strict=True):
        if name is not None:
            assert_is(event, f"events/{name}")
    numbers = [event["data"].get("periodNumber") for event in events]
    assert numbers == [1, 1, 2, 2, 3, 3, 3, None, None, None, 3]
    assert events[4]["data"]["currentPeriodEnd"] == "2026-05-17"
    # Then: no two events share an id, and both cancelings have their own eventId
    assert len({event["id"] for event in events}) == len(events)
    assert events[7]["eventId"] != events[9]["eventId"]


def test_a_plan_change_is_told_by_the_reference_events(sim: RunningSimulator) -> None:
    # Given
    pro = buy_pro(sim)
    sim.sim("clock", now="2026-05-20T11:00:05Z")
    sim.sim("flush")
    sim.sink.received.clear()
    # When
    change = {
        "originOrderId": pro["id"],
        "productId": SCALE,
        "currency": "USD",
        "changeAmount": "50.00",
        "orderMerchantExternalId": "sub:acct_1001:scale-monthly:v2",
        "metadata": {"accountId": "acct_1001", "planKey": "scale-monthly"},
    }
    [made] = sim.sdk(("checkout.createPlanChangeSession", change))
    scale = sim.sim(f"checkout/{made['result']['sessionId']}/pay")
    sim.sim("plan-change", order_id=scale["id"], product=PRO, timing="next_period", at="2026-05-22T08:30:00Z")
    sim.sim("plan-change", order_id=scale["id"], fail=True, at="2026-05-23T08:30:00Z")
    # Then: a new order, the old one's end, then a change that does not come
    payment, changed, canceled, scheduled, failed = sim.events()
    assert (payment["data"]["chargedAmount"], payment["data"]["listPrice"]["total"]) == ("50.00", "108.90")
    assert_is(changed, "events/08_subscription.plan_changed")
    assert (canceled["data"]["orderId"], canceled["data"]["orderStatus"]) == (pro["id"], "canceled")
    assert_is(scheduled, "events/09_subscription.plan_change_scheduled")
    same = {name: value for name, value in scheduled["data"].items() if name != "periodNumber"}
    assert failed["data"] == {**same, "orderStatus": "active"}
    orders = {order["id"]: order for order in sim.http.get("/_sim/state").json()["orders"]}
    assert orders[scale["id"]]["origin_order_id"] == pro["id"]
    assert orders[pro["id"]]["superseded_by_order_id"] == scale["id"]


def test_a_plan_change_for_the_next_period_comes_with_it_and_may_keep_the_order(sim: RunningSimulator) -> None:
    # Given
    order = buy_pro(sim)
    sim.sim("plan-change", order_id=order["id"], product=SCALE, timing="next_period")
    # When
    sim.sim("clock", now="2026-04-11T00:00:00Z")
    # Then: with a new order, and the old one's end
    payment, changed, canceled = sim.events()[-3:]
    assert (payment["data"]["chargedAmount"], changed["eventType"]) == ("108.90", "subscription.plan_changed")
    assert (changed["data"]["productName"], changed["data"]["currentPeriodStart"]) == ("Scale monthly", "2026-04-10")
    assert (canceled["eventType"], canceled["data"]["orderId"]) == ("subscription.canceled", order["id"])
    new = changed["data"]["orderId"]
    # When: an order that goes on, at once and with the next period
    sim.sim("settings", plan_change="same_order")
    back = sim.sim("plan-change", order_id=new, product="Pro monthly")
    sim.sim("plan-change", order_id=new, product=SCALE, timing="next_period")
    sim.sim("clock", now="2026-05-11T00:00:00Z")
    # Then
    assert (back["id"], back["product_name"], back["status"]) == (new, "Pro monthly", "active")
    changed = sim.events()[-1]
    assert (changed["eventType"], changed["data"]["orderId"]) == ("subscription.plan_changed", new)


def test_time_renews_one_period_at_a_time_in_order_and_keeps_the_anchor(sim: RunningSimulator) -> None:
    # Given: two subscriptions, one from the 31st
    sim.sim("settings", period_bounds="instant")
    sim.sim("clock", now="2026-02-01T00:00:00Z")
    first = sim.sim("subscriptions", product=PRO, buyer_identity="a", start="2026-01-31T23:59:59Z")["id"]
    second = sim.sim("subscriptions", product=PRO, buyer_identity="b", start="2026-02-15T00:00:00Z")["id"]
    # When
    moved = sim.sim("clock", advance_seconds=69 * 86400)
    # Then
    assert (moved["now"][:10], moved["steps"]) == ("2026-04-11", 3)
    renewed = [event for event in sim.events() if event["eventType"] == "subscription.renewed"]
    assert [(event["data"]["orderId"], event["data"]["currentPeriodStart"]) for event in renewed] == [
        (first, "2026-02-28T23:59:59.000Z"),
        (second, "2026-03-15T00:00:00.000Z"),
        (first, "2026-03-31T23:59:59.000Z"),
    ]
    assert [event["timestamp"] for event in renewed] == [event["data"]["currentPeriodStart"] for event in renewed]
    assert renewed[-1]["data"]["currentPeriodEnd"] == "2026-04-30T23:59:59.000Z"


@pytest.mark.parametrize(
    ("billing_period", "ends"),
    [
        ("weekly", ["2027-12-07", "2027-12-14", "2027-12-21"]),
        ("monthly", ["2027-12-30", "2028-01-30", "2028-02-29"]),
        ("quarterly", ["2028-02-29", "2028-05-30", "2028-08-30"]),
        ("yearly", ["2028-11-30", "2029-11-30", "2030-11-30"]),
    ],
)
def test_every_billing_period_keeps_its_anchor(billing_period: str, ends: list[str]) -> None:
    # Given
    anchor = datetime(2027, 11, 30, 23, 59, 59, tzinfo=UTC)
    # When
    bounds = [bound(anchor, billing_period, index) for index in (1, 2, 3)]
    # Then
    assert [f"{end:%Y-%m-%d}" for end in bounds] == ends
    assert {end.time() for end in bounds} == {anchor.time()}


def test_an_unpaid_subscription_ends_with_its_grace(sim: RunningSimulator) -> None:
    # Given
    order = buy_pro(sim)
    sim.sim(f"orders/{order['id']}/past-due", grace_days=3, at="2026-04-10T15:14:30Z")
    # When
    sim.sim("clock", now="2026-04-14T00:00:00Z")
    # Then
    last = sim.events()[-1]
    # The simulator's clock goes on while the test runs: to the minute
    assert (last["eventType"], last["timestamp"][:16]) == ("subscription.canceled", "2026-04-13T15:14")


def test_the_field_reports_can_be_had_on_request(sim: RunningSimulator) -> None:
    # Given: id is the order's id, no chargedAmount, a past_due of the old period, a 13-minute renewal
    sim.sim("settings", event_ids="order_id", charged_amount=False)
    # When
    order = buy_pro(sim)
    bounds = {"period_start": "2026-03-10T15:14:30Z", "period_end": "2026-03-10T15:27:30Z"}
    sim.sim(f"orders/{order['id']}/renew", **bounds)
    sim.sim(f"orders/{order['id']}/past-due", period="unchanged")
    # Then
    payment, activated, _, renewed, past_due = sim.events()
    assert payment["id"] == activated["id"] == order["id"]
    assert "chargedAmount" not in payment["data"]
    assert (renewed["data"]["currentPeriodStart"], renewed["data"]["currentPeriodEnd"]) == ("2026-03-10", "2026-03-10")
    assert past_due["data"]["periodNumber"] == renewed["data"]["periodNumber"] == 2


def test_a_refund_is_never_more_than_what_is_left(sim: RunningSimulator) -> None:
    # Given
    buy_pro(sim)
    payment = sim.http.get("/_sim/state").json()["payments"][0]
    # When
    refund = f"/_sim/payments/{payment['id']}/refund"
    part = sim.http.post(refund, json={"amount": "31.00"})
    more = sim.http.post(refund, json={"amount": "0.91"})
    rest = sim.http.post(refund, json={})
    none = sim.http.post(refund, json={})
    # Then
    assert [answer.status_code for answer in (part, more, rest, none)] == [200, 400, 200, 400]
    assert rest.json()["amount"] == "0.90"
    # And: as documented, they name the charge by its number only
    told = [event["data"] for event in sim.events() if event["eventType"] == "refund.succeeded"]
    assert [("paymentId" in data, data["periodNumber"]) for data in told] == [(False, 1)] * 2


def test_the_sdk_verifies_every_webhook_and_no_altered_one(sim: RunningSimulator) -> None:
    # Given: business time is far from now, which the signature must not care about
    order = buy_pro(sim)
    sim.sim(f"orders/{order['id']}/cancel")
    sim.sim("flush")
    good = sim.sink.received
    header = good[0].headers["x-waffo-signature"]
    stamp = int(header.removeprefix("t=").partition(",")[0])
    altered = [
        Received(good[0].headers, good[0].body.replace(b"31.90", b"31.91", 1)),
        Received(good[0].headers, good[0].body + b"\n"),
        Received({"x-waffo-signature": header.replace(f"t={stamp}", f"t={stamp + 1}")}, good[0].body),
        Received(good[1].headers, good[0].body),
    ]
    # When
    now_ms = time.time_ns() // 1_000_000
    verdicts = sdk_verdicts([*good, *altered], sim.public_key_pem, now_ms)
    late = sdk_verdicts(good, sim.public_key_pem, stamp + 46 * 60_000)
    # Then
    assert verdicts == [True] * 3 + [False] * 4
    assert late == [False] * 3
    assert abs(now_ms - stamp) < 60_000
    assert sim.http.get("/_sim/public-key").json() == {"mode": "test", "public_key": sim.public_key_pem}
    assert [one.headers["x-waffo-event"] for one in good] == [
        "subscription.payment_succeeded",
        "subscription.activated",
        "subscription.canceling",
    ]


def test_any_envelope_at_all_can_be_signed_and_sent(sim: RunningSimulator) -> None:
    # Given
    event = {**reference("quirks/unknown_event_type.json"), "eventType": "subscription.naïve"}
    # When
    sim.sim("events", event=event)
    # Then
    assert sim.events() == [event]
    assert sdk_verdicts(sim.sink.received, sim.public_key_pem, time.time_ns() // 1_000_000) == [True]


def test_a_second_webhook_gets_the_event_under_another_id_and_only_what_it_asked_for(sim: RunningSimulator) -> None:
    # Given
    sim.sim("webhooks", url=sim.sink.url, events=["subscription.activated"])
    # When
    buy_pro(sim)
    # Then
    events = sim.events()
    assert sorted(event["eventType"].partition(".")[2] for event in events) == [
        "activated",
        "activated",
        "payment_succeeded",
    ]
    first, second = (event for event in events if event["eventType"] == "subscription.activated")
    assert first["id"] != second["id"]
    assert {**first, "id": ""} == {**second, "id": ""}


@pytest.mark.parametrize("url", ["http://xn--/", "http://localhost:99999/", "http://"])
def test_a_webhook_at_an_address_that_cannot_be_one_fails_and_holds_nothing_up(sim: RunningSimulator, url: str) -> None:
    sim.sim("webhooks", url=url)
    buy_pro(sim)
    assert len(sim.events()) == 2
    assert sim.sim("flush") == {"pending": 0, "success": 2, "failed": 2}


def test_a_prod_store_says_so(sim: RunningSimulator) -> None:
    # Given
    with simulator(mode="prod") as prod:
        # When
        prod.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
        # Then
        assert {(event["mode"], event["storeId"]) for event in prod.events()} == {("prod", STORE_ID)}
