"""The API client, against a transport that is a list of answers."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest

from pancake_meter.waffo.checkout import CanceledOrder, CheckoutSession, CreateSession, SessionToken
from pancake_meter.waffo.client import MAX_ANSWER_BYTES, TIMEOUT, WaffoClient
from pancake_meter.waffo.errors import (
    InvalidRequest,
    WaffoApiError,
    WaffoInFlight,
    WaffoRejected,
    WaffoUnavailable,
    WaffoUnreadable,
)
from pancake_meter.waffo.events import EventKind, SubscriptionFacts, parse_event
from pancake_meter.waffo.fields import PeriodBound
from pancake_meter.waffo.idempotency import idempotency_key
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.session_tokens import TOKENS_MAX
from pancake_meter.waffo.signing import RequestSigner
from tests.support.waffo_webhooks import encode, platform_key, reference

START = datetime(2026, 4, 2, 9, 15, 0, 800_000, tzinfo=UTC)
PRODUCT = "PROD_2bN5mK8jH1gF4dS7aP0oI3"
ORDER = "ORD_4kPz8sYvN1qJ6tGwB2dXfR"
STORE = "STO_7hQ2mVb9KxT4cLr8WnZ3aE"
REQUEST = CreateSession(product_id=PRODUCT, currency="USD", metadata={"name": "Zoë 東京"})
SESSION = reference("api/create_session_response.json")["body"]
TOKEN = {"data": {"token": "eyJ.secret", "expiresAt": "2026-04-02T09:20:00.000Z"}}
IN_FLIGHT = reference("errors/409_idempotent_in_flight.json")["body"]

Reply = httpx.Response | Exception


def _reply(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, content=encode(body), headers={"content-type": "application/json"})


class Waffo:
    """A Waffo that answers from a list, a clock that only sleeping and answering move, and what was seen and logged."""

    def __init__(self, *replies: Reply, seconds_per_call: float = 0.0) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.sleeps: list[float] = []
        self.logged: list[tuple[object, Mapping[str, object]]] = []
        self.now = START
        self.seconds_per_call = seconds_per_call

    def client(self, **options: Any) -> WaffoClient:
        return WaffoClient(
            RequestSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", platform_key()),
            api_url="https://api.waffo.test/",
            transport=httpx.MockTransport(self._answer),
            log=self,
            clock=lambda: self.now,
            sleep=self._sleep,
            random=lambda: 0.5,
            **options,
        )

    def warning(self, msg: object, *_: object, extra: Mapping[str, object] | None = None) -> None:
        self.logged.append((msg, extra or {}))

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += timedelta(seconds=seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.now += timedelta(seconds=self.seconds_per_call)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def _create(client: WaffoClient) -> CheckoutSession:
    return client.create_session(REQUEST, idempotency_key="key-1")


def test_create_session_sends_one_signed_request_and_reads_the_session() -> None:
    # Given
    waffo = Waffo(_reply(200, SESSION))
    # When
    with waffo.client() as client:
        session = _create(client)
    # Then
    assert session == CheckoutSession(
        session_id="cs_8fT2kQ6wZ0mB4nX7vC1pL5",
        checkout_url="https://pancake.waffo.ai/store/invented-ai-store/checkout/cs_8fT2kQ6wZ0mB4nX7vC1pL5?test=true",
        expires_at=datetime(2026, 4, 3, 9, 15, tzinfo=UTC),
    )
    (request,) = waffo.requests
    assert (request.method, str(request.url)) == ("POST", "https://api.waffo.test/v1/actions/checkout/create-session")
    assert json.loads(request.content) == REQUEST.to_wire()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-idempotency-key"] == "key-1"
    assert request.headers["x-timestamp"] == str(int(START.timestamp()))
    assert "x-environment" not in request.headers


def test_a_session_token_is_asked_for_without_idempotency_key() -> None:
    # Given
    waffo = Waffo(_reply(200, TOKEN))
    # When
    with waffo.client() as client:
        token = client.issue_session_token(product_id=PRODUCT, buyer_identity="acct_1001")
    # Then
    assert token == SessionToken("eyJ.secret", datetime(2026, 4, 2, 9, 20, tzinfo=UTC))
    (request,) = waffo.requests
    assert request.url.path == "/v1/actions/auth/issue-session-token"
    assert json.loads(request.content) == {"productId": PRODUCT, "buyerIdentity": "acct_1001"}
    assert "x-idempotency-key" not in request.headers


def test_cancel_order_reads_the_new_status() -> None:
    # Given
    waffo = Waffo(_reply(200, reference("api/cancel_subscription_response.json")["body"]))
    # When
    with waffo.client() as client:
        canceled = client.cancel_order(ORDER, action_id="cancel_v3")
    # Then
    assert canceled == CanceledOrder(ORDER, "canceling")
    (request,) = waffo.requests
    assert request.url.path == "/v1/actions/subscription-order/cancel-order"
    assert json.loads(request.content) == {"orderId": ORDER}
    assert request.headers["x-idempotency-key"] == idempotency_key("cancel-order", ORDER, "cancel_v3")


TROUBLE: dict[str, Callable[[], Reply]] = {
    "500": lambda: _reply(500, reference("errors/500_root_cause_first.json")["body"]),
    "502 without envelope": lambda: httpx.Response(502, content=b"<html>"),
    "429": lambda: _reply(429, reference("errors/429_rate_limited.json")["body"]),
    "cannot connect": lambda: httpx.ConnectError("no route"),
    "connect timeout": lambda: httpx.ConnectTimeout("slow"),
    "read timeout": lambda: httpx.ReadTimeout("slow"),
    "hung up": lambda: httpx.RemoteProtocolError("gone"),
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
def test_scenario_71_passing_trouble_is_retried_under_the_same_key_with_the_same_body(
    trouble: Callable[[], Reply],
) -> None:
    # Given
    waffo = Waffo(trouble(), trouble(), _reply(200, SESSION), seconds_per_call=2.0)
    # When
    with waffo.client() as client:
        session = _create(client)
    # Then
    assert session.session_id == "cs_8fT2kQ6wZ0mB4nX7vC1pL5"
    assert {request.headers["x-idempotency-key"] for request in waffo.requests} == {"key-1"}
    assert len({request.content for request in waffo.requests}) == 1
    assert waffo.sleeps == [0.1, 0.2]
    assert [name for name, _ in waffo.logged] == ["waffo_retry", "waffo_retry"]


def test_each_attempt_is_signed_anew_for_its_own_time() -> None:
    # Given
    waffo = Waffo(httpx.ReadTimeout("slow"), _reply(200, SESSION), seconds_per_call=5.0)
    # When
    with waffo.client() as client:
        _create(client)
    # Then
    first, second = waffo.requests
    assert int(second.headers["x-timestamp"]) - int(first.headers["x-timestamp"]) == 5
    assert first.headers["x-signature"] != second.headers["x-signature"]


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
def test_retries_are_bounded_in_number(trouble: Callable[[], Reply]) -> None:
    # Given
    waffo = Waffo(*(trouble() for _ in range(5)))
    # When
    with waffo.client() as client, pytest.raises(WaffoUnavailable):
        _create(client)
    # Then
    assert len(waffo.requests) == 3


def test_retries_are_bounded_in_time() -> None:
    # Given
    waffo = Waffo(*(httpx.ReadTimeout("slow") for _ in range(9)), seconds_per_call=6.0)
    # When
    with waffo.client(retry=RetryPolicy(attempts_max=9)) as client, pytest.raises(WaffoUnavailable):
        _create(client)
    # Then
    assert len(waffo.requests) == 2


@pytest.mark.parametrize("name", ["400_missing_field", "401_authentication_failed", "403_not_owner", "404_not_found"])
def test_a_refusal_is_not_retried(name: str) -> None:
    # Given
    example = reference(f"errors/{name}.json")
    waffo = Waffo(_reply(example["httpStatus"], example["body"]))
    # When
    with waffo.client() as client, pytest.raises(WaffoRejected) as caught:
        _create(client)
    # Then
    assert caught.value.status == example["httpStatus"]
    assert (len(waffo.requests), waffo.sleeps) == (1, [])


def test_scenario_83_a_2xx_with_errors_is_a_failure_and_not_retried() -> None:
    example = reference("errors/200_with_errors_treat_as_failure.json")
    waffo = Waffo(_reply(200, example["body"]))
    with waffo.client() as client, pytest.raises(WaffoRejected) as caught:
        _create(client)
    assert caught.value.layer == "graphql"
    assert len(waffo.requests) == 1


def test_a_request_in_flight_is_asked_for_again() -> None:
    # Given
    waffo = Waffo(_reply(409, IN_FLIGHT), _reply(200, SESSION))
    # When
    with waffo.client() as client:
        session = _create(client)
    # Then
    assert session.session_id == "cs_8fT2kQ6wZ0mB4nX7vC1pL5"
    assert waffo.sleeps == [0.1]


def test_a_request_that_stays_in_flight_is_said_to_be() -> None:
    waffo = Waffo(*(_reply(409, IN_FLIGHT) for _ in range(3)))
    with waffo.client() as client, pytest.raises(WaffoInFlight) as caught:
        _create(client)
    assert (caught.value.status, caught.value.layer) == (409, "gateway")
    assert len(waffo.requests) == 3


def test_no_answer_has_no_status() -> None:
    waffo = Waffo(*(httpx.ConnectError("no route to 10.0.0.1") for _ in range(3)))
    with waffo.client() as client, pytest.raises(WaffoUnavailable) as caught:
        _create(client)
    assert (caught.value.status, caught.value.layer, caught.value.notices) == (None, None, ())


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"sessionId": "cs_1", "checkoutUrl": "https://x.example", "expiresAt": "later"},
        {"sessionId": "", "checkoutUrl": "https://x.example", "expiresAt": "2026-04-03T09:15:00.000Z"},
        {"sessionId": "cs_1", "checkoutUrl": "javascript:alert(1)", "expiresAt": "2026-04-03T09:15:00.000Z"},
    ],
)
def test_an_answer_that_lacks_what_was_promised_is_unreadable(data: dict[str, object]) -> None:
    waffo = Waffo(_reply(200, {"data": data}))
    with waffo.client() as client, pytest.raises(WaffoUnreadable):
        _create(client)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ä", 7])
def test_a_token_that_would_break_the_url_is_unreadable(token: object) -> None:
    waffo = Waffo(_reply(200, {"data": TOKEN["data"] | {"token": token}}))
    with waffo.client() as client, pytest.raises(WaffoUnreadable):
        client.issue_session_token(product_id=PRODUCT, buyer_identity="acct_1001")


def test_an_answer_without_end_is_cut_off() -> None:
    # Given
    def endless() -> Iterator[bytes]:
        sent = 0
        while True:
            sent += 1
            assert sent <= MAX_ANSWER_BYTES // 1_000_000 + 2
            yield b"x" * 1_000_000

    waffo = Waffo(httpx.Response(200, content=endless()))
    # When / Then
    with waffo.client() as client, pytest.raises(WaffoUnreadable) as caught:
        _create(client)
    assert caught.value.status == 200


def test_an_answer_that_cannot_be_decompressed_is_unreadable() -> None:
    class Garbage(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"not gzip"

    waffo = Waffo(httpx.Response(200, stream=Garbage(), headers={"content-encoding": "gzip"}))
    with waffo.client() as client, pytest.raises(WaffoUnreadable):
        _create(client)


def test_redirects_are_not_followed() -> None:
    waffo = Waffo(httpx.Response(307, headers={"location": "https://elsewhere.example/"}))
    with waffo.client() as client, pytest.raises(WaffoRejected):
        _create(client)
    assert len(waffo.requests) == 1


def test_warnings_are_logged_with_their_hint() -> None:
    # Given
    warning = {"message": "priceSnapshot is deprecated", "layer": "order", "aiHint": "USE_PRICE"}
    waffo = Waffo(_reply(200, SESSION | {"warnings": [warning]}))
    # When
    with waffo.client() as client:
        _create(client)
    # Then
    assert waffo.logged == [
        (
            "waffo_warning",
            {
                "waffo_operation": "/v1/actions/checkout/create-session",
                "waffo_notice": "priceSnapshot is deprecated",
                "waffo_layer": "order",
                "waffo_ai_hint": "USE_PRICE",
            },
        )
    ]


def test_the_standard_logger_takes_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    transport = httpx.MockTransport(lambda _: _reply(200, SESSION | {"warnings": [{"message": "old"}]}))
    signer = RequestSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", platform_key())
    # When
    with WaffoClient(signer, transport=transport) as client, caplog.at_level(logging.WARNING):
        _create(client)
    # Then
    assert [record.getMessage() for record in caplog.records] == ["waffo_warning"]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client: client.create_session(REQUEST, idempotency_key="a:b"), "X-Idempotency-Key"),
        (lambda client: client.create_session(REQUEST, idempotency_key=""), "X-Idempotency-Key"),
        (lambda client: client.cancel_order("ORD_1", action_id="k"), "orderId"),
        (lambda client: client.cancel_order(ORDER, action_id=ORDER), "action_id"),
        (lambda client: client.cancel_order(ORDER, action_id=""), "action_id"),
        (lambda client: client.buyers_subscription_orders(STORE, " "), "buyerIdentity"),
        (lambda client: client.issue_session_token(product_id="x", buyer_identity="a"), "productId"),
        (lambda client: client.issue_session_token(product_id=PRODUCT, buyer_identity=" "), "buyerIdentity"),
        (
            lambda client: client.issue_session_token(product_id=PRODUCT, buyer_identity="\ud800"),
            "/v1/actions/auth/issue-session-token",
        ),
        (lambda client: client.subscription_orders(STORE, limit=101), "limit"),
        (lambda client: client.failed_webhook_deliveries(STORE, offset=-1), "offset"),
    ],
)
def test_what_waffo_would_refuse_is_never_sent(call: Callable[[WaffoClient], object], field: str) -> None:
    waffo = Waffo()
    with waffo.client() as client, pytest.raises(InvalidRequest) as caught:
        call(client)
    assert caught.value.field == field
    assert waffo.requests == []


def test_every_call_has_timeouts() -> None:
    assert (TIMEOUT.connect, TIMEOUT.read, TIMEOUT.write, TIMEOUT.pool) == (1.0, 5.0, 2.0, 1.0)
    waffo = Waffo(_reply(200, SESSION))
    with waffo.client() as client:
        _create(client)
    assert waffo.requests[0].extensions["timeout"] == TIMEOUT.as_dict()


class Both:
    """Answers token and session requests, each from its own list, whichever comes first."""

    def __init__(self, token: Reply, session: Reply) -> None:
        self.replies = {"issue-session-token": token, "create-session": session}
        self.seen: list[str] = []
        self.meeting = threading.Barrier(2, timeout=5)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[1]
        self.meeting.wait()  # passes only when both requests are under way at once
        self.seen.append(name)
        reply = self.replies[name]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def client(self) -> WaffoClient:
        signer = RequestSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", platform_key())
        return WaffoClient(signer, transport=httpx.MockTransport(self), retry=RetryPolicy(attempts_max=1))


def test_an_authenticated_checkout_asks_for_token_and_session_at_once() -> None:
    # Given
    both = Both(_reply(200, TOKEN), _reply(200, SESSION))
    # When
    with both.client() as client:
        checkout = client.authenticated_checkout(REQUEST, buyer_identity="acct_1001", idempotency_key="key-1")
    # Then
    assert sorted(both.seen) == ["create-session", "issue-session-token"]
    assert checkout.url == SESSION["data"]["checkoutUrl"] + "#token=eyJ.secret"
    assert checkout.checkout_url == SESSION["data"]["checkoutUrl"]
    assert checkout.session_id == "cs_8fT2kQ6wZ0mB4nX7vC1pL5"
    assert checkout.expires_at == datetime(2026, 4, 3, 9, 15, tzinfo=UTC)
    assert checkout.token_expires_at == datetime(2026, 4, 2, 9, 20, tzinfo=UTC)
    assert "secret" not in repr(checkout)


@pytest.mark.parametrize(
    ("token", "session", "kind"),
    [
        (httpx.ReadTimeout("slow"), _reply(200, SESSION), WaffoUnavailable),
        (_reply(200, TOKEN), httpx.ReadTimeout("slow"), WaffoUnavailable),
        (_reply(200, TOKEN), _reply(400, {"data": None, "errors": [{"message": "no"}]}), WaffoRejected),
    ],
)
def test_an_authenticated_checkout_fails_when_either_half_does(
    token: Reply, session: Reply, kind: type[WaffoApiError]
) -> None:
    both = Both(token, session)
    with both.client() as client, pytest.raises(kind):
        client.authenticated_checkout(REQUEST, buyer_identity="acct_1001", idempotency_key="key-1")
    # Nobody waits for the token once the session has failed.
    assert "create-session" in both.seen


def test_subscription_orders_are_read_typed() -> None:
    # Given
    waffo = Waffo(_reply(200, reference("api/graphql_subscription_orders_response.json")))
    # When
    with waffo.client() as client:
        page = client.subscription_orders(STORE, limit=25, offset=50)
    # Then
    assert (page.received, page.total) == (1, 1)
    (order,) = page.items
    assert (order.id, order.status, order.buyer_identity) == (ORDER, "active", "acct_1001")
    assert order.metadata == {"accountId": "acct_1001", "planKey": "pro-monthly"}
    assert order.product_metadata == {"planKey": "pro-monthly"}
    assert order.period_start == PeriodBound(datetime(2026, 4, 10, 15, 14, 30, tzinfo=UTC), is_date_only=False)
    assert order.updated_at == datetime(2026, 4, 10, 15, 14, 41, 102_000, tzinfo=UTC)
    assert (order.period_number, order.will_renew, order.superseded_by_order_id) == (2, True, None)
    assert (order.is_in_trial, order.is_called_trial) == (False, False)
    (request,) = waffo.requests
    sent = json.loads(request.content)
    assert request.url.path == "/v1/graphql"
    assert "x-idempotency-key" not in request.headers
    assert sent["variables"] == {
        "storeId": STORE,
        "statuses": ["pending", "active", "trialing", "past_due", "canceling"],
        "limit": 25,
        "offset": 50,
    }


def test_one_subscription_order_is_read_or_unknown() -> None:
    # Given
    order = reference("api/graphql_subscription_orders_response.json")["data"]["subscriptionOrders"][0]
    waffo = Waffo(
        _reply(200, {"data": {"subscriptionOrder": order}}), _reply(200, {"data": {"subscriptionOrder": None}})
    )
    # When
    with waffo.client() as client:
        known, unknown = client.subscription_order(ORDER), client.subscription_order(ORDER)
    # Then
    assert known is not None
    assert (known.id, unknown) == (ORDER, None)


def test_scenario_23_failed_deliveries_carry_events_that_can_be_applied() -> None:
    # Given
    waffo = Waffo(_reply(200, reference("api/graphql_webhook_deliveries_response.json")))
    # When
    with waffo.client() as client:
        page = client.failed_webhook_deliveries(STORE)
    # Then
    (delivery,) = page.items
    assert (delivery.status, delivery.attempt_count) == ("failed", 4)
    assert delivery.last_attempted_at == datetime(2026, 4, 10, 15, 45, 50, tzinfo=UTC)
    facts = parse_event(delivery.payload).facts
    assert isinstance(facts, SubscriptionFacts)
    assert facts.kind is EventKind.SUBSCRIPTION_RENEWED


def test_a_payload_that_comes_as_an_object_is_as_good() -> None:
    # Given
    answer = reference("api/graphql_webhook_deliveries_response.json")
    (delivery,) = answer["data"]["webhookDeliveries"]
    delivery["payload"] = json.loads(delivery["payload"])
    waffo = Waffo(_reply(200, answer))
    # When
    with waffo.client() as client:
        (item,) = client.failed_webhook_deliveries(STORE).items
    # Then
    assert parse_event(item.payload).order_id == ORDER


def test_only_later_pages_of_deliveries_use_an_offset() -> None:
    # Given
    empty = {"data": {"webhookDeliveries": [], "webhookDeliveriesCount": 0}}
    waffo = Waffo(_reply(200, empty), _reply(200, empty))
    # When
    with waffo.client() as client:
        client.failed_webhook_deliveries(STORE, limit=10)
        client.failed_webhook_deliveries(STORE, limit=10, offset=10)
    # Then
    first, second = (json.loads(request.content) for request in waffo.requests)
    assert first["variables"] == {"storeId": STORE, "limit": 10}
    assert "offset" not in first["query"]
    assert second["variables"] == {"storeId": STORE, "limit": 10, "offset": 10}


def test_one_odd_entry_does_not_hide_the_others() -> None:
    # Given
    answer = reference("api/graphql_webhook_deliveries_response.json")
    answer["data"]["webhookDeliveries"] += [{"id": 7}, "text"]
    waffo = Waffo(_reply(200, answer))
    # When
    with waffo.client() as client:
        page = client.failed_webhook_deliveries(STORE)
    # Then
    assert (len(page.items), page.received) == (1, 3)
    assert [name for name, _ in waffo.logged] == ["waffo_entry_unreadable"] * 2


def test_payments_by_external_id_are_read_typed() -> None:
    # Given
    payment = reference("api/graphql_subscription_orders_response.json")["data"]["subscriptionOrders"][0]["payments"][0]
    waffo = Waffo(_reply(200, {"data": {"payments": [payment]}}))
    # When
    with waffo.client() as client:
        (read,) = client.payments_by_external_id("sub:acct_1001:pro-monthly:v1")
    # Then
    assert (read.id, read.order_id, read.status) == ("PAY_6zXc9vBn3mQw2eRt5yUi8O", ORDER, "succeeded")
    assert (read.charged, read.charged_currency) == (Decimal("31.90"), "USD")
    assert (read.list_total, read.list_currency) == (Decimal("31.90"), "USD")
    assert json.loads(waffo.requests[0].content)["variables"] == {"ref": "sub:acct_1001:pro-monthly:v1"}


@pytest.mark.parametrize("data", [{}, {"payments": None}, {"payments": {}}])
def test_a_list_that_is_none_is_unreadable(data: dict[str, object]) -> None:
    waffo = Waffo(_reply(200, {"data": data}))
    with waffo.client() as client, pytest.raises(WaffoUnreadable):
        client.payments_by_external_id("x")


def test_scenario_100_a_key_that_waffo_turns_away_is_replaced_and_the_call_made_once_more() -> None:
    old = RequestSigner("MER_1aB2cD3eF4gH5iJ6kL7mN8", platform_key())
    new = RequestSigner("MER_other", platform_key())

    class Rotated:
        def current(self) -> RequestSigner:
            return old

        def renewed(self, rejected: RequestSigner) -> RequestSigner | None:
            return new if rejected is old else None

    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["X-Merchant-Id"])
        if seen[-1] == old.merchant_id:
            return httpx.Response(401, json={"data": None, "errors": [{"message": "bad signature"}]})
        return httpx.Response(200, json={"data": {"token": "t", "expiresAt": "2026-03-10T15:25:00.000Z"}})

    with WaffoClient(Rotated(), transport=httpx.MockTransport(answer)) as client:
        assert client.issue_session_token(product_id=REQUEST.product_id, buyer_identity="acct_1001").token == "t"
    assert seen == [old.merchant_id, new.merchant_id]


def _token(number: int, at: datetime) -> httpx.Response:
    return _reply(
        200, {"data": {"token": f"t{number}", "expiresAt": f"{at + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"}}
    )


def test_one_token_serves_a_buyer_of_a_product_while_there_is_time_to_pay() -> None:
    later = START + timedelta(seconds=180)
    waffo = Waffo(_token(1, START), _token(2, later))
    with waffo.client() as client:
        asked = [client.session_token(product_id=PRODUCT, buyer_identity="acct_1001").token for _ in range(40)]
        waffo.now = later
        asked.append(client.session_token(product_id=PRODUCT, buyer_identity="acct_1001").token)
    assert asked == ["t1"] * 40 + ["t2"]


def test_a_token_is_never_another_buyers_or_another_products() -> None:
    waffo = Waffo(*(_token(number, START) for number in range(1, 4)))
    other = "PROD_3cO6nL9kI2hG5eT8bQ1pJ4"
    with waffo.client() as client:
        tokens = {
            client.session_token(product_id=product, buyer_identity=buyer).token
            for product, buyer in ((PRODUCT, "acct_1"), (PRODUCT, "acct_2"), (other, "acct_1"), (PRODUCT, "acct_1"))
        }
    assert tokens == {"t1", "t2", "t3"}
    assert len(waffo.requests) == 3


def test_a_token_of_another_key_or_one_that_waffo_calls_endless_is_not_handed_out() -> None:
    signers = [RequestSigner(merchant, platform_key()) for merchant in ("MER_1aB2cD3eF4gH5iJ6kL7mN8", "MER_2")]

    class Rotating:
        def current(self) -> RequestSigner:
            return signers[0]

        def renewed(self, _: RequestSigner) -> RequestSigner | None:
            return None

    endless = START + timedelta(days=365)
    waffo = Waffo(*(_token(number, endless) for number in range(1, 4)))
    client = WaffoClient(Rotating(), transport=httpx.MockTransport(waffo._answer), clock=lambda: waffo.now)
    ask = partial(client.session_token, product_id=PRODUCT, buyer_identity="acct_1001")
    with client:
        first = ask().token
        signers.pop(0)
        second = ask().token
        waffo.now += timedelta(minutes=3)
        third = ask().token
    assert [first, second, third] == ["t1", "t2", "t3"]


def test_tokens_are_asked_for_anew_once_waffo_has_refused_the_key() -> None:
    refused = _reply(401, {"data": None, "errors": [{"message": "bad signature", "layer": "gateway"}]})
    waffo = Waffo(_token(1, START), refused, _token(2, START))
    with waffo.client() as client:
        first = client.session_token(product_id=PRODUCT, buyer_identity="acct_1001").token
        with pytest.raises(WaffoRejected):
            client.payments_by_external_id("chk_1")
        assert (first, client.session_token(product_id=PRODUCT, buyer_identity="acct_1001").token) == ("t1", "t2")


def test_so_many_tokens_are_kept_and_no_more() -> None:
    waffo = Waffo(*(_token(number, START) for number in range(TOKENS_MAX + 2)))
    with waffo.client() as client:
        for number in (*range(TOKENS_MAX + 1), TOKENS_MAX, 0):
            client.session_token(product_id=PRODUCT, buyer_identity=f"acct_{number}")
    assert len(waffo.requests) == TOKENS_MAX + 2
