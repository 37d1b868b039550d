"""The asynchronous client: the same calls, awaited."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from pancake_meter_client import answers, calls
from pancake_meter_client.calls import Call
from pancake_meter_client.client import TIMEOUT
from pancake_meter_client.errors import PancakeMeterError
from pancake_meter_client.models import (
    CallReceipt,
    Checkout,
    EventResult,
    PlacedHold,
    Quota,
    Settlement,
    UsageEvent,
    UsageReceipt,
)
from pancake_meter_client.retrying import Retrying

Answer = TypeVar("Answer")
_log = logging.getLogger("pancake_meter_client")


class AsyncClient:
    """``Client``, awaited. Use it as an asynchronous context manager, or ``aclose`` it."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        retrying: Retrying | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``base_url`` is the stack's ``ApiUrl``, ``timeout`` an attempt's; ``transport`` and ``sleep`` are for tests."""
        self._http = httpx.AsyncClient(
            base_url=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=timeout, transport=transport
        )
        self._retrying = retrying or Retrying()
        self._sleep = sleep

    async def quota(self, customer_id: str, meter: str) -> Quota:
        """Return what the customer may still use."""
        return await self._send(calls.quota(customer_id, meter))

    async def place_hold(
        self,
        customer_id: str,
        meter: str,
        quantity: Decimal | int,
        *,
        hold_id: str | None = None,
        ttl_seconds: int | None = None,
    ) -> "AsyncHold":
        """Reserve units, as ``Client.hold``, and raise as it does."""
        placed = await self._send(calls.place_hold(customer_id, meter, quantity, hold_id or str(uuid4()), ttl_seconds))
        return AsyncHold(self, customer_id, placed)

    def hold(
        self,
        customer_id: str,
        meter: str,
        quantity: Decimal | int,
        *,
        hold_id: str | None = None,
        ttl_seconds: int | None = None,
    ) -> "_Holding":
        """``async with client.hold(...) as hold``: place the hold, and release on leaving what was not settled."""
        return _Holding(self.place_hold(customer_id, meter, quantity, hold_id=hold_id, ttl_seconds=ttl_seconds))

    async def record(self, events: Iterable[UsageEvent]) -> UsageReceipt:
        """Count events, 100 a request; return what became of each, in order. Repeating it all is always safe."""
        results: list[EventResult] = []
        for batch in calls.batches(list(events)):
            counted = await self._send(calls.record(batch))
            results += counted
        return UsageReceipt(tuple(results))

    async def record_llm_calls(self, payloads: Sequence[Mapping[str, Any]]) -> CallReceipt:
        """Count calls as LiteLLM's ``StandardLoggingPayload`` tells them; a ``pancake_meter_hold`` in one is settled."""
        return await self._send(calls.record_llm_calls(payloads))

    async def open_checkout(self, customer_id: str, **wanted: Any) -> Checkout:
        """Ask for a payment, by the fields of ``POST .../checkouts``: ``meter``, ``quantity``, ``plan``, ``currency`` ..."""
        return await self._send(calls.open_checkout(customer_id, wanted))

    async def settle(self, customer_id: str, handle: str, quantity: Decimal | int) -> Settlement:
        """Count what was used, and end the hold of ``handle``; for work that another process finishes."""
        return await self._send(calls.settle(customer_id, handle, quantity))

    async def release(self, customer_id: str, handle: str, *, meter: str | None = None) -> None:
        """End the hold of ``handle`` with nothing used; with its ``meter``, the hold's own id will do."""
        await self._send(calls.release(customer_id, handle, meter))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def _send(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.request(call.method, call.path, json=call.body, params=call.query)
            except httpx.TransportError as error:
                wait = self._retrying.wait(attempt, None)
                if wait is None:
                    raise answers.no_answer(error) from error
            else:
                wait = self._retrying.wait(attempt, response)
                if wait is None:
                    return answers.read(call, response)
            await self._sleep(wait)


class AsyncHold:
    """Units that are reserved, as ``Hold``."""

    def __init__(self, client: AsyncClient, customer_id: str, placed: PlacedHold) -> None:
        """``placed`` is the hold as it was answered."""
        self._client = client
        self._customer_id = customer_id
        self.is_over = False
        self.placed = placed

    @property
    def handle(self) -> str:
        """What settles the hold from elsewhere."""
        return self.placed.handle

    async def settle(self, quantity: Decimal | int) -> Settlement:
        """Count what was really used and give the rest back. After trouble, call it again with the same quantity."""
        # Whatever comes of it, the units are spent: leaving the block must not give them back.
        self.is_over = True
        return await self._client.settle(self._customer_id, self.handle, quantity)

    async def release(self) -> None:
        """Give all units back."""
        self.is_over = True
        await self._client.release(self._customer_id, self.handle)


class _Holding:
    """The asynchronous context of a hold."""

    def __init__(self, placing: Awaitable[AsyncHold]) -> None:
        self._placing = placing
        self._hold: AsyncHold | None = None

    async def __aenter__(self) -> AsyncHold:
        """Place the hold."""
        self._hold = await self._placing
        return self._hold

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release what was not settled. Trouble in doing so is only logged: the hold expires by itself."""
        if self._hold is None or self._hold.is_over:
            return
        try:
            # A task that was cancelled still gives its units back.
            await asyncio.shield(self._hold.release())
        except PancakeMeterError as trouble:
            _log.warning("hold %s could not be released and will expire: %s", self._hold.handle, trouble)
