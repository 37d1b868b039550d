"""Webhook deliveries: what Waffo said, what became of it, and deciding about what could not be applied."""

import json
from http import HTTPStatus
from typing import Final, get_args

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from pancake_meter import metrics
from pancake_meter.domain.instant import floor_ms
from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.resolver import tolerates_query
from pancake_meter.http.webhooks.deliveries import AssignRequest, DeliveriesQuery, delivery_body, listed_deliveries
from pancake_meter.http.webhooks.trying import try_again
from pancake_meter.store.standing.subscriptions import is_known_customer
from pancake_meter.store.webhooks.deliveries import Verdict
from pancake_meter.usecases.webhooks.decision import Told
from pancake_meter.usecases.webhooks.judge import dismiss_delivery, kept_delivery
from pancake_pages.console.desk import ConsoleRouter, Done, Form, address
from pancake_pages.console.refusals import form_again

logger = Logger()
router = ConsoleRouter()

_PAGE: Final = 25
_BODY_MAX: Final = 16_000
"""Characters of a body that a page shows: a real event has some 2,000, and a page is to stay light."""


@router.get("/console/deliveries")
@tolerates_query
def get_deliveries() -> Response[str]:
    """Deliveries, the latest received first; all, with a verdict, or of an order."""
    desk = router.desk("GET /v1/deliveries")
    query = desk.query(DeliveriesQuery, limit=str(_PAGE))
    page = listed_deliveries(desk.deps.table, query)
    return desk.page("console/deliveries.html", "deliveries", page=page, query=query, verdicts=get_args(Verdict))


@router.get("/console/deliveries/<delivery_id>")
@tolerates_query
def get_delivery(delivery_id: str) -> Response[str]:
    """One delivery with its body, and what may be done with it."""
    desk = router.desk("GET /v1/deliveries/{delivery_id}")
    delivery = delivery_body(kept_delivery(desk.deps.metering, delivery_id))
    body = _indented(delivery["body"])
    return desk.page(
        "console/delivery.html", "deliveries", delivery=delivery, body=body[:_BODY_MAX], is_cut=len(body) > _BODY_MAX
    )


@router.action("/console/deliveries/<delivery_id>/replay", "POST /v1/deliveries/{delivery_id}/replay")
def post_replay(form: Form, delivery_id: str) -> Done:
    """Apply a delivery again. Effects that it has had are not repeated."""
    return _tried(form, delivery_id, Told(by=form.desk.operator.name))


@router.action("/console/deliveries/<delivery_id>/assign", "POST /v1/deliveries/{delivery_id}/assign")
def post_assign(form: Form, delivery_id: str) -> Done | Response[str]:
    """Say whose the event is, and apply it. An id that nobody has is a new customer's, or mistyped: that is asked first."""
    owner = form.read(AssignRequest, "customer_id").customer_id
    if "new_customer" not in form.fields and not is_known_customer(form.desk.deps.table, owner):
        return form_again(form, "console/new_customer.html", HTTPStatus.OK, customer_id=owner)
    return _tried(form, delivery_id, Told(customer_id=owner, by=form.desk.operator.name))


@router.action("/console/deliveries/<delivery_id>/dismiss", "POST /v1/deliveries/{delivery_id}/dismiss")
def post_dismiss(form: Form, delivery_id: str) -> Done:
    """Take an open delivery off the lists of open ones, with a reason."""
    desk = form.desk
    reason = form.read(DismissRequest, "reason").reason
    kept = dismiss_delivery(desk.deps.metering, delivery_id, reason, desk.now, by=desk.operator.name)
    metrics.add(metrics.DELIVERY_DISMISSED)
    logger.info("delivery dismissed", delivery=kept.digest, reason=kept.reason)
    is_now = kept.dismissal is not None and kept.dismissal.at == floor_ms(desk.now)
    return Done(address("deliveries", delivery_id), "dismissed" if is_now else "dismissed_before")


def _tried(form: Form, delivery_id: str, told: Told) -> Done:
    desk = form.desk
    outcome, kept = try_again(desk.deps.metering, delivery_id, desk.now, told)
    what = "repeated" if outcome.verdict == "duplicate" else f"now_{kept.verdict}"
    return Done(address("deliveries", delivery_id), what)


def _indented(body: str) -> str:
    """Return JSON so that people can read it; any other text as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
