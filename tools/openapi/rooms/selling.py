"""What is for sale, checkouts, purchase links, and overage that is let go."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.selling.checkouts import CheckoutBody, CheckoutPage, CheckoutRequest, CheckoutsQuery
from pancake_meter.http.selling.order_actions import OrderActionBody, OrderActionRequest
from pancake_meter.http.selling.overage import ForgivenBody, ForgiveRequest
from pancake_meter.http.selling.payments import (
    PaymentBody,
    PaymentPage,
    PaymentsQuery,
    RefundAskedBody,
    RefundPaymentRequest,
    ResolvedBody,
    ResolveRequest,
)
from pancake_meter.http.selling.plans import PlansBody, PlansQuery
from tools.openapi.described import REPLAYED, Answer, Body, Described

_HTML: Final = "text/html"
_PAGE: Final = (
    "Cache-Control",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Robots-Tag",
)

_LINK_ANSWERS: Final = {
    HTTPStatus.OK: Answer(str, _PAGE, _HTML),
    HTTPStatus.NOT_FOUND: Answer(str, _PAGE, _HTML),
    HTTPStatus.CONFLICT: Answer(str, _PAGE, _HTML),
    HTTPStatus.GONE: Answer(str, _PAGE, _HTML),
    HTTPStatus.SERVICE_UNAVAILABLE: Answer(str, ("Retry-After", *_PAGE), _HTML),
}

ROUTES: Final[Mapping[str, Described]] = {
    "POST /v1/customers/{customer_id}/checkouts": Described(
        "open_checkout",
        "Open a checkout, or find the open one",
        {HTTPStatus.CREATED: Answer(CheckoutBody, REPLAYED), HTTPStatus.OK: Answer(CheckoutBody, REPLAYED)},
        body=Body(CheckoutRequest),
        refusals=(
            "unknown_meter",
            "unknown_plan",
            "nothing_owed",
            "below_minimum",
            "not_for_sale",
            "already_subscribed",
            "plan_not_changeable",
            "customer_blocked",
            "too_many_grants",
            "too_many_orders",
            "too_many_lines",
            "customer_erased",
            "success_url_not_allowed",
            "unknown_currency",
            "invalid_money",
            "waffo_unavailable",
            "waffo_refused",
            "idempotency_conflict",
        ),
        is_once=True,
    ),
    "GET /v1/customers/{customer_id}/checkouts": Described(
        "list_checkouts",
        "Checkouts of a customer, newest first",
        {HTTPStatus.OK: Answer(CheckoutPage)},
        query=CheckoutsQuery,
    ),
    "GET /v1/customers/{customer_id}/checkouts/{checkout_id}": Described(
        "get_checkout", "One checkout", {HTTPStatus.OK: Answer(CheckoutBody)}, refusals=("checkout_not_found",)
    ),
    "POST /v1/customers/{customer_id}/overage/{meter}/forgive": Described(
        "forgive_overage",
        "Let owed overage go, the oldest first; once for each id",
        {HTTPStatus.OK: Answer(ForgivenBody)},
        body=Body(ForgiveRequest),
        refusals=("unknown_meter", "nothing_owed", "forgiveness_conflict", "too_many_lines"),
        is_once=True,
    ),
    "GET /v1/payments": Described(
        "list_payments",
        "Payments, newest first: what came in, whose it is, and whether a person has to say what it is for",
        {HTTPStatus.OK: Answer(PaymentPage)},
        query=PaymentsQuery,
        parameters={"status": "Only payments with this status; flagged ones wait for a decision."},
    ),
    "GET /v1/payments/{payment_id}": Described(
        "get_payment",
        "One payment: what it gave, what was decided of it, and its refunds with their state",
        {HTTPStatus.OK: Answer(PaymentBody)},
        refusals=("payment_not_found",),
    ),
    "POST /v1/payments/{payment_id}/resolve": Described(
        "resolve_payment",
        "Say what a flagged payment is; it is credited and counted as that, once",
        {HTTPStatus.OK: Answer(ResolvedBody, REPLAYED)},
        body=Body(ResolveRequest),
        refusals=(
            "payment_not_found",
            "payment_not_flagged",
            "resolution_conflict",
            "unknown_meter",
            "invalid_gift",
            "checkout_not_found",
            "checkout_of_no_units",
            "too_many_grants",
            "too_many_lines",
            "customer_erased",
        ),
        is_once=True,
    ),
    "POST /v1/payments/{payment_id}/refund": Described(
        "refund_payment",
        "Have Waffo refund a payment or a part of it; units go back when Waffo's webhook says that the money did",
        {HTTPStatus.CREATED: Answer(RefundAskedBody, REPLAYED)},
        body=Body(RefundPaymentRequest),
        refusals=(
            "payment_not_found",
            "payment_not_refundable",
            "refund_too_large",
            "refund_conflict",
            "refund_refused",
            "too_many_refunds",
            "invalid_money",
            "unknown_currency",
            "waffo_unavailable",
            "waffo_refused",
        ),
        description="A repeat with the same id is answered as the first request was, with the refund as it stands now.",
        is_once=True,
    ),
    "POST /v1/customers/{customer_id}/subscriptions/{order_id}/cancel": Described(
        "cancel_subscription",
        "Have Waffo cancel a subscription: it ends with its period, or at once where that is not paid",
        {HTTPStatus.OK: Answer(OrderActionBody, REPLAYED)},
        body=Body(OrderActionRequest, is_required=False),
        refusals=("order_not_found", "wrong_order_status", "customer_erased", "waffo_unavailable", "waffo_refused"),
        is_once=True,
    ),
    "POST /v1/customers/{customer_id}/subscriptions/{order_id}/reactivate": Described(
        "reactivate_subscription",
        "Have Waffo withdraw the cancellation of a subscription that is canceling",
        {HTTPStatus.OK: Answer(OrderActionBody, REPLAYED)},
        body=Body(OrderActionRequest, is_required=False),
        refusals=("order_not_found", "wrong_order_status", "customer_erased", "waffo_unavailable", "waffo_refused"),
        is_once=True,
    ),
    "GET /v1/plans": Described(
        "list_plans",
        "What is for sale to a customer: plans, and packs of units",
        {HTTPStatus.OK: Answer(PlansBody)},
        query=PlansQuery,
        refusals=("unknown_currency",),
        parameters={"customer_id": "Who would buy; a customer token names its customer itself."},
    ),
    "POST /buy/{token}": Described(
        "buy",
        "The button of that page: opens the checkout and redirects to the payment page",
        {
            HTTPStatus.SEE_OTHER: Answer(None, ("Location", *_PAGE)),
            HTTPStatus.BAD_REQUEST: Answer(str, _PAGE, _HTML),
            HTTPStatus.NOT_FOUND: Answer(str, _PAGE, _HTML),
            HTTPStatus.CONFLICT: Answer(str, _PAGE, _HTML),
            HTTPStatus.GONE: Answer(str, _PAGE, _HTML),
            HTTPStatus.UNPROCESSABLE_ENTITY: Answer(str, _PAGE, _HTML),
            HTTPStatus.SERVICE_UNAVAILABLE: Answer(str, ("Retry-After", *_PAGE), _HTML),
        },
        query=None,
        description=(
            "For people, as the page itself. Pressing it again leads to the same payment while that is open. The form's"
            " field seen is what the page has shown; where that is no longer what is sold, the answer is the page anew"
            " (409), and nothing is opened. Without the field, what is for sale now is opened."
        ),
    ),
    "GET /buy/{token}/paid": Described(
        "see_purchase",
        "The page after a payment: waits for it, and says what it added",
        {
            HTTPStatus.OK: Answer(str, _PAGE, _HTML),
            HTTPStatus.NOT_FOUND: Answer(str, _PAGE, _HTML),
            HTTPStatus.GONE: Answer(str, _PAGE, _HTML),
            HTTPStatus.SERVICE_UNAVAILABLE: Answer(str, ("Retry-After", *_PAGE), _HTML),
        },
        query=None,
        description=(
            "For people: the customer lands here after paying what a link sold. The token is signed, and is for one"
            " checkout. The page looks again by itself until the payment's webhook has been applied."
        ),
    ),
    "GET /buy/{token}": Described(
        "follow_purchase_link",
        "A sealed purchase link: the page that says what is sold, for how much",
        _LINK_ANSWERS,
        query=None,
        description=(
            "For people: every answer of the stack is a page. It changes nothing, so a preview of the link opens no"
            " checkout. 404: the link is not ours, or was changed. 410: its time is over. 409: there is nothing to pay, or"
            " it is not for sale. 503: try again."
        ),
    ),
    # The headers are those of the page, its content type among them; there is no content.
    "HEAD /buy/{token}": Described(
        "probe_purchase_link",
        "What the link would answer, without the page: for scanners of mails and previews of links",
        _LINK_ANSWERS,
        query=None,
    ),
}
