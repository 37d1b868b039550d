"""What is for sale, checkouts, purchase links, and overage that is let go."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.selling.checkouts import CheckoutBody, CheckoutPage, CheckoutRequest, CheckoutsQuery
from pancake_meter.http.selling.overage import ForgivenBody, ForgiveRequest
from pancake_meter.http.selling.plans import PlansBody, PlansQuery
from tools.openapi.described import REPLAYED, Answer, Body, Described

_HTML: Final = "text/html"
_PAGE: Final = (
    "Cache-Control",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Robots-Tag",
)

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
            "too_many_grants",
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
    "GET /v1/plans": Described(
        "list_plans",
        "What is for sale to a customer: plans, and packs of units",
        {HTTPStatus.OK: Answer(PlansBody)},
        query=PlansQuery,
        refusals=("unknown_currency",),
        parameters={"customer_id": "Who would buy; a customer token names its customer itself."},
    ),
    "GET /buy/{token}": Described(
        "follow_purchase_link",
        "A sealed purchase link: opens the checkout and redirects to the payment page",
        {
            HTTPStatus.SEE_OTHER: Answer(None, ("Location", *_PAGE)),
            HTTPStatus.NOT_FOUND: Answer(str, _PAGE, _HTML),
            HTTPStatus.CONFLICT: Answer(str, _PAGE, _HTML),
            HTTPStatus.GONE: Answer(str, _PAGE, _HTML),
            HTTPStatus.SERVICE_UNAVAILABLE: Answer(str, ("Retry-After", *_PAGE), _HTML),
        },
        query=None,
        description=(
            "For people: every answer of the stack is a page. 404: the link is not ours, or was changed. 410: its time is"
            " over. 409: there is nothing to pay, or it is not for sale. 503: try again."
        ),
    ),
}
