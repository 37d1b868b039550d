"""The simulator's API, with the official SDK as its client: unchanged, it must be served as Waffo serves it."""

import base64
import json
import time
from typing import Any

import pytest

from pancake_meter.waffo.checkout import CreateSession, NewPurchase, PriceSnapshot
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.errors import WaffoRejected
from pancake_meter.waffo.signing import RequestSigner
from tests.support.waffo_simulator import MERCHANT_ID, PRO, SCALE, STORE_ID, USAGE, RunningSimulator
from tests.support.waffo_webhooks import platform_key, reference

CREATE = "/v1/actions/checkout/create-session"
TOKEN = "/v1/actions/auth/issue-session-token"
CANCEL = "/v1/actions/subscription-order/cancel-order"
TICKET = "/v1/actions/refund-ticket/create-ticket"
GRAPHQL = "/v1/graphql"
REFUND_TICKET = {
    *("id", "type", "status", "subjectId", "submitterId", "submitterType", "currentVersionId", "reviewerId"),
    *("reviewedAt", "reviewNote", "rejectReason", "executedAt", "metadata", "refundTicketMerchantExternalId"),
    *("versionNumber", "versionData", "createdAt", "updatedAt"),
}
UNKNOWN_ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
PRICE = {"amount": "18.00", "taxCategory": "saas"}
OVERAGE = {"productId": USAGE, "currency": "USD", "priceSnapshot": PRICE}


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.begin_again()
    return running


def documented(name: str) -> tuple[int, Any]:
    """Status and body of a documented error."""
    file = reference(f"errors/{name}.json")
    return file["httpStatus"], file["body"]


def test_the_sdk_makes_an_authenticated_checkout_and_the_paid_order_is_the_customers(sim: RunningSimulator) -> None:
    # When
    params = {
        **OVERAGE,
        "buyerIdentity": "acct_1001",
        "buyerEmail": "buyer@example.com",
        "successUrl": "https://app.example.com/done",
        "orderMerchantExternalId": "ovg:acct_1001:1",
        "metadata": {"kind": "overage"},
    }
    [made] = sim.sdk(("checkout.authenticated.create", params, {"idempotencyKey": "ovg_1"}))
    url, _, token = made["result"]["checkoutUrl"].partition("#token=")
    assert url == f"{sim.url}/store/local-store/checkout/{made['result']['sessionId']}?test=true"
    sim.sim(f"checkout/{made['result']['sessionId']}/pay", token=token)
    # Then
    [event] = sim.events()
    assert event["eventType"] == "order.completed"
    data = event["data"]
    assert data["merchantProvidedBuyerIdentity"] == "acct_1001"
    assert (data["orderMerchantExternalId"], data["orderMetadata"]) == ("ovg:acct_1001:1", {"kind": "overage"})
    assert (data["chargedAmount"], data["listPrice"]["subtotal"], data["currency"]) == ("18.00", "18.00", "USD")


def test_an_anonymous_checkout_belongs_to_nobody(sim: RunningSimulator) -> None:
    # When
    [made] = sim.sdk(("checkout.anonymous.create", {"productId": PRO, "currency": "JPY"}))
    sim.sim(f"checkout/{made['result']['sessionId']}/pay")
    # Then
    payment, activated = sim.events()
    assert "merchantProvidedBuyerIdentity" not in activated["data"]
    assert (payment["data"]["chargedAmount"], activated["data"]["planPrice"]["total"]) == ("4500", "4500")


def test_the_sdk_cancels_asks_and_registers(sim: RunningSimulator) -> None:
    # Given
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001", external_id="sub:1")
    # When
    query = """query ($storeId: String!, $ext: String!) {
      subscriptionOrders(storeId: $storeId, filter: { orderMerchantExternalId: { eq: $ext } }, limit: 100, offset: 0) {
        id status willRenew metadata payments { id status periodNumber refunds { id } }
      }
      subscriptionOrdersCount(storeId: $storeId, filter: { status: { in: ["canceling"] } })
    }"""
    price = {"USD": {"amount": "5.00", "taxCategory": "saas"}}
    canceled, asked, added, product, plan, other = sim.sdk(
        ("orders.cancelSubscription", {"orderId": order["id"]}),
        ("graphql.query", {"query": query, "variables": {"storeId": STORE_ID, "ext": "sub:1"}}),
        (
            "webhooks.add",
            {
                "storeId": STORE_ID,
                "channel": "http",
                "url": "https://api.example.com/waffo",
                "events": ["order.completed"],
                "testMode": False,
            },
        ),
        ("onetimeProducts.create", {"storeId": STORE_ID, "name": "Credits", "prices": price}),
        (
            "subscriptionProducts.create",
            {"storeId": STORE_ID, "name": "Mini", "billingPeriod": "weekly", "prices": price},
        ),
        ("stores.create", {"name": "Another"}),
    )
    # Then
    assert canceled == {"result": {"orderId": order["id"], "status": "canceling"}}
    data = asked["result"]["data"]
    assert [(found["id"], found["status"], found["willRenew"]) for found in data["subscriptionOrders"]] == [
        (order["id"], "canceling", False)
    ]
    assert data["subscriptionOrders"][0]["payments"][0]["periodNumber"] == data["subscriptionOrdersCount"] == 1
    assert added["result"]["webhook"]["url"] == "https://api.example.com/waffo"
    assert product["result"]["product"]["prices"] == price
    assert plan["result"]["product"]["billingPeriod"] == "weekly"
    assert (other["error"]["status"], other["error"]["errors"][0]["message"]) == (501, "Not implemented")


def test_issue_14_point_4_a_refund_ticket_is_the_merchants_and_the_sdk_finds_it_by_its_number(
    sim: RunningSimulator,
) -> None:
    # Given a payment, and money that goes back when a test says so
    sim.sim("settings", refund_tickets="held")
    sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
    [payment] = sim.http.get("/_sim/state").json()["payments"]
    ticket = {
        "paymentId": payment["id"],
        "reason": "Not as described",
        "requestedAmount": {"amount": "9.00", "currency": "USD"},
        "refundTicketMerchantExternalId": "REF-2026-00891",
    }
    # When
    made = sim.post_signed(TICKET, ticket, **{"X-Idempotency-Key": "refund_1"}).json()["data"]["ticket"]
    again = sim.post_signed(TICKET, ticket, **{"X-Idempotency-Key": "refund_1"}).json()["data"]["ticket"]
    query = """query ($ref: String!) {
      refundTickets(filter: { refundTicketMerchantExternalId: { eq: $ref } }) { id status reason payment { id } }
      refunds(filter: { refundTicketMerchantExternalId: { eq: $ref } }) { id status }
      refundTicketsCount(filter: { status: { eq: "processing" } })
    }"""
    [asked] = sim.sdk(("graphql.query", {"query": query, "variables": {"ref": "REF-2026-00891"}}))
    # Then the ticket has the fields of the SDK's type, and no money has moved
    assert made.keys() == REFUND_TICKET
    assert (made["status"], made["subjectId"], made == again) == ("processing", payment["id"], True)
    found = {"id": made["id"], "status": "processing", "reason": "Not as described", "payment": {"id": payment["id"]}}
    assert asked["result"]["data"] == {"refundTickets": [found], "refunds": [], "refundTicketsCount": 1}
    # When it is done
    sim.sim(f"refund-tickets/{made['id']}/finish")
    refunded = sim.events()[-1]
    assert (refunded["eventType"], refunded["data"]["refundTicketMerchantExternalId"]) == (
        "refund.succeeded",
        "REF-2026-00891",
    )
    # And more than is left is refused, as is the buyer's own session
    too_much = ticket | {"requestedAmount": {"amount": "20.01", "currency": "USD"}}
    assert sim.post_signed(TICKET, too_much).status_code == 400
    [token] = sim.sdk(("auth.issueSessionToken", {"storeId": STORE_ID, "buyerIdentity": "acct_1001"}))
    session = {"token": token["result"]["token"], "environment": "test"}
    [refused] = sim.sdk(("createRefundTicket", ticket), session=session)
    assert refused["error"]["status"] == 403


def test_one_that_was_overdue_when_it_was_cancelled_ends_at_once_and_stays_ended(sim: RunningSimulator) -> None:
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")["id"]
    sim.sim(f"orders/{order}/past-due")
    [canceled] = sim.sdk(("orders.cancelSubscription", {"orderId": order}))
    assert canceled == {"result": {"orderId": order, "status": "canceling"}}
    assert [event["eventType"] for event in sim.events()][-2:] == ["subscription.canceling", "subscription.canceled"]


def test_tax_may_be_inside_the_price(sim: RunningSimulator) -> None:
    sim.sim("settings", tax_rate_percent=10, tax_inside=True)
    sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")
    price = sim.events()[0]["data"]["listPrice"]
    assert (price["total"], price["subtotal"], price["taxAmount"]) == ("29.00", "26.36", "2.64")


def test_the_customers_own_session_reactivates_and_sees_no_one_elses_orders(sim: RunningSimulator) -> None:
    # Given
    mine = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")["id"]
    sim.sim("subscriptions", product=PRO, buyer_identity="acct_2002")
    sim.sim(f"orders/{mine}/cancel")
    [token] = sim.sdk(("auth.issueSessionToken", {"storeId": STORE_ID, "buyerIdentity": "acct_1001"}))
    session = {"token": token["result"]["token"], "environment": "test"}
    # When
    change = {"originOrderId": mine, "productId": SCALE, "currency": "USD"}
    query = {"query": f'{{ subscriptionOrders(storeId: "{STORE_ID}") {{ id }} }}'}
    reactivated, seen, changed = sim.sdk(
        ("reactivateSubscription", {"orderId": mine}),
        ("graphql.query", query),
        ("createPlanChangeSession", change),
        session=session,
    )
    # Then
    assert reactivated == {"result": {"orderId": mine, "status": "active"}}
    assert seen["result"]["data"] == {"subscriptionOrders": [{"id": mine}]}
    assert (changed["error"]["status"], changed["error"]["errors"]) == (
        403,
        documented("403_self_service_off")[1]["errors"],
    )
    # When it is somebody else's order
    sim.sim("settings", self_service_plan_change=True)
    other = sim.sim("subscriptions", product=PRO, buyer_identity="acct_2002")["id"]
    [refused] = sim.sdk(("cancelSubscription", {"orderId": other}), session=session)
    assert (refused["error"]["status"], {"data": None, "errors": refused["error"]["errors"]}) == documented(
        "403_not_owner"
    )


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("400_missing_field", CANCEL, {}),
        ("400_bad_id_format", CANCEL, {"orderId": "abc"}),
        ("400_currency_not_supported", CREATE, {"productId": USAGE, "currency": "USD"}),
    ],
)
def test_errors_are_the_documented_ones(sim: RunningSimulator, name: str, path: str, body: dict[str, Any]) -> None:
    # When
    answer = sim.post_signed(path, body)
    # Then
    assert (answer.status_code, answer.json()) == documented(name)


def test_errors_of_state_are_the_documented_ones(sim: RunningSimulator) -> None:
    # Given
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")["id"]
    sim.sim(f"orders/{order}/past-due")
    [token] = sim.sdk(("auth.issueSessionToken", {"productId": PRO, "buyerIdentity": "acct_1001"}))
    bearer = {"Authorization": f"Bearer {token['result']['token']}"}
    reactivate = "/v1/actions/subscription-order/reactivate-order"
    # When
    unpaid = sim.http.post(reactivate, json={"orderId": order}, headers={**bearer, "X-Environment": "test"})
    incomplete = sim.http.post(reactivate, json={"orderId": order}, headers=bearer)
    sim.sim(f"orders/{order}/cancel", immediately=True)
    ended = sim.post_signed(CANCEL, {"orderId": order})
    unknown = sim.post_signed(CANCEL, {"orderId": UNKNOWN_ORDER})
    long_name = {"storeId": STORE_ID, "name": "n" * 65, "prices": {"USD": PRICE}}
    too_long = sim.post_signed("/v1/actions/onetime-product/create-product", long_name)
    # Then
    assert (unpaid.status_code, unpaid.json()) == documented("400_unpaid_balance")
    assert (incomplete.status_code, incomplete.json()) == documented("400_incomplete_jwt_headers")
    assert (ended.status_code, ended.json()) == documented("400_wrong_state")
    assert (too_long.status_code, too_long.json()) == documented("400_name_too_long")
    assert (unknown.status_code, unknown.json()["errors"][0]["layer"]) == (404, "order")


REFUSED_SESSIONS: list[tuple[dict[str, Any], int]] = [
    ({"productId": "PROD_0000000000000000000000"}, 404),
    ({"currency": "CHF"}, 400),
    ({"productId": PRO, "currency": "CNY"}, 400),
    ({"currency": "usd"}, 400),
    ({"priceSnapshot": {"amount": "1,800", "taxCategory": "saas"}}, 400),
    ({"priceSnapshot": {"amount": "-1", "taxCategory": "saas"}}, 400),
    ({"priceSnapshot": {"amount": 18.0, "taxCategory": "saas"}}, 400),
    ({"priceSnapshot": {"amount": "18.005", "taxCategory": "saas"}}, 400),
    ({"priceSnapshot": {"amount": "0.00", "taxCategory": "saas"}}, 400),
    ({"currency": "JPY", "priceSnapshot": {"amount": "1800.50", "taxCategory": "saas"}}, 400),
    ({"priceSnapshot": {"amount": "18.00", "taxCategory": "groceries"}}, 400),
    ({"priceSnapshot": {"amount": "18.00"}}, 400),
    ({"successUrl": "app.example.com"}, 400),
    ({"orderMerchantExternalId": "x" * 129}, 400),
    ({"metadata": {"nested": {"no": "no"}}}, 400),
    ({"metadata": {"count": 1}}, 400),
    ({"expiresInSeconds": 0}, 400),
    ({"expiresInSeconds": 604801}, 400),
    ({"expiresInSeconds": "60"}, 400),
    ({"darkMode": "yes"}, 400),
    ({"language": "tlh"}, 400),
    ({"buyerEmail": "nobody"}, 400),
    ({"billingDetail": {"country": "JPN", "isBusiness": False}}, 400),
    ({"billingDetail": {"country": "JP"}}, 400),
    ({"billingDetail": {"country": "US", "isBusiness": False}}, 400),
    ({"includePaymentMethods": ["card"], "excludePaymentMethods": ["wechat"]}, 400),
    ({"includePaymentMethods": ["cash"]}, 400),
    ({"currency": "EUR", "includePaymentMethods": ["wechat"]}, 400),
    ({"originOrderId": UNKNOWN_ORDER, "productId": SCALE}, 404),
]


@pytest.mark.parametrize(("change", "status"), REFUSED_SESSIONS)
def test_a_session_that_waffo_would_refuse_is_refused(
    sim: RunningSimulator, change: dict[str, Any], status: int
) -> None:
    # When
    answer = sim.post_signed(CREATE, {**OVERAGE, **change})
    # Then
    body = answer.json()
    assert (answer.status_code, body["data"], len(body["errors"])) == (status, None, 1)
    assert sim.http.get("/_sim/state").json()["sessions"] == []


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({}, 2700),
        ({"expiresInSeconds": 604800, "orderMerchantExternalId": "x" * 128, "darkMode": None}, 604800),
        ({"currency": "CNY", "includePaymentMethods": ["wechat"]}, 2700),
        ({"currency": "JPY", "priceSnapshot": {"amount": "1800.00", "taxCategory": "saas"}}, 2700),
        ({"successUrl": "http://app.example.com", "language": "ja-JP", "excludePaymentMethods": ["wechat"]}, 2700),
    ],
)
def test_a_session_at_the_documented_bounds_is_made(
    sim: RunningSimulator, change: dict[str, Any], seconds: int
) -> None:
    # Given
    sim.sim("clock", now="2026-04-02T09:15:00Z")
    # When
    answer = sim.post_signed(CREATE, {**OVERAGE, **change})
    # Then
    assert answer.status_code == 200
    [session] = sim.http.get("/_sim/state").json()["sessions"]
    made, expires = (
        time.mktime(time.strptime(session[name][:19], "%Y-%m-%dT%H:%M:%S")) for name in ("created_at", "expires_at")
    )
    assert expires - made == seconds


def test_fields_that_waffo_does_not_know_are_ignored_with_a_warning(sim: RunningSimulator) -> None:
    # When
    [made] = sim.sdk(("checkout.createSession", {**OVERAGE, "buyerIdentity": "acct_1001"}))
    # Then
    assert made["result"]["warnings"] == [{"message": "buyerIdentity field ignored", "layer": "order"}]


def test_a_plan_change_takes_one_of_two_amounts(sim: RunningSimulator) -> None:
    # Given
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001")["id"]
    change = {"originOrderId": order, "productId": SCALE, "currency": "USD"}
    # When
    both, same, made = sim.sdk(
        ("checkout.createPlanChangeSession", {**change, "changeAmount": "1.00", "changeCreditAmount": "1.00"}),
        ("checkout.createPlanChangeSession", {**change, "productId": PRO}),
        ("checkout.authenticated.createPlanChange", {**change, "buyerIdentity": "acct_1001", "changeAmount": "12.00"}),
    )
    # Then
    assert both["error"]["status"] == same["error"]["status"] == 400
    assert f"/change/{made['result']['sessionId']}" in made["result"]["checkoutUrl"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Signature": base64.b64encode(b"no" * 128).decode()}, 401),
        ({"X-Signature": "not base64"}, 401),
        ({"X-Timestamp": str(int(time.time()) - 3600)}, 401),
        ({"X-Timestamp": str(int(time.time() * 1000))}, 401),
        ({"X-Merchant-Id": "MER_0000000000000000000000"}, 401),
        ({"X-Signature": ""}, 400),
        ({"X-Idempotency-Key": "ovg:1"}, 400),
        ({"X-Idempotency-Key": "k" * 257}, 400),
        ({"X-Idempotency-Key": "k" * 256}, 200),
    ],
)
def test_only_a_signed_request_with_a_sound_key_is_let_in(
    sim: RunningSimulator, headers: dict[str, str], status: int
) -> None:
    # When
    answer = sim.post_signed(CREATE, OVERAGE, **headers)
    # Then
    assert answer.status_code == status
    if status == 401:
        assert answer.json() == documented("401_authentication_failed")[1]


def test_a_signature_is_for_its_own_path_body_and_time(sim: RunningSimulator) -> None:
    # Given
    body, now = json.dumps(OVERAGE).encode(), int(time.time())
    signer = RequestSigner(MERCHANT_ID, platform_key())
    good = signer.headers(CREATE, body, timestamp_seconds=now)
    old = signer.headers(CREATE, body, timestamp_seconds=now - 3600)
    # When
    statuses = [
        sim.http.post(CREATE, content=body, headers=good).status_code,
        sim.http.post(CREATE, content=body + b" ", headers=good).status_code,
        sim.http.post(TOKEN, content=body, headers=good).status_code,
        sim.http.post(CREATE, content=body, headers=old).status_code,
        sim.http.post(CREATE, content=body).status_code,
    ]
    # Then
    assert statuses == [200, 401, 401, 401, 401]


def test_an_idempotency_key_replays_the_first_answer_whatever_is_asked_next(sim: RunningSimulator) -> None:
    # Given: a refusal leaves the key free
    key = {"X-Idempotency-Key": "ovg_1"}
    assert sim.post_signed(CREATE, {**OVERAGE, "currency": "CHF"}, **key).status_code == 400
    # When
    first = sim.post_signed(CREATE, OVERAGE, **key)
    again = sim.post_signed(CREATE, OVERAGE, **key)
    other = sim.post_signed(CREATE, {**OVERAGE, "currency": "EUR"}, **key)
    unkeyed = sim.post_signed(CREATE, OVERAGE)
    # Then
    assert first.json() == again.json() == other.json() != unkeyed.json()
    assert len(sim.http.get("/_sim/state").json()["sessions"]) == 2
    # When a day has passed
    sim.sim("clock", advance_seconds=24 * 3600)
    assert sim.post_signed(CREATE, OVERAGE, **key).json() != first.json()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{ stores { id } }", 200),
        ("mutation { stores { id } }", 403),
        ("{ nonsense }", 400),
        ("{ stores {", 400),
        ("{ payments { refunds { payment { refunds { payment { status refunds { id } } } } } } }", 200),
        ("{ payments { refunds { payment { refunds { payment { refunds { payment { id } } } } } } } }", 400),
        ("{ ...a } fragment a on Query { payments { ...b } } fragment b on Payment { id }", 200),
        ("{ ...a } fragment a on Query { ...a }", 400),
    ],
)
def test_graphql_takes_queries_of_at_most_seven_levels(sim: RunningSimulator, query: str, status: int) -> None:
    # When
    answer = sim.post_signed(GRAPHQL, {"query": query})
    # Then
    assert answer.status_code == status
    assert ("errors" in answer.json()) == (status != 200)
    if status != 200:
        assert answer.json()["errors"][0]["layer"] == "graphql"


def test_graphql_says_when_a_query_is_too_deep_and_another_store_is_an_error_in_a_200(sim: RunningSimulator) -> None:
    # When
    deep = "{ payments { refunds { payment { refunds { payment { refunds { payment { id } } } } } } } }"
    too_deep = sim.post_signed(GRAPHQL, {"query": deep})
    other = sim.post_signed(GRAPHQL, {"query": '{ webhookDeliveriesCount(storeId: "STO_0000000000000000000000") }'})
    # Then
    status, body = documented("400_graphql_too_deep_or_costly")
    assert (too_deep.status_code, too_deep.json()["warnings"][0]["aiHint"]) == (status, body["warnings"][0]["aiHint"])
    assert (other.status_code, other.json()["data"], other.json()["errors"][0]["layer"]) == (200, None, "graphql")


def test_the_recorded_reconciliation_queries_are_answered_in_their_recorded_shape(sim: RunningSimulator) -> None:
    # Given
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001", external_id="sub:1", metadata={"a": "b"})
    sim.sim(f"orders/{order['id']}/renew")
    request = reference("api/graphql_subscription_orders_request.json")["body"]
    # When
    [answer] = sim.sdk(
        ("graphql.query", {"query": request["query"], "variables": {"storeId": STORE_ID, "ext": "sub:1"}})
    )
    # Then: every field asked for has the recorded type
    recorded = reference("api/graphql_subscription_orders_response.json")["data"]["subscriptionOrders"][0]
    [found] = answer["result"]["data"]["subscriptionOrders"]
    for name, value in found.items():
        assert value is None or type(value) is type(recorded[name]) or recorded[name] is None, name
    assert [payment["periodNumber"] for payment in found["payments"]] == [2, 1]
    assert json.loads(found["metadata"]) == {"a": "b"}


def test_introspection_names_what_can_be_asked(sim: RunningSimulator) -> None:
    # When
    query = '{ __schema { queryType { fields { name } } } __type(name: "PaymentFilter") { inputFields { name } } }'
    [answer] = sim.sdk(("graphql.query", {"query": query}))
    # Then
    data = answer["result"]["data"]
    assert {"subscriptionOrder", "webhookDeliveriesCount"} <= {
        field["name"] for field in data["__schema"]["queryType"]["fields"]
    }
    assert "orderMerchantExternalId" in {field["name"] for field in data["__type"]["inputFields"]}


def test_our_own_client_is_served_too(sim: RunningSimulator) -> None:
    # Given
    order = sim.sim("subscriptions", product=PRO, buyer_identity="acct_1001", external_id="sub:1")
    request = CreateSession(
        product_id=USAGE,
        currency="USD",
        price=PriceSnapshot("18.00", "saas"),
        purchase=NewPurchase("buyer@example.com"),
        external_id="ovg:1",
    )
    with WaffoClient(RequestSigner(MERCHANT_ID, platform_key()), api_url=sim.url) as client:
        # When
        checkout = client.authenticated_checkout(request, buyer_identity="acct_1001", idempotency_key="ovg_1")
        sim.sim(f"checkout/{checkout.session_id}/pay", token=checkout.url.partition("#token=")[2])
        payments = client.payments_by_external_id("ovg:1")
        orders = client.subscription_orders(STORE_ID)
        found = client.subscription_order(order["id"])
        missing = client.subscription_order(UNKNOWN_ORDER)
        failed = client.failed_webhook_deliveries(STORE_ID)
        canceled = client.cancel_order(order["id"], action_id="cancel_1")
        with pytest.raises(WaffoRejected):
            client.cancel_order(order["id"], action_id="cancel_2")
    # Then
    assert [str(payment.charged) for payment in payments] == ["18.00"]
    assert orders.items == (found,)
    assert found is not None
    assert (found.buyer_identity, found.product_metadata, found.period_number) == ("acct_1001", {"plan": "pro"}, 1)
    assert (missing, failed.items, canceled.status) == (None, (), "canceling")
