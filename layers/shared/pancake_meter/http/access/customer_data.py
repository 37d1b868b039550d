"""One customer's data on the wire: the pages of an export, and how far an erasure is."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http.cursors import PageQuery, Pages
from pancake_meter.http.fields import Timestamp
from pancake_meter.usecases.access.erase import Erased
from pancake_meter.usecases.access.export import ExportPage, Place


class ExportQuery(PageQuery):
    """Query of ``GET /v1/customers/{customer_id}/export``: the cursor that the page before gave."""


class ExportedItem(TypedDict):
    """One item of the table, as it is kept: see docs/data-model.md. Instants are milliseconds since 1970."""

    kind: str
    key: Mapping[str, str]
    data: Mapping[str, Any]


class ExportBody(TypedDict):
    """A page of what is kept of a customer. A page may be empty; ``next_cursor`` goes on from it, and is null at the end."""

    customer_id: str
    exported_at: Timestamp
    items: list[ExportedItem]
    next_cursor: str | None


class ErasureBody(TypedDict):
    """How far an erasure is. While it is ``erasing``, repeat the same request to go on.

    ``pseudonym`` is the customer id under which money facts stay. ``items`` counts what was changed or taken away.
    ``live_orders`` are subscriptions that Waffo still charges: cancel them there.
    """

    pseudonym: str
    status: Literal["erasing", "erased"]
    started_at: Timestamp
    erased_at: Timestamp | None
    items: int
    live_orders: list[str]


def export_body(customer_id: str, exported_at: str, page: ExportPage, pages: Pages) -> ExportBody:
    """Return a page of an export."""
    return {
        "customer_id": customer_id,
        "exported_at": exported_at,
        "items": [{"kind": each.kind, "key": each.key, "data": each.data} for each in page.items],
        "next_cursor": pages.cursor(_texts(page.following) if page.following is not None else None),
    }


def erasure_status(erased: Erased) -> HTTPStatus:
    """Return 200 for an erasure that is done, 202 for one that goes on with the next request."""
    return HTTPStatus.OK if erased.erasure.step == "done" else HTTPStatus.ACCEPTED


def erasure_body(erased: Erased) -> ErasureBody:
    """Return how far an erasure is."""
    erasure = erased.erasure
    return {
        "pseudonym": erasure.pseudonym,
        "status": "erased" if erasure.step == "done" else "erasing",
        "started_at": timestamp(erasure.started_at),
        "erased_at": timestamp(erasure.erased_at) if erasure.erased_at else None,
        "items": erasure.items,
        "live_orders": list(erased.live_orders),
    }


def read_place(part: str, *key: str) -> Place:
    """Return where a page of an export goes on. Raises ``ValueError`` for what is no such place."""
    if part not in ("own", "table", "order") or len(key) not in (0, 2) or not all(key):
        raise ValueError("not a place in an export")
    return Place(part, {"PK": key[0], "SK": key[1]} if key else None)


def _texts(place: Place) -> list[str]:
    return [place.part, *((place.key["PK"], place.key["SK"]) if place.key else ())]
