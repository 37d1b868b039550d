"""The writes of the API: POST /v1/actions/..."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from local.waffo_simulator.body import parse
from local.waffo_simulator.clock import wire
from local.waffo_simulator.envelope import Answer, ApiError, Json
from local.waffo_simulator.gateway import (
    CANCEL_ORDER,
    CREATE_SESSION,
    CREATE_TICKET,
    REACTIVATE_ORDER,
    Action,
    Call,
)
from local.waffo_simulator.graphql_schema import answer_query
from local.waffo_simulator.model import EVENT_TYPES, RefundTicket, SubscriptionOrder
from local.waffo_simulator.money import display
from local.waffo_simulator.product_actions import create_onetime_product, create_subscription_product
from local.waffo_simulator.sessions import EXTERNAL_ID_LENGTH_MAX, create_session, find_product
from local.waffo_simulator.signing import Buyer
from local.waffo_simulator.simulator import Simulator

TOKEN_LIFE = timedelta(minutes=5)
CHANNELS = ("http", "feishu", "discord", "telegram", "slack")


def issue_session_token(simulator: Simulator, call: Call) -> Answer:
    """A token that says who the buyer is, for five minutes."""
    _merchant_only(call)
    body = parse(call.content, "user")
    store_id = body.id("storeId", "STO")
    if store_id is None and body.id("productId", "PROD") is None:
        raise body.refuse("Missing required field: storeId or productId")
    if store_id is None:
        find_product(body, simulator.state)
    elif store_id != simulator.config.store_id:
        raise ApiError(404, "Store not found", "store")
    expires_at = simulator.clock.now() + TOKEN_LIFE
    token = simulator.tokens.issue(Buyer(body.required("buyerIdentity"), expires_at), simulator.config.store_id)
    return Answer({"token": token, "expiresAt": wire(expires_at)})


def new_session(simulator: Simulator, call: Call) -> Answer:
    """A hosted checkout, or with `originOrderId` a plan change to confirm."""
    config = simulator.config
    values: Mapping[str, Any] = parse(call.content, "order").values
    session, warnings = create_session(values, simulator.state, simulator.ids, simulator.clock.now(), call.customer)
    page = "change" if session.plan_change else "checkout"
    url = f"{call.base_url}/store/{config.store_slug}/{page}/{session.id}"
    # A plan change's address comes without the mark, and its page does not open without it (field report).
    mark = "?test=true" if config.mode == "test" and not session.plan_change else ""
    data = {"sessionId": session.id, "checkoutUrl": url + mark, "expiresAt": wire(session.expires_at)}
    return Answer(data, warnings)


def cancel_order(simulator: Simulator, call: Call) -> Answer:
    """End a subscription with its period; one that is overdue is `canceling`, and ends at once."""
    order = _own_order(simulator, call)
    now, was_overdue = simulator.clock.now(), order.status == "past_due"
    simulator.subscriptions.cancel(order, now, immediately=order.status == "pending")
    answer = Answer({"orderId": order.id, "status": order.status})
    if was_overdue:
        simulator.subscriptions.cancel(order, now, immediately=True)
    return answer


def reactivate_order(simulator: Simulator, call: Call) -> Answer:
    """Withdraw a cancellation: the buyer's alone to do."""
    order = _own_order(simulator, call)
    if call.customer is None:
        raise ApiError(403, "Only the customer can reactivate a subscription", "order")
    simulator.subscriptions.uncancel(order, simulator.clock.now())
    return Answer({"orderId": order.id, "status": order.status})


def create_refund_ticket(simulator: Simulator, call: Call) -> Answer:
    """Ask for a refund: the merchant's to do; the SDK's call for buyers got a 403 in the field."""
    _merchant_only(call)
    body, state, now = parse(call.content, "order"), simulator.state, simulator.clock.now()
    payment = state.payments.get(body.required_id("paymentId", "PAY"))
    if payment is None:
        raise ApiError(404, "Payment not found", "order")
    reason, money = body.required("reason"), body.nested("requestedAmount")
    if money is None:
        raise body.refuse("Missing required field: requestedAmount")
    money.required("amount")
    if money.currency("currency") != payment.price.currency:
        raise body.refuse("requestedAmount.currency must be that of the payment")
    amount = money.amount("amount", payment.price.currency) or Decimal(0)
    external_id = body.text("refundTicketMerchantExternalId", EXTERNAL_ID_LENGTH_MAX)
    ticket = simulator.checkout.ask_for_refund(payment, amount, now, reason=reason, external_id=external_id)
    answer = Answer({"ticket": _ticket_detail(simulator, ticket)})
    if state.settings.refund_tickets == "at_once":
        simulator.checkout.finish_ticket(ticket, now)
    return answer


def _ticket_detail(simulator: Simulator, ticket: RefundTicket) -> Json:
    stamp, currency = wire(ticket.created_at), ticket.payment.price.currency
    requested = {"amount": display(ticket.amount, currency), "currency": currency}
    return {
        "id": ticket.id,
        "type": "refund",
        "status": ticket.status,
        "subjectId": ticket.payment.id,
        "submitterId": simulator.config.merchant_id,
        "submitterType": "merchant",
        "currentVersionId": None,
        "reviewerId": None,
        "reviewedAt": stamp,
        "reviewNote": None,
        "rejectReason": None,
        "executedAt": None,
        "metadata": {},
        "refundTicketMerchantExternalId": ticket.external_id,
        "versionNumber": 1,
        "versionData": {"reason": ticket.reason, "requestedAmount": requested},
        "createdAt": stamp,
        "updatedAt": stamp,
    }


def add_webhook(simulator: Simulator, call: Call) -> Answer:
    """Register a webhook at a public address."""
    _merchant_only(call)
    body = parse(call.content, "store")
    if body.required_id("storeId", "STO") != simulator.config.store_id:
        raise ApiError(404, "Store not found", "store")
    body.required("channel")
    channel = body.choice("channel", CHANNELS) or "http"
    url = body.required("url")
    if not url.startswith("https://"):
        raise body.refuse("Invalid url: expected an https URL")
    events, test_mode = body.texts("events", EVENT_TYPES), body.boolean("testMode")
    if events is None or test_mode is None:
        raise body.refuse(f"Missing required field: {'events' if events is None else 'testMode'}")
    webhook = simulator.add_webhook(url, events, test_mode=test_mode)
    webhook.channel = channel
    stamp = wire(webhook.created_at)
    data = {
        "id": webhook.id,
        "storeId": simulator.config.store_id,
        "channel": channel,
        "url": url,
        "events": list(events),
        "testMode": test_mode,
        "secret": body.text("secret"),
        "createdAt": stamp,
        "updatedAt": stamp,
    }
    return Answer({"webhook": data})


def _own_order(simulator: Simulator, call: Call) -> SubscriptionOrder:
    order = simulator.subscriptions.find(parse(call.content, "order").required_id("orderId", "ORD"))
    if call.customer is not None and order.buyer_identity != call.customer:
        raise ApiError(403, "Subscription order does not belong to this credential", "order")
    return order


def _merchant_only(call: Call) -> None:
    call.demand_merchant()


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "/v1/actions/auth/issue-session-token": issue_session_token,
        CREATE_SESSION: new_session,
        CANCEL_ORDER: cancel_order,
        REACTIVATE_ORDER: reactivate_order,
        CREATE_TICKET: create_refund_ticket,
        "/v1/actions/store/add-webhook": add_webhook,
        "/v1/actions/onetime-product/create-product": create_onetime_product,
        "/v1/actions/subscription-product/create-product": create_subscription_product,
        "/v1/graphql": answer_query,
    }
)
"""What is simulated; every other path of the API is a 501."""
