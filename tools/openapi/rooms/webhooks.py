"""Deliveries of Waffo's webhooks, for the operator."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pancake_meter.http.fields import DismissRequest
from pancake_meter.http.webhooks.deliveries import (
    AssignRequest,
    DeliveriesQuery,
    DeliveryBody,
    DeliveryPage,
    ReplayBody,
)
from tools.openapi.described import Answer, Body, Described

ROUTES: Final[Mapping[str, Described]] = {
    "GET /v1/deliveries": Described(
        "list_deliveries",
        "Webhook deliveries, all, with a verdict, or of an order, newest first",
        {HTTPStatus.OK: Answer(DeliveryPage)},
        query=DeliveriesQuery,
        description="Give verdict or order_id or neither, not both.",
    ),
    "GET /v1/deliveries/{delivery_id}": Described(
        "get_delivery",
        "One delivery: verdict, why, times, headers and raw body",
        {HTTPStatus.OK: Answer(DeliveryBody)},
        refusals=("delivery_not_found",),
    ),
    "POST /v1/deliveries/{delivery_id}/replay": Described(
        "replay_delivery",
        "Apply a delivery again; one that is done is not touched",
        {HTTPStatus.OK: Answer(ReplayBody)},
        refusals=("delivery_not_found", "delivery_body_removed"),
    ),
    "POST /v1/deliveries/{delivery_id}/assign": Described(
        "assign_delivery",
        "Say whose event a delivery is, and apply it",
        {HTTPStatus.OK: Answer(ReplayBody)},
        body=Body(AssignRequest),
        refusals=("delivery_not_found", "delivery_of_another_customer", "delivery_body_removed"),
    ),
    "POST /v1/deliveries/{delivery_id}/dismiss": Described(
        "dismiss_delivery",
        "Take an open delivery off the lists of what is open, for a reason; it is kept, and may be replayed",
        {HTTPStatus.OK: Answer(DeliveryBody)},
        body=Body(DismissRequest),
        refusals=("delivery_not_found", "delivery_not_open"),
    ),
}
