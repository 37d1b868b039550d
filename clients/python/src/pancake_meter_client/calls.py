"""The API's calls as values: what to send, and how the answer reads. The two clients only differ in how they send."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from pancake_meter_client.models import CallReceipt, Checkout, EventResult, PlacedHold, Quota, Settlement, UsageEvent

EVENTS_MAX = 100
"""Events that one request may carry."""

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


def quota(customer_id: str, meter: str) -> Call[Quota]:
    """Read a meter's quota."""
    return Call("GET", f"{_customer(customer_id)}/quota/{_part(meter)}", Quota.read)


def place_hold(
    customer_id: str, meter: str, quantity: Decimal | int, hold_id: str, ttl_seconds: int | None
) -> Call[PlacedHold]:
    """Reserve units under an id."""
    body: dict[str, Any] = {"meter": meter, "quantity": str(quantity), "id": hold_id}
    if ttl_seconds is not None:
        body["ttl_seconds"] = ttl_seconds
    return Call("POST", f"{_customer(customer_id)}/holds", PlacedHold.read, body)


def settle(customer_id: str, handle: str, quantity: Decimal | int) -> Call[Settlement]:
    """End a hold with what was used."""
    path = f"{_customer(customer_id)}/holds/{_part(handle)}/settle"
    return Call("POST", path, Settlement.read, {"quantity": str(quantity)})


def release(customer_id: str, handle: str, meter: str | None = None) -> Call[None]:
    """End a hold with nothing used; with its ``meter``, the caller's own id does as well as the handle."""
    query = {"meter": meter} if meter is not None else None
    return Call("DELETE", f"{_customer(customer_id)}/holds/{_part(handle)}", lambda _: None, query=query)


def record(events: Sequence[UsageEvent]) -> Call[tuple[EventResult, ...]]:
    """Count up to 100 events. Refused ones are results, also where all of them are."""
    refusals = frozenset({httpx.codes.NOT_FOUND, httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY})
    body = {"events": [event.body() for event in events]}
    return Call("POST", "/v1/usage", _results, body, refusals=refusals)


def record_llm_calls(payloads: Sequence[Mapping[str, Any]]) -> Call[CallReceipt]:
    """Count model calls as LiteLLM tells of them."""
    return Call("POST", "/v1/usage/litellm", CallReceipt.read, list(payloads))


def open_checkout(customer_id: str, wanted: Mapping[str, Any]) -> Call[Checkout]:
    """Ask for a payment, or find the open one."""
    return Call("POST", f"{_customer(customer_id)}/checkouts", Checkout.read, wanted)


def batches(events: Sequence[UsageEvent]) -> list[Sequence[UsageEvent]]:
    """Split events into what one request may carry."""
    return [events[first : first + EVENTS_MAX] for first in range(0, len(events), EVENTS_MAX)]


def _results(body: Mapping[str, Any]) -> tuple[EventResult, ...]:
    return tuple(
        EventResult(result["status"], result.get("id"), result.get("code"), result.get("detail"))
        for result in body["results"]
    )


def _customer(customer_id: str) -> str:
    return f"/v1/customers/{_part(customer_id)}"


def _part(text: str) -> str:
    return quote(text, safe="~")
