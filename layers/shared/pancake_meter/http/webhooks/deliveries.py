"""Deliveries on the wire: what an operator sees of a webhook, and what trying it again came to."""

from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.standing.lifecycle import ToldBy
from pancake_meter.http.cursors import PageQuery, Pages, dated, read_dated
from pancake_meter.http.fields import COUNT, CustomerId, Digest, Timestamp, WireModel
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import (
    BodyEncoding,
    Delivery,
    Listed,
    Page,
    Verdict,
    deliveries_by_verdict,
    deliveries_of_order,
    latest_deliveries,
)
from pancake_meter.usecases.webhooks.judge import Outcome
from pancake_meter.waffo.fields import MAX_ID_LENGTH
from pancake_meter.waffo.redaction import buyer_of

DELIVERIES_PAGE_MAX: Final = 50


class DeliveriesQuery(PageQuery):
    """Query of ``GET /v1/deliveries``: a verdict or an order, the page's size, and the cursor that the page before gave.

    Without verdict and order it is of all deliveries.
    """

    verdict: Verdict | None = None
    order_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)] | None = None
    limit: Annotated[int, Field(ge=1, le=DELIVERIES_PAGE_MAX), COUNT] = DELIVERIES_PAGE_MAX

    @model_validator(mode="after")
    def _names_one_list(self) -> Self:
        if self.verdict is not None and self.order_id is not None:
            raise ValueError("give a verdict or an order_id, not both")
        return self


class AssignRequest(WireModel):
    """Body of ``POST /v1/deliveries/{delivery_id}/assign``: whose event it is."""

    customer_id: CustomerId


class AboutBody(TypedDict):
    """Whom an event is about, as it says itself.

    ``customer_ids`` are the buyer's identity and those of the checkout's metadata, as far as they may be customer ids: each
    may be given to ``assign``.
    """

    buyer_identity: str | None
    buyer_email: str | None
    customer_ids: list[str]


class DeliverySummary(TypedDict):
    """One webhook as lists show it.

    ``occurred_at`` is Waffo's time of the event, ``received_at`` that of its first arrival, ``judged_at`` that of the
    verdict. ``reason`` says why, for every verdict but ``applied``, where it flags a payment that a person has to look at.
    ``attempts`` counts how often it was tried to apply. ``about`` is null unless the delivery is parked or failed, and in
    lists of an order, which do not read the bodies.
    """

    delivery_id: Digest
    event_type: str
    event_id: str
    order_id: str | None
    customer_id: str | None
    verdict: Verdict
    reason: str | None
    occurred_at: Timestamp
    received_at: Timestamp
    judged_at: Timestamp
    attempts: int
    about: AboutBody | None


class DeliveryBody(DeliverySummary):
    """One webhook as it was received: the raw body, and the headers that matter. ``duplicates`` are later arrivals.

    ``told_by``: no webhook brought what ``reconciliation`` found; its body is Waffo's payload, or was made of a snapshot.
    ``decided_by`` names the API key with which an operator replayed, assigned or dismissed it last.
    ``body`` is in base64 where the bytes are not UTF-8. ``body_size`` counts the bytes received; of more than 262,144 the
    first 262,144 are kept. ``detail`` says what of the body cannot be read. ``body_removed_at``: body and headers are gone,
    because of their age or because the customer was erased. ``is_redacted``: the customer was erased, and ``body`` is what
    the event says of money, under the pseudonym.
    """

    told_by: ToldBy
    webhook_id: str
    body_encoding: BodyEncoding
    body_size: int
    detail: str | None
    dismissed_at: Timestamp | None
    dismissed_reason: str | None
    decided_by: str | None
    duplicates: int
    last_duplicate_at: Timestamp | None
    headers: Mapping[str, str]
    body: str
    body_removed_at: Timestamp | None
    is_redacted: bool


class DeliveryPage(TypedDict):
    """A page of deliveries, newest first; ``next_cursor`` goes on from it, and is null at the end."""

    deliveries: list[DeliverySummary]
    next_cursor: str | None


class ReplayBody(TypedDict):
    """What trying a delivery again came to. ``repeated``: it was applied or ignored before, and nothing has changed now.

    ``unparked`` counts other deliveries of the order that could be applied after it.
    """

    delivery_id: Digest
    verdict: Verdict
    reason: str | None
    customer_id: str | None
    repeated: bool
    unparked: int


def delivery_body(delivery: Delivery) -> DeliveryBody:
    """Return a delivery, whole."""
    duplicate_at = delivery.last_duplicate_at
    text, encoding = delivery.body_text
    return {
        **_summary(delivery),
        "told_by": delivery.told_by,
        "webhook_id": delivery.waffo_id,
        "duplicates": delivery.duplicates,
        "last_duplicate_at": timestamp(duplicate_at) if duplicate_at else None,
        "headers": delivery.headers,
        "body": text,
        "body_encoding": encoding,
        "is_redacted": delivery.is_redacted,
        "body_removed_at": timestamp(delivery.body_removed_at) if delivery.body_removed_at else None,
        "body_size": len(delivery.body) if delivery.body_size is None else delivery.body_size,
        "detail": delivery.detail,
        "dismissed_at": timestamp(delivery.dismissal.at) if delivery.dismissal else None,
        "dismissed_reason": delivery.dismissal.reason if delivery.dismissal else None,
        "decided_by": delivery.decided_by,
    }


def listed_deliveries(table: Table, query: DeliveriesQuery) -> DeliveryPage:
    """Return the page that a query asks for: the latest received first, or of an order the latest event.

    Raises:
        ForeignCursor: the cursor is not one of such a list.
        StoreError: the deliveries cannot be read.
    """
    pages = query.pages()
    after = pages.place(query.cursor, read_dated)
    if query.verdict is not None:
        page = deliveries_by_verdict(table, query.verdict, limit=query.limit, after=after)
    elif query.order_id is not None:
        page = deliveries_of_order(table, query.order_id, limit=query.limit, after=after)
    else:
        page = latest_deliveries(table, limit=query.limit, after=after)
    return delivery_page(page, pages)


def delivery_page(page: Page, pages: Pages) -> DeliveryPage:
    """Return a page of deliveries."""
    cursor = pages.cursor(dated(*page.following) if page.following else None)
    return {"deliveries": [_summary(listed) for listed in page.deliveries], "next_cursor": cursor}


def replay_body(outcome: Outcome, kept: Delivery) -> ReplayBody:
    """Return what a replay came to; ``kept`` is the delivery as it stands after it."""
    return {
        "delivery_id": outcome.digest,
        "verdict": kept.verdict,
        "reason": kept.reason,
        "customer_id": kept.customer_id,
        "repeated": outcome.verdict == "duplicate",
        "unparked": outcome.unparked,
    }


def _summary(delivery: Delivery | Listed) -> DeliverySummary:
    return {
        "delivery_id": delivery.digest,
        "event_type": delivery.event_type,
        "event_id": delivery.event_id,
        "order_id": delivery.order_id,
        "customer_id": delivery.customer_id,
        "verdict": delivery.verdict,
        "reason": delivery.reason,
        "occurred_at": timestamp(delivery.occurred_at),
        "received_at": timestamp(delivery.received_at),
        "judged_at": timestamp(delivery.judged_at),
        "attempts": delivery.attempts,
        "about": _about(delivery.body) if delivery.is_open and delivery.body is not None else None,
    }


def _about(body: bytes) -> AboutBody:
    buyer = buyer_of(body)
    return {
        "buyer_identity": buyer.identity,
        "buyer_email": buyer.email,
        "customer_ids": list(buyer.customer_ids),
    }
