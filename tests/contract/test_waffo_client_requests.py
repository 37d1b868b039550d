"""Our requests to Waffo, with the official SDK and Node's crypto as referees."""

import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pancake_meter.waffo.checkout import (
    BillingDetail,
    ChargeExactly,
    CreateSession,
    Credit,
    NewPurchase,
    PlanChange,
    PriceSnapshot,
)
from pancake_meter.waffo.client import WaffoClient
from pancake_meter.waffo.signing import RequestSigner
from tests.support.node import run_node
from tests.support.waffo_webhooks import encode, platform_key, public_pem

KEY = platform_key()
PRIVATE_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
MERCHANT_ID = "MER_1aB2cD3eF4gH5iJ6kL7mN8"
PRODUCT = "PROD_2bN5mK8jH1gF4dS7aP0oI3"
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
PAYMENT = "PAY_3kLm9QwErTyUiOpAsDfGhJ"
SIGNED = ("x-merchant-id", "x-signature", "x-timestamp")
IDENTITY = "acct_1001 Zoë"
KEY_OF_CALL = "checkout_42"

PURCHASE = CreateSession(
    product_id=PRODUCT,
    currency="USD",
    price=PriceSnapshot("18.00", "saas"),
    with_trial=False,
    purchase=NewPurchase(
        "buyer@example.com",
        BillingDetail(
            country="US",
            is_business=True,
            postcode="10001",
            state="NY",
            business_name="Invented Inc.",
            tax_id="12-3456789",
        ),
    ),
    success_url="https://app.example.com/billing/done?from=東京",
    expires_in_seconds=3600,
    dark_mode=True,
    metadata={"kind": "overage", "note": "naïve 東京 🥞"},
    external_id="ovg:acct_1001:2026-03-10:0001",
    language="ja-JP",
    include_payment_methods=("card", "wechat"),
)
SDK_PURCHASE = {
    "productId": PRODUCT,
    "currency": "USD",
    "priceSnapshot": {"amount": "18.00", "taxCategory": "saas"},
    "withTrial": False,
    "buyerEmail": "buyer@example.com",
    "billingDetail": {
        "country": "US",
        "isBusiness": True,
        "postcode": "10001",
        "state": "NY",
        "businessName": "Invented Inc.",
        "taxId": "12-3456789",
    },
    "successUrl": "https://app.example.com/billing/done?from=東京",
    "expiresInSeconds": 3600,
    "darkMode": True,
    "metadata": {"kind": "overage", "note": "naïve 東京 🥞"},
    "orderMerchantExternalId": "ovg:acct_1001:2026-03-10:0001",
    "language": "ja-JP",
    "includePaymentMethods": ["card", "wechat"],
}


def _plan_change(adjustment: ChargeExactly | Credit) -> CreateSession:
    return CreateSession(
        product_id=PRODUCT,
        currency="USD",
        purchase=PlanChange(ORDER, "next_period", adjustment),
        success_url="https://app.example.com/billing/done",
        metadata={"plan": "scale"},
        external_id="sub:acct_1001:scale:v2",
        exclude_payment_methods=("applepay",),
    )


def _sdk_plan_change(**adjustment: str) -> dict[str, object]:
    return {
        "originOrderId": ORDER,
        "productId": PRODUCT,
        "currency": "USD",
        "changeTiming": "next_period",
        "successUrl": "https://app.example.com/billing/done",
        "metadata": {"plan": "scale"},
        "orderMerchantExternalId": "sub:acct_1001:scale:v2",
        "excludePaymentMethods": ["applepay"],
        **adjustment,
    }


CASES = {
    "purchase": (PURCHASE, "checkout.authenticated.create", SDK_PURCHASE),
    "plan change, exact amount": (
        _plan_change(ChargeExactly("12.00")),
        "checkout.authenticated.createPlanChange",
        _sdk_plan_change(changeAmount="12.00"),
    ),
    "plan change, credit": (
        _plan_change(Credit("8.00")),
        "checkout.authenticated.createPlanChange",
        _sdk_plan_change(changeCreditAmount="8.00"),
    ),
}


class Wire:
    """Answers like Waffo and keeps what our client sent, in the form the Node programs speak."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(
            {
                "method": request.method,
                "path": request.url.raw_path.decode("ascii"),
                "headers": dict(request.headers),
                "body": base64.b64encode(request.content).decode("ascii"),
            }
        )
        answer = {
            "token": "eyJ.token",
            "sessionId": "cs_1",
            "checkoutUrl": "https://pancake.waffo.ai/store/s/checkout/cs_1",
            "expiresAt": "2026-04-03T09:15:00.000Z",
            "orderId": ORDER,
            "status": "canceling",
            "webhookDeliveries": [],
            "ticket": {"id": "TKT_3kLm9QwErTyUiOpAsDfGhJ", "status": "processing"},
        }
        return httpx.Response(200, content=encode({"data": answer}))


def _client(wire: Wire) -> WaffoClient:
    return WaffoClient(RequestSigner(MERCHANT_ID, KEY), transport=httpx.MockTransport(wire))


def _checkout(request: CreateSession) -> tuple[list[dict[str, Any]], str]:
    """What our client sends for an authenticated checkout (token first), and the URL it makes."""
    wire = Wire()
    with _client(wire) as client:
        checkout = client.authenticated_checkout(request, buyer_identity=IDENTITY, idempotency_key=KEY_OF_CALL)
    return sorted(wire.requests, key=lambda sent: str(sent["path"])), checkout.url


def _body(request: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(request["body"]))


def _own_headers(request: dict[str, Any]) -> dict[str, str]:
    """The headers that belong to the protocol, not to the HTTP library."""
    return {
        name: value for name, value in request["headers"].items() if name.startswith("x-") or name == "content-type"
    }


@pytest.fixture(scope="module")
def sdk() -> dict[str, dict[str, Any]]:
    """What the SDK puts on the wire for the same checkouts."""
    calls = [
        [method, {"buyerIdentity": IDENTITY, **params}, {"idempotencyKey": KEY_OF_CALL}]
        for _, method, params in CASES.values()
    ]
    program = "verify_request_sdk_capture.mjs"
    answers = run_node(program, {"merchantId": MERCHANT_ID, "privateKey": PRIVATE_PEM, "calls": calls})
    return dict(zip(CASES, answers, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_our_checkout_is_the_sdks_checkout_field_by_field(case: str, sdk: dict[str, dict[str, Any]]) -> None:
    # When
    ours, url = _checkout(CASES[case][0])
    theirs = sdk[case]["requests"]
    # Then: the same calls, paths, bodies, protocol headers; only time and signature differ
    assert [sent["path"] for sent in ours] == [sent["path"] for sent in theirs]
    assert [_body(sent) for sent in ours] == [_body(sent) for sent in theirs]
    for sent, expected in zip(ours, theirs, strict=True):
        assert sent["method"] == expected["method"] == "POST"
        mine, sdks = _own_headers(sent), _own_headers(expected)
        assert mine.keys() == sdks.keys()
        for name in mine.keys() - {"x-timestamp", "x-signature"}:
            assert mine[name] == sdks[name]
        assert len(mine["x-timestamp"]) == len(sdks["x-timestamp"]) == 10
    assert url == sdk[case]["result"]["checkoutUrl"]


@pytest.mark.parametrize("case", CASES)
def test_our_signature_of_the_sdks_bytes_is_the_sdks_signature(case: str, sdk: dict[str, dict[str, Any]]) -> None:
    # Given: PKCS#1 v1.5 has no randomness, so equal input and key give equal signatures
    signer = RequestSigner(MERCHANT_ID, KEY)
    for request in sdk[case]["requests"]:
        # When
        headers = signer.headers(
            request["path"],
            base64.b64decode(request["body"]),
            timestamp_seconds=int(request["headers"]["x-timestamp"]),
        )
        # Then
        assert headers["X-Signature"] == request["headers"]["x-signature"]
        assert headers["X-Merchant-Id"] == request["headers"]["x-merchant-id"]


def test_our_cancel_and_our_query_are_the_sdks() -> None:
    # Given
    calls = [
        ["orders.cancelSubscription", {"orderId": ORDER}, {"idempotencyKey": "cancel_v3"}],
        ["graphql.query", {"query": "query { stores { id } }", "variables": {}}],
    ]
    answers = run_node(
        "verify_request_sdk_capture.mjs", {"merchantId": MERCHANT_ID, "privateKey": PRIVATE_PEM, "calls": calls}
    )
    their_cancel, their_query = (answer["requests"][0] for answer in answers)
    # When
    wire = Wire()
    with _client(wire) as client:
        client.cancel_order(ORDER, action_id="cancel_v3")
        client.failed_webhook_deliveries("STO_7hQ2mVb9KxT4cLr8WnZ3aE")
    our_cancel, our_query = wire.requests
    # Then
    assert (our_cancel["path"], our_query["path"]) == (their_cancel["path"], their_query["path"])
    assert _body(our_cancel) == _body(their_cancel)
    assert _body(our_query).keys() == _body(their_query).keys()
    assert _own_headers(our_cancel).keys() == _own_headers(their_cancel).keys()
    assert _own_headers(our_query).keys() == _own_headers(their_query).keys()


def test_issue_14_point_4_our_reactivation_and_our_refund_ticket_are_the_sdks() -> None:
    # Given: the SDK makes both in the buyer's name; a refund ticket is ours to make with the key
    ticket = {
        "paymentId": PAYMENT,
        "reason": "Bought twice 🥞",
        "requestedAmount": {"amount": "1.50", "currency": "USD"},
        "refundTicketMerchantExternalId": "rfd_0a1b2c",
    }
    calls = [
        ["reactivateSubscription", {"orderId": ORDER}, {"idempotencyKey": "reactivate_v3"}],
        ["createRefundTicket", ticket, {"idempotencyKey": "refund_v3"}],
    ]
    session = {"token": "eyJ.token", "environment": "test"}
    program = {"merchantId": MERCHANT_ID, "privateKey": PRIVATE_PEM, "session": session, "calls": calls}
    answers = run_node("verify_request_sdk_capture.mjs", program)
    their_reactivation, their_ticket = (answer["requests"][0] for answer in answers)
    # When
    wire = Wire()
    with _client(wire) as client:
        client.reactivate_order(
            ORDER, product_id=PRODUCT, buyer_identity=IDENTITY, action_id="reactivate_v3", is_test=True
        )
        client.create_refund_ticket(
            PAYMENT, amount="1.50", currency="USD", reason="Bought twice 🥞", external_id="rfd_0a1b2c"
        )
    _, reactivation, refund = wire.requests
    # Then
    assert (reactivation["path"], refund["path"]) == (their_reactivation["path"], their_ticket["path"])
    assert (_body(reactivation), _body(refund)) == (_body(their_reactivation), _body(their_ticket))
    for name in ("authorization", "x-environment"):
        assert reactivation["headers"][name] == their_reactivation["headers"][name]
    assert _own_headers(reactivation).keys() == _own_headers(their_reactivation).keys()
    assert _own_headers(refund).keys() == {"content-type", "x-idempotency-key", *SIGNED}


def test_node_verifies_every_request_with_the_merchants_public_key_and_no_altered_one() -> None:
    # Given: one of each call
    wire = Wire()
    with _client(wire) as client:
        client.authenticated_checkout(PURCHASE, buyer_identity=IDENTITY, idempotency_key=KEY_OF_CALL)
        client.cancel_order(ORDER, action_id="cancel_v3")
        client.failed_webhook_deliveries("STO_7hQ2mVb9KxT4cLr8WnZ3aE")
    sent = wire.requests
    altered = [
        {**sent[0], "path": sent[0]["path"] + "x"},
        {**sent[0], "method": "PUT"},
        {**sent[0], "body": base64.b64encode(base64.b64decode(sent[0]["body"]) + b" ").decode()},
        {**sent[0], "headers": {**sent[0]["headers"], "x-timestamp": "1"}},
        {**sent[0], "headers": {**sent[0]["headers"], "x-signature": sent[1]["headers"]["x-signature"]}},
    ]
    # When
    verdicts = run_node("verify_request_signatures.mjs", {"publicKey": public_pem(KEY), "requests": sent + altered})
    # Then
    assert verdicts == [True] * 4 + [False] * 5
