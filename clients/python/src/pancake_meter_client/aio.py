"""The asynchronous client: the same calls, awaited."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from pancake_meter_client import answers, calls
from pancake_meter_client.calls import Call
from pancake_meter_client.connection import Connection
from pancake_meter_client.errors import PancakeMeterError, Unavailable, UnexpectedAnswer
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
    UsageReceipt,
)
from pancake_meter_client.retrying import DEADLINE_SECONDS, Retrying, attempt_timeout

Answer = TypeVar("Answer")
_log = logging.getLogger("pancake_meter_client")


class AsyncClient:
    """``Client``, awaited. Use it as an asynchronous context manager, or ``aclose`` it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        retrying: Retrying | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """As ``Client``; ``transport`` and ``sleep`` are for tests.

        Raises:
            BadConfiguration: the address or the key is missing or cannot be used.
        """
        to = Connection.of(base_url, api_key)
        self._connect = partial(httpx.AsyncClient, base_url=to.base_url, headers=to.headers, transport=transport)
        self._http, self._pid = self._connect(), os.getpid()
        self._base_url = to.base_url
        self._deadline_seconds = deadline_seconds
        self._retrying = retrying or Retrying()
        self._sleep = sleep
        self._background: set[asyncio.Task[None]] = set()

    async def quota(self, customer_id: str, meter: str) -> Quota:
        """Return what the customer may still use."""
        return await self._send(calls.quota(customer_id, meter))

    async def check(self, customer_id: str, meter: str, amount: Decimal | int) -> Quota:
        """Return the quota if ``amount`` may be spent now. It is a look, and reserves nothing.

        Raises:
            QuotaRefused: the amount may not be spent.
        """
        return await self._send(calls.check(customer_id, meter, amount))

    async def quotas(self, customer_id: str) -> tuple[Quota, ...]:
        """Return the quotas of all meters that the customer has."""
        return await self._send(calls.quotas(customer_id))

    async def usage(self, customer_id: str, meter: str, *, periods: int | None = None) -> tuple[PeriodUsage, ...]:
        """Return what was used in the last ``periods`` periods, as many as the API shows where left out."""
        return await self._send(calls.usage(customer_id, meter, periods))

    async def ledger(
        self, customer_id: str, meter: str, *, limit: int | None = None, cursor: str | None = None
    ) -> LedgerPage:
        """Return a page of the meter's ledger, newest first; its ``next_cursor`` is the next page's ``cursor``."""
        return await self._send(calls.ledger(customer_id, meter, limit, cursor))

    async def checkouts(self, customer_id: str, *, cursor: str | None = None) -> CheckoutPage:
        """Return a page of the customer's checkouts, newest first; its ``next_cursor`` is the next page's ``cursor``."""
        return await self._send(calls.checkouts(customer_id, cursor))

    async def place_hold(
        self,
        customer_id: str,
        meter: str,
        quantity: Decimal | int,
        *,
        hold_id: str | None = None,
        ttl_seconds: int | None = None,
    ) -> "AsyncHold":
        """Reserve units, as ``Client.hold``, and raise as it does. A task that is cancelled meanwhile holds nothing."""
        name = hold_id or str(uuid4())
        placing = asyncio.create_task(self._send(calls.place_hold(customer_id, meter, quantity, name, ttl_seconds)))
        try:
            # A request that is on its way may still be carried out: it is waited for, then undone.
            placed = await asyncio.shield(placing)
        except asyncio.CancelledError:
            self.in_background(self._undo(placing, customer_id, meter, name))
            raise
        except (Unavailable, UnexpectedAnswer):
            if hold_id is None:
                self.in_background(self._let_go(customer_id, meter, name))
            raise
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
        return _Holding(
            self, lambda: self.place_hold(customer_id, meter, quantity, hold_id=hold_id, ttl_seconds=ttl_seconds)
        )

    async def record(self, events: Iterable[UsageEvent]) -> UsageReceipt:
        """Count events, 100 a request; return what became of each, in order. Repeating it all is always safe.

        ``(await client.record(events)).raise_for_refused()`` raises where an event was not counted.
        """
        results: list[EventResult] = []
        for call in calls.records(events):
            counted = await self._send(call)
            results += counted
        return UsageReceipt(tuple(results))

    async def record_bulk(self, events: Iterable[UsageEvent]) -> BulkReceipt:
        """Send many events, to be counted within moments; return how many were accepted. Repeating it all is safe."""
        return calls.one_receipt([await self._send(call) for call in calls.record_bulk(events)])

    async def record_llm_calls(self, payloads: Sequence[Mapping[str, Any]]) -> CallReceipt:
        """Count calls as LiteLLM's ``StandardLoggingPayload`` tells them; a ``pancake_meter_hold`` in one is settled."""
        return await self._send(calls.record_llm_calls(payloads))

    async def open_checkout(self, customer_id: str, **wanted: Any) -> Checkout:
        """Ask for a payment, by the fields of ``POST .../checkouts``: ``meter``, ``quantity``, ``plan``, ``currency`` ..."""
        return await self._send(calls.open_checkout(customer_id, wanted))

    async def settle(
        self,
        customer_id: str,
        handle: str,
        quantity: Decimal | int,
        *,
        model: str | None = None,
        source: str | None = None,
    ) -> Settlement:
        """Count what was used, and end the hold of ``handle``; for work that another process finishes.

        ``model`` and ``source`` say what the usage was made of, for the customer's charts.
        """
        return await self._send(calls.settle(customer_id, handle, quantity, model=model, source=source))

    async def release(self, customer_id: str, handle: str, *, meter: str | None = None) -> None:
        """End the hold of ``handle`` with nothing used; with its ``meter``, the hold's own id will do."""
        await self._send(calls.release(customer_id, handle, meter))

    async def aclose(self) -> None:
        """Close the connections, once holds that are being released are: each within its deadline."""
        if self._background:
            await asyncio.wait(self._background, timeout=2 * self._deadline_seconds)
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    def in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run work that outlives the task that began it; ``aclose`` waits for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _undo(self, placing: "asyncio.Task[PlacedHold]", customer_id: str, meter: str, hold_id: str) -> None:
        """Release a hold whose caller has gone, once it is known whether it was placed."""
        try:
            await asyncio.shield(placing)
        except PancakeMeterError as trouble:
            if not isinstance(trouble, Unavailable):
                return
        await self._let_go(customer_id, meter, hold_id)

    async def _let_go(self, customer_id: str, meter: str, hold_id: str) -> None:
        """Release a hold that may have been placed. Trouble in doing so is only logged: the hold expires by itself."""
        try:
            await self.release(customer_id, hold_id, meter=meter)
        except PancakeMeterError as trouble:
            _log.info("hold %s is not released: %s", hold_id, trouble)

    async def _send(self, call: Call[Answer]) -> Answer:
        """Send a call, again where that may help, and read its answer, all within the deadline."""
        seconds = self._deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                response = await self._answered(call, asyncio.get_running_loop().time() + seconds)
        except (TimeoutError, httpx.RequestError) as error:
            raise answers.no_answer(error, self._base_url, seconds) from error
        return answers.read(call, response)

    async def _answered(self, call: Call[Any], ends_at: float) -> httpx.Response:
        """Return the last answer; raise the last error where there was none."""
        clock, attempt = asyncio.get_running_loop().time, 0
        while True:
            attempt += 1
            timeout = attempt_timeout(max(ends_at - clock(), _ATTEMPT_SECONDS_MIN))
            try:
                response = await self._connections().request(
                    call.method,
                    call.path,
                    content=call.content,
                    headers=call.headers,
                    params=call.query,
                    timeout=timeout,
                )
            except httpx.RequestError:
                wait = self._retrying.wait(attempt, None, ends_at - clock())
                if wait is None:
                    raise
            else:
                wait = self._retrying.wait(attempt, response, ends_at - clock())
                if wait is None:
                    return response
            await self._sleep(wait)

    def _connections(self) -> httpx.AsyncClient:
        """As of ``Client``."""
        if self._pid != os.getpid():
            self._http, self._pid = self._connect(), os.getpid()
        return self._http


_ATTEMPT_SECONDS_MIN = 0.05


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

    async def settle(
        self, quantity: Decimal | int, *, model: str | None = None, source: str | None = None
    ) -> Settlement:
        """Count what was really used and give the rest back. After trouble, call it again with the same quantity."""
        # Whatever comes of it, the units are spent: leaving the block must not give them back.
        self.is_over = True
        return await self._client.settle(self._customer_id, self.handle, quantity, model=model, source=source)

    async def release(self) -> None:
        """Give all units back."""
        self.is_over = True
        await self._client.release(self._customer_id, self.handle)


class _Holding:
    """The asynchronous context of a hold."""

    def __init__(self, client: AsyncClient, place: Callable[[], Awaitable[AsyncHold]]) -> None:
        self._client = client
        self._place = place
        self._hold: AsyncHold | None = None

    async def __aenter__(self) -> AsyncHold:
        """Place the hold."""
        self._hold = await self._place()
        return self._hold

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release what was not settled, also where the task is cancelled, or cancelled again while it does so."""
        if self._hold is not None and not self._hold.is_over:
            await asyncio.shield(self._client.in_background(_released(self._hold)))


async def _released(hold: AsyncHold) -> None:
    """Release a hold. Trouble in doing so is only logged: the hold expires by itself."""
    try:
        await hold.release()
    except PancakeMeterError as trouble:
        _log.warning("hold %s could not be released and will expire: %s", hold.handle, trouble)
