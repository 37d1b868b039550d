"""The Waffo API client: the only module that knows httpx.

Every request has timeouts, is signed anew at each attempt, and is repeated a bounded number of times under one
idempotency key.
"""

import json
import logging
import random as random_module
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx

from pancake_meter.bounded_http import cut_timeout
from pancake_meter.deadline import Deadline, deadline_in_hand
from pancake_meter.waffo import queries
from pancake_meter.waffo.bounded_json import is_object
from pancake_meter.waffo.checkout import (
    AuthenticatedCheckout,
    CanceledOrder,
    CheckoutSession,
    CreateSession,
    RefundTicket,
    SessionToken,
    check_amount,
    check_identity,
    check_short_id,
    url_with_token,
)
from pancake_meter.waffo.envelope import Answer, read_answer
from pancake_meter.waffo.errors import (
    InvalidRequest,
    Notice,
    WaffoApiError,
    WaffoInFlight,
    WaffoRejected,
    WaffoUnavailable,
    WaffoUnreadable,
)
from pancake_meter.waffo.fields import Fields, InvalidField
from pancake_meter.waffo.idempotency import idempotency_key, is_idempotency_key
from pancake_meter.waffo.retry import RetryPolicy
from pancake_meter.waffo.session_tokens import SessionTokens, TokenKey
from pancake_meter.waffo.signing import RequestSigner, SignerSource
from pancake_meter.waffo.snapshots import (
    LIVE_STATUSES,
    OrderPayment,
    Page,
    PaymentSnapshot,
    SubscriptionOrderSnapshot,
    WebhookDelivery,
    read_order_payment,
    read_payment,
    read_subscription_order,
    read_webhook_delivery,
)

DEFAULT_API_URL = "https://api.waffo.ai"
ISSUE_SESSION_TOKEN = "/v1/actions/auth/issue-session-token"  # noqa: S105 - a path, not a secret
CREATE_SESSION = "/v1/actions/checkout/create-session"
CANCEL_ORDER = "/v1/actions/subscription-order/cancel-order"
REACTIVATE_ORDER = "/v1/actions/subscription-order/reactivate-order"
CREATE_REFUND_TICKET = "/v1/actions/refund-ticket/create-ticket"
REASON_LENGTH_MAX = 1000
GRAPHQL = "/v1/graphql"

TIMEOUT = httpx.Timeout(connect=1.0, read=5.0, write=2.0, pool=1.0)
ATTEMPT_SECONDS_MIN = 1.5
"""With less time left no attempt is started."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_PAGE_SIZE = 100
MAX_OFFSET = 1_000_000
_PRODUCT_PAGES_MAX = 10

T = TypeVar("T")


class Log(Protocol):
    """What the client needs of a logger; Powertools' Logger and the standard one both fit."""

    def warning(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log one warning with its fields."""


class WaffoClient:
    """One merchant's access to Waffo. Safe to share between threads; close it, or use it as a context manager.

    Every method raises:
        InvalidRequest: an argument is beyond the documented bounds; nothing was sent.
        WaffoUnavailable: no useful answer after every retry. It may have taken effect: repeat it under the same key.
        WaffoInFlight: a write under the same idempotency key has still not ended. Repeat it in a moment.
        WaffoRejected: a final no, whatever the HTTP status.
        WaffoUnreadable: the answer breaks the protocol.
    """

    def __init__(
        self,
        signer: SignerSource,
        *,
        api_url: str = DEFAULT_API_URL,
        transport: httpx.BaseTransport | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        log: Log = logging.getLogger(__name__),  # noqa: B008 - this module's standard logger
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random_module.random,
        deadline: Callable[[], Deadline] = deadline_in_hand,
    ) -> None:
        """Prepare; nothing is sent. ``clock`` returns aware datetimes, ``random`` a float in [0, 1)."""
        self._signer = signer
        self._retry = retry
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._deadline = deadline
        self._api_url = api_url.rstrip("/")
        self._tokens = SessionTokens()
        self._http = httpx.Client(timeout=TIMEOUT, transport=transport, follow_redirects=False)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def issue_session_token(self, *, product_id: str, buyer_identity: str) -> SessionToken:
        """A token that says who the customer is, for five minutes.

        Never sent with an idempotency key: the replayed answer would be a token that has expired.
        """
        check_short_id("productId", product_id, "PROD")
        check_identity(buyer_identity)
        answer = self._call(ISSUE_SESSION_TOKEN, {"productId": product_id, "buyerIdentity": buyer_identity})
        return _read(ISSUE_SESSION_TOKEN, answer, _session_token)

    def session_token(self, *, product_id: str, buyer_identity: str) -> SessionToken:
        """A token of the buyer's for a product: the last one while two minutes of it are left, or else a new one."""
        key = TokenKey(self._signer.current(), product_id, buyer_identity)
        return self._tokens.get(
            key,
            self._clock(),
            lambda: self.issue_session_token(product_id=product_id, buyer_identity=buyer_identity),
        )

    def create_session(self, request: CreateSession, *, idempotency_key: str) -> CheckoutSession:
        """Make a checkout session, or get the one already made under this key within 24 hours."""
        answer = self._call(CREATE_SESSION, request.to_wire(), _checked_key(idempotency_key))
        return _read(CREATE_SESSION, answer, _checkout_session)

    def authenticated_checkout(
        self, request: CreateSession, *, buyer_identity: str, idempotency_key: str, is_test: bool = False
    ) -> AuthenticatedCheckout:
        """A checkout bound to our customer: token and session, requested at the same time since neither needs the
        other.

        The key covers the session alone: one that was made is found again under the same key. Nobody waits for a token
        once the session has failed, or the deadline has passed.
        """
        check_identity(buyer_identity)
        pending_token = _in_background(
            partial(self.session_token, product_id=request.product_id, buyer_identity=buyer_identity)
        )
        session = self.create_session(request, idempotency_key=idempotency_key)
        token = self._awaited(pending_token)
        return AuthenticatedCheckout(
            session_id=session.session_id,
            url=url_with_token(session.checkout_url, token, is_test=is_test),
            expires_at=session.expires_at,
            checkout_url=session.checkout_url,
            token_expires_at=token.expires_at,
        )

    def cancel_order(self, order_id: str, *, action_id: str) -> CanceledOrder:
        """Cancel a subscription.

        ``action_id`` names this one wish to cancel: a repetition of the request carries the same one, a later wish
        another. A key made of the order alone would replay the first answer for 24 hours: cancel, reactivate, cancel
        again would then cancel nothing.
        """
        check_short_id("orderId", order_id, "ORD")
        if action_id in ("", order_id):
            raise InvalidRequest("action_id", "does not name the action: it is empty, or the order's id")
        key = idempotency_key("cancel-order", order_id, action_id)
        answer = self._call(CANCEL_ORDER, {"orderId": order_id}, key)
        return _read(CANCEL_ORDER, answer, _canceled_order)

    def reactivate_order(
        self, order_id: str, *, product_id: str, buyer_identity: str, action_id: str, is_test: bool
    ) -> CanceledOrder:
        """Withdraw the cancellation of a subscription, in the buyer's name: Waffo lets nobody else do it.

        ``action_id`` names this one wish, as that of ``cancel_order`` does.
        """
        check_short_id("orderId", order_id, "ORD")
        if action_id in ("", order_id):
            raise InvalidRequest("action_id", "does not name the action: it is empty, or the order's id")
        token = self.session_token(product_id=product_id, buyer_identity=buyer_identity)
        session = {"Authorization": f"Bearer {token.token}", "X-Environment": "test" if is_test else "prod"}
        key = idempotency_key("reactivate-order", order_id, action_id)
        answer = self._call(REACTIVATE_ORDER, {"orderId": order_id}, key, session=session)
        return _read(REACTIVATE_ORDER, answer, _canceled_order)

    def create_refund_ticket(
        self, payment_id: str, *, amount: str, currency: str, reason: str, external_id: str
    ) -> RefundTicket:
        """Ask for money to be given back. ``external_id`` names this one refund, and comes back with it.

        It is also the idempotency key, which Waffo forgets after 24 hours: ask ``refund_ticket`` before sending it again.
        """
        check_short_id("paymentId", payment_id, "PAY")
        check_amount("requestedAmount.amount", amount)
        body = {
            "paymentId": payment_id,
            "reason": reason[:REASON_LENGTH_MAX],
            "requestedAmount": {"amount": amount, "currency": currency},
            "refundTicketMerchantExternalId": external_id,
        }
        key = idempotency_key("create-refund-ticket", payment_id, external_id)
        return _read(CREATE_REFUND_TICKET, self._call(CREATE_REFUND_TICKET, body, key), _refund_ticket)

    def refund_ticket(self, external_id: str) -> RefundTicket | None:
        """The ticket of this ``refundTicketMerchantExternalId``, or ``None``: Waffo was never asked for that refund.

        A refund that is there without its ticket stands for it.
        """
        data = self._query(queries.REFUNDS_BY_EXTERNAL_ID, {"ref": external_id})
        found = (*self._page(data, "refundTickets", _ticket).items, *self._page(data, "refunds", _ticket).items)
        return next(iter(found), None)

    def subscription_orders(
        self, store_id: str, *, statuses: Sequence[str] = LIVE_STATUSES, limit: int = 50, offset: int = 0
    ) -> Page[SubscriptionOrderSnapshot]:
        """One page of the store's subscription orders in any of ``statuses``. ``limit`` is 1 to 100."""
        variables = {"storeId": store_id, "statuses": list(statuses), **_window(limit, offset)}
        data = self._query(queries.SUBSCRIPTION_ORDERS, variables)
        return self._page(data, "subscriptionOrders", read_subscription_order)

    def buyers_subscription_orders(
        self, store_id: str, buyer_identity: str, *, statuses: Sequence[str] = LIVE_STATUSES, limit: int = 20
    ) -> Page[SubscriptionOrderSnapshot]:
        """The first page of one buyer's subscription orders in any of ``statuses``. ``limit`` is 1 to 100."""
        check_identity(buyer_identity)
        variables = {"storeId": store_id, "buyer": buyer_identity, "statuses": list(statuses), **_window(limit, 0)}
        del variables["offset"]
        data = self._query(queries.BUYERS_SUBSCRIPTION_ORDERS, variables)
        return self._page(data, "subscriptionOrders", read_subscription_order)

    def subscription_order(self, order_id: str) -> SubscriptionOrderSnapshot | None:
        """One subscription order, or ``None`` when Waffo knows none of this id."""
        data = self._query(queries.SUBSCRIPTION_ORDER, {"id": order_id})
        order = data.object("subscriptionOrder")
        if order is None:
            return None
        try:
            return read_subscription_order(order)
        except InvalidField as error:
            raise WaffoUnreadable(GRAPHQL, str(error)) from error

    def paid_period_numbers(self, order_id: str) -> frozenset[int]:
        """The numbers of a subscription's periods that a charge above 0 succeeded for; empty: no such order at Waffo.

        A period that is only stated may be an unpaid grace: what is in this set is paid.
        """
        paid = (payment for payment in self.subscription_payments(order_id) if payment.is_paid and payment.charged != 0)
        return frozenset(payment.number for payment in paid if payment.number)

    def subscription_payments(self, order_id: str) -> tuple[OrderPayment, ...]:
        """The payments of a subscription order; empty when Waffo knows no such order."""
        return self._order_payments(queries.PAYMENTS_OF_ORDER, "subscriptionOrder", order_id)

    def one_time_payments(self, order_id: str) -> tuple[OrderPayment, ...]:
        """The payments of a one-time order; empty when Waffo knows no such order."""
        return self._order_payments(queries.PAYMENTS_OF_ONE_TIME_ORDER, "onetimeOrder", order_id)

    def _order_payments(self, query: str, name: str, order_id: str) -> tuple[OrderPayment, ...]:
        order = self._query(query, {"id": order_id}).object(name)
        return self._page(order, "payments", read_order_payment).items if order is not None else ()

    def failed_webhook_deliveries(self, store_id: str, *, limit: int = 50, offset: int = 0) -> Page[WebhookDelivery]:
        """One page of the deliveries that Waffo has given up on. ``limit`` is 1 to 100."""
        variables: dict[str, object] = {"storeId": store_id, **_window(limit, offset)}
        query = queries.FAILED_WEBHOOK_DELIVERIES_FROM
        if offset == 0:
            query = queries.FAILED_WEBHOOK_DELIVERIES
            del variables["offset"]
        return self._page(self._query(query, variables), "webhookDeliveries", read_webhook_delivery)

    def payments_by_external_id(self, external_id: str) -> tuple[PaymentSnapshot, ...]:
        """The payments of every order made with this ``orderMerchantExternalId``: there may be several."""
        data = self._query(queries.PAYMENTS_BY_EXTERNAL_ID, {"ref": external_id})
        return self._page(data, "payments", read_payment).items

    def products(self, store_id: str) -> tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]]:
        """A store's products as GraphQL has them: subscriptions, then one-time ones. At most 1,000 of each."""
        subscriptions = self._listed("subscriptionProducts", queries.SUBSCRIPTION_PRODUCTS, store_id)
        return subscriptions, self._listed("onetimeProducts", queries.ONETIME_PRODUCTS, store_id)

    def _listed(self, name: str, query: str, store_id: str) -> Sequence[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(_PRODUCT_PAGES_MAX):
            data = self._query(query, {"storeId": store_id, **_window(MAX_PAGE_SIZE, page * MAX_PAGE_SIZE)})
            entries = data.values.get(name)
            if not isinstance(entries, list) or not all(is_object(entry) for entry in entries):
                raise WaffoUnreadable(GRAPHQL, f"{name} is not a list of objects")
            found += [dict(entry) for entry in entries]
            if len(entries) < MAX_PAGE_SIZE:
                break
        return found

    def _awaited(self, pending: "Future[T]") -> T:
        left = self._deadline().within(self._retry.total_seconds_max).seconds_left()
        try:
            return pending.result(timeout=max(0.0, left))
        except TimeoutError as error:
            raise WaffoUnavailable(ISSUE_SESSION_TOKEN, "there was no answer in time") from error

    def _query(self, query: str, variables: Mapping[str, object]) -> Fields:
        """Run a GraphQL query, without idempotency key: the cached answer would live for 24 hours."""
        answer = self._call(GRAPHQL, {"query": query, "variables": variables})
        return Fields(answer.data)

    def _page(self, data: Fields, name: str, read: Callable[[Fields], T]) -> Page[T]:
        entries = data.values.get(name)
        if not isinstance(entries, list):
            raise WaffoUnreadable(GRAPHQL, f"{name} is not a list")
        items = []
        for entry in entries:
            try:
                items.append(read(Fields(entry if is_object(entry) else {}, name)))
            except InvalidField as error:
                self._log.warning("waffo_entry_unreadable", extra={"waffo_problem": str(error)})
        return Page(items=tuple(items), received=len(entries), total=data.count(f"{name}Count"))

    def _call(
        self,
        path: str,
        body: Mapping[str, object],
        idempotency_key: str | None = None,
        *,
        session: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a call, signed with the merchant's key, or in the buyer's name with the headers of a ``session``."""
        content = _encode(path, body)
        started = self._clock()
        limit = self._deadline().within(self._retry.total_seconds_max)
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = (
                    self._attempt(path, content, idempotency_key, limit, session)
                    if session is not None
                    else self._attempt_signed(path, content, idempotency_key, limit)
                )
            except (WaffoUnavailable, WaffoInFlight) as error:
                delay = self._retry.delay_seconds(attempt, self._random)
                elapsed = (self._clock() - started).total_seconds() + delay
                is_over = not limit.allows(delay + ATTEMPT_SECONDS_MIN)
                if is_over or not self._retry.allows_another(attempt, elapsed):
                    raise
                self._log_retry(error, attempt)
                self._sleep(delay)
            else:
                self._log_warnings(path, answer.warnings)
                return answer

    def _attempt_signed(self, path: str, content: bytes, idempotency_key: str | None, limit: Deadline) -> Answer:
        """Make one attempt, and one more with a new key where Waffo does not take the one at hand any more."""
        signer = self._signer.current()
        try:
            return self._attempt(path, content, idempotency_key, limit, self._signed(path, content, signer))
        except WaffoRejected as rejection:
            if rejection.status == HTTPStatus.UNAUTHORIZED:
                self._tokens.forget()
            renewed = self._signer.renewed(signer) if rejection.status == HTTPStatus.UNAUTHORIZED else None
            if renewed is None:
                raise
        return self._attempt(path, content, idempotency_key, limit, self._signed(path, content, renewed))

    def _signed(self, path: str, content: bytes, signer: RequestSigner) -> Mapping[str, str]:
        return signer.headers(path, content, timestamp_seconds=int(self._clock().timestamp()))

    def _attempt(
        self,
        path: str,
        content: bytes,
        idempotency_key: str | None,
        limit: Deadline,
        authority: Mapping[str, str],
    ) -> Answer:
        if not limit.allows(ATTEMPT_SECONDS_MIN):
            raise WaffoUnavailable(path, "there is no time left for a request")
        headers = {"Content-Type": "application/json", **authority}
        if idempotency_key is not None:
            headers["X-Idempotency-Key"] = idempotency_key
        url, timeout = f"{self._api_url}{path}", cut_timeout(TIMEOUT, limit)
        try:
            with self._http.stream("POST", url, content=content, headers=headers, timeout=timeout) as response:
                received = _read_bounded(path, response, limit)
        except httpx.TransportError as error:
            raise WaffoUnavailable(path, f"no answer ({type(error).__name__})") from error
        except httpx.DecodingError as error:
            raise WaffoUnreadable(path, "the answer cannot be decoded") from error
        return read_answer(path, response.status_code, received, has_idempotency_key=idempotency_key is not None)

    def _log_retry(self, error: WaffoApiError, attempt: int) -> None:
        self._log.warning(
            "waffo_retry",
            extra={"waffo_operation": error.operation, "waffo_status": error.status, "waffo_attempt": attempt},
        )

    def _log_warnings(self, path: str, warnings: Sequence[Notice]) -> None:
        for notice in warnings:
            self._log.warning(
                "waffo_warning",
                extra={
                    "waffo_operation": path,
                    "waffo_notice": notice.message,
                    "waffo_layer": notice.layer,
                    "waffo_ai_hint": notice.ai_hint,
                },
            )


def _in_background(call: Callable[[], T]) -> "Future[T]":
    """Run ``call`` in a thread that nothing waits for, under the caller's deadline."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return future


def _encode(path: str, body: Mapping[str, object]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(path, "has text that is not Unicode") from None


def _read_bounded(path: str, response: httpx.Response, limit: Deadline) -> bytes:
    received = bytearray()
    for chunk in response.iter_bytes():
        received += chunk
        if limit.seconds_left() < 0:
            raise WaffoUnavailable(path, "the answer came too slowly", status=response.status_code)
        if len(received) > MAX_ANSWER_BYTES:
            raise WaffoUnreadable(
                path, f"the answer is larger than {MAX_ANSWER_BYTES} bytes", status=response.status_code
            )
    return bytes(received)


def _read(path: str, answer: Answer, read: Callable[[Fields], T]) -> T:
    try:
        return read(Fields(answer.data, "data"))
    except InvalidField as error:
        raise WaffoUnreadable(path, str(error)) from error


def _session_token(data: Fields) -> SessionToken:
    token = data.text("token")
    if token is None or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidField("data.token", "is not a token")
    return SessionToken(token=token, expires_at=data.instant("expiresAt"))


def _checkout_session(data: Fields) -> CheckoutSession:
    url = data.text("checkoutUrl")
    # The customer is redirected there: nothing but a web address will do.
    if url is None or not url.startswith(("https://", "http://")):
        raise InvalidField("data.checkoutUrl", "is not a web address")
    return CheckoutSession(session_id=data.id("sessionId"), checkout_url=url, expires_at=data.instant("expiresAt"))


def _canceled_order(data: Fields) -> CanceledOrder:
    return CanceledOrder(order_id=data.id("orderId"), status=data.id("status"))


def _ticket(data: Fields) -> RefundTicket:
    return RefundTicket(id=data.id("id"), status=data.id("status"))


def _refund_ticket(data: Fields) -> RefundTicket:
    ticket = data.object("ticket")
    if ticket is None:
        raise InvalidField("data.ticket", "is not an object")
    return _ticket(ticket)


def _checked_key(key: str) -> str:
    if not is_idempotency_key(key):
        raise InvalidRequest("X-Idempotency-Key", "is not 1 to 256 letters, digits, hyphens and underscores")
    return key


def _window(limit: int, offset: int) -> dict[str, object]:
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidRequest("limit", f"is not between 1 and {MAX_PAGE_SIZE}")
    if not 0 <= offset <= MAX_OFFSET:
        raise InvalidRequest("offset", f"is not between 0 and {MAX_OFFSET}")
    return {"limit": limit, "offset": offset}
