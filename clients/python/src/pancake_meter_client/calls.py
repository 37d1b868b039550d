"""The API's calls as values: what to send, and how the answer reads. The two clients only differ in how they send."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx

from pancake_meter_client.errors import invalid
from pancake_meter_client.models import (
    BulkReceipt,
    CallReceipt,
    Checkout,
    CheckoutPage,
    EventResult,
    LedgerPage,
    PeriodUsage,
    PlacedHold,
    Quota,
    Settlement,
    UsageEvent,
)
from pancake_meter_client.quantities import plain, sendable

EVENTS_MAX: Final = 100
"""Events that one request may carry."""

BULK_EVENTS_MAX: Final = 5_000
BULK_BYTES_MAX: Final = 2_000_000
"""What one request in bulk carries at most: well below what the API takes."""

_ALL_REFUSED: Final = frozenset({httpx.codes.NOT_FOUND, httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY})
"""Statuses of a batch in which everything was refused: its answer still says what became of each."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request. All of them are safe to repeat: the ids are in them. ``refusals`` are statuses that are answers too."""

    method: str
    path: str
    read: Callable[[Mapping[str, Any]], Answer]
    body: Mapping[str, Any] | list[Mapping[str, Any]] | None = None
    query: Mapping[str, str] | None = None
    refusals: frozenset[int] = frozenset()

    @property
    def content(self) -> bytes | None:
        """The body as it is sent: JSON in ASCII, so that text which is no Unicode costs its own item only.

        Raises:
            InvalidRequest: JSON cannot carry it.
        """
        return None if self.body is None else _json(self.body)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the body needs."""
        return {} if self.body is None else {"Content-Type": "application/json"}


def quota(customer_id: str, meter: str) -> Call[Quota]:
    """Read a meter's quota."""
    return Call("GET", f"{customer_path(customer_id)}/quota/{path_part(meter)}", Quota.read)


def check(customer_id: str, meter: str, amount: Decimal | int) -> Call[Quota]:
    """Ask whether an amount may be spent."""
    return replace(quota(customer_id, meter), query={"amount": plain(amount)})


def quotas(customer_id: str) -> Call[tuple[Quota, ...]]:
    """Read the quotas of all meters."""
    return Call("GET", f"{customer_path(customer_id)}/quota", lambda body: tuple(map(Quota.read, body["quotas"])))


def usage(customer_id: str, meter: str, periods: int | None) -> Call[tuple[PeriodUsage, ...]]:
    """Read what was used, by period."""
    query = _query(meter=meter, periods=periods)
    return Call(
        "GET",
        f"{customer_path(customer_id)}/usage",
        lambda body: tuple(map(PeriodUsage.read, body["periods"])),
        query=query,
    )


def ledger(customer_id: str, meter: str, limit: int | None, cursor: str | None) -> Call[LedgerPage]:
    """Read a page of a meter's ledger."""
    query = _query(meter=meter, limit=limit, cursor=cursor)
    return Call("GET", f"{customer_path(customer_id)}/ledger", LedgerPage.read, query=query)


def checkouts(customer_id: str, cursor: str | None) -> Call[CheckoutPage]:
    """Read a page of a customer's checkouts."""
    return Call("GET", f"{customer_path(customer_id)}/checkouts", CheckoutPage.read, query=_query(cursor=cursor))


def place_hold(
    customer_id: str, meter: str, quantity: Decimal | int, hold_id: str, ttl_seconds: int | None
) -> Call[PlacedHold]:
    """Reserve units under an id."""
    body: dict[str, Any] = {"meter": meter, "quantity": plain(quantity), "id": hold_id}
    if ttl_seconds is not None:
        body["ttl_seconds"] = ttl_seconds
    return Call("POST", f"{customer_path(customer_id)}/holds", PlacedHold.read, body)


def settle(
    customer_id: str, handle: str, quantity: Decimal | int, *, model: str | None = None, source: str | None = None
) -> Call[Settlement]:
    """End a hold with what was used, and what that was made of."""
    path = f"{customer_path(customer_id)}/holds/{path_part(handle)}/settle"
    stated = {name: value for name, value in (("model", model), ("source", source)) if value is not None}
    return Call("POST", path, Settlement.read, {"quantity": plain(quantity), **stated})


def release(customer_id: str, handle: str, meter: str | None = None) -> Call[None]:
    """End a hold with nothing used; with its ``meter``, the caller's own id does as well as the handle."""
    query = {"meter": meter} if meter is not None else None
    return Call("DELETE", f"{customer_path(customer_id)}/holds/{path_part(handle)}", lambda _: None, query=query)


def record(events: Sequence[UsageEvent]) -> Call[tuple[EventResult, ...]]:
    """Count up to 100 events. Refused ones are results, also where all of them are."""
    body = {"events": [event.body() for event in events]}
    return Call("POST", "/v1/usage", _results, body, refusals=_ALL_REFUSED)


def record_llm_calls(payloads: Sequence[Mapping[str, Any]]) -> Call[CallReceipt]:
    """Count model calls as LiteLLM tells of them."""
    return Call("POST", "/v1/usage/litellm", CallReceipt.read, list(payloads))


def open_checkout(customer_id: str, wanted: Mapping[str, Any]) -> Call[Checkout]:
    """Ask for a payment, or find the open one."""
    return Call("POST", f"{customer_path(customer_id)}/checkouts", Checkout.read, sendable(dict(wanted)))


def record_bulk(events: Iterable[UsageEvent]) -> list[Call[BulkReceipt]]:
    """Send events in bulk, in as many requests as it takes; none is sent where one could not be.

    Each refused item has its index among all events.

    Raises:
        InvalidRequest: JSON cannot carry an event.
    """
    return list(_bulks(events))


def _bulks(events: Iterable[UsageEvent]) -> Iterator[Call[BulkReceipt]]:
    first, bodies, size = 0, list[Mapping[str, Any]](), 0
    for event in events:
        body = event.body()
        length = len(_json(body)) + 1
        if bodies and (len(bodies) == BULK_EVENTS_MAX or size + length > BULK_BYTES_MAX):
            yield _bulk(bodies, first)
            first, bodies, size = first + len(bodies), [], 0
        bodies.append(body)
        size += length
    if bodies:
        yield _bulk(bodies, first)


def one_receipt(receipts: Iterable[BulkReceipt]) -> BulkReceipt:
    """Return the receipts of several requests in bulk as one."""
    total = BulkReceipt(0, 0, ())
    for receipt in receipts:
        items = total.refused_items + receipt.refused_items
        total = BulkReceipt(total.accepted + receipt.accepted, total.refused + receipt.refused, items)
    return total


def records(events: Iterable[UsageEvent]) -> list[Call[tuple[EventResult, ...]]]:
    """Count any number of events, 100 a request; none is sent where one could not be."""
    every = list(events)
    return [record(every[first : first + EVENTS_MAX]) for first in range(0, len(every), EVENTS_MAX)]


def _bulk(bodies: list[Mapping[str, Any]], first: int) -> Call[BulkReceipt]:
    def read(body: Mapping[str, Any]) -> BulkReceipt:
        receipt = BulkReceipt.read(body)
        items = tuple(replace(item, index=first + item.index) for item in receipt.refused_items)
        return replace(receipt, refused_items=items)

    return Call("POST", "/v1/usage/bulk", read, bodies, refusals=_ALL_REFUSED)


def _json(content: object) -> bytes:
    try:
        return json.dumps(content, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid("invalid_request", f"JSON cannot carry the request ({error})") from error


def _results(body: Mapping[str, Any]) -> tuple[EventResult, ...]:
    return tuple(
        EventResult(result["status"], result.get("id"), result.get("code"), result.get("detail"))
        for result in body["results"]
    )


def _query(**fields: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items() if value is not None}


def customer_path(customer_id: str) -> str:
    """The path of a customer, whose id is quoted exactly.

    Raises:
        InvalidRequest: no path can carry the id.
    """
    if not isinstance(customer_id, str):
        raise invalid("invalid_customer_id", f"a customer's id is a text, not {type(customer_id).__name__}")
    if customer_id.startswith(_ENCODED):
        # In a path it would be read as the encoded form of another id, and so name another customer.
        raise invalid("invalid_customer_id", f"a customer's id does not begin with {_ENCODED!r}")
    if "/" in customer_id or any(ord(character) < _PRINTABLE or ord(character) == _DELETE for character in customer_id):
        raise invalid("invalid_customer_id", "a customer's id has no slash and no control character")
    try:
        characters = customer_id.encode()
    except UnicodeEncodeError as error:
        raise invalid("invalid_customer_id", "a customer's id has no half of a surrogate pair") from error
    if _ALTERED_ON_THE_WAY.isdisjoint(customer_id):
        return f"/v1/customers/{path_part(customer_id)}"
    return f"/v1/customers/{_ENCODED}{urlsafe_b64encode(characters).decode().rstrip('=')}"


def path_part(text: str) -> str:
    """Return an id or a name as it stands in a path.

    Raises:
        InvalidRequest: no path can carry it.
    """
    if text in {"", ".", ".."}:
        raise invalid("invalid_request", f"an id or a name that stands in a path is not {text!r}")
    return quote(text, safe="~", errors="replace")


_ENCODED: Final = "~b64."
"""How an id in base64url begins in a path."""

_ALTERED_ON_THE_WAY: Final = frozenset("%?")
"""API Gateway decodes a path twice, and cuts it off at a question mark: an id with one of these goes in base64url."""

_PRINTABLE: Final = 32
_DELETE: Final = 127
