"""One customer's data on the wire: the pages of an export, and how far an erasure is."""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http import json
from pancake_meter.http.fields import Timestamp, WireModel
from pancake_meter.http.json import MalformedJson
from pancake_meter.usecases.access.erase import Erased
from pancake_meter.usecases.access.export import ExportPage, Place

CURSOR_LENGTH_MAX: Final = 6_000
"""A cursor has the two keys of an item: at most 3 KB, in base64."""


_NO_CURSOR: Final = f"must be the next_cursor of the page before, of at most {CURSOR_LENGTH_MAX} characters"


def _place(cursor: object) -> Place:
    if len(str(cursor)) > CURSOR_LENGTH_MAX:
        raise ValueError(_NO_CURSOR)
    try:
        part, *key = json.loads(base64.b64decode(str(cursor), altchars=b"-_", validate=True).decode())
    except (binascii.Error, MalformedJson, UnicodeError, TypeError, ValueError):
        raise ValueError(_NO_CURSOR) from None
    is_key = len(key) in (0, 2) and all(isinstance(each, str) and each for each in key)
    if part not in ("own", "table", "order") or not is_key:
        raise ValueError(_NO_CURSOR)
    return Place(part, {"PK": key[0], "SK": key[1]} if key else None)


class ExportQuery(WireModel):
    """Query of ``GET /v1/customers/{customer_id}/export``: the cursor that the page before gave."""

    cursor: Annotated[
        Place,
        BeforeValidator(_place),
        Field(default_factory=Place),
        WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]+={0,2}$", "maxLength": CURSOR_LENGTH_MAX}),
    ]


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


def export_body(customer_id: str, exported_at: str, page: ExportPage) -> ExportBody:
    """Return a page of an export."""
    return {
        "customer_id": customer_id,
        "exported_at": exported_at,
        "items": [{"kind": each.kind, "key": each.key, "data": each.data} for each in page.items],
        "next_cursor": _cursor(page.following) if page.following is not None else None,
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


def _cursor(place: Place) -> str:
    key = [place.key["PK"], place.key["SK"]] if place.key else []
    return base64.urlsafe_b64encode(json.dumps([place.part, *key]).encode()).decode()
