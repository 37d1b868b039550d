"""The synchronous client."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    LedgerPage,
    PeriodUsage,
    PlacedHold,
    Quota,
    Settlement,
    UsageEvent,
    UsageReceipt,
)
from pancake_meter_client.retrying import DEADLINE_SECONDS, Retrying, attempt_timeout
from pancake_meter_client.time_limit import TimeLimit

UNDOING_SECONDS = 2.0
"""How long it may take to release a hold that was being placed. It is a part of the deadline."""

Answer = TypeVar("Answer")
_log = logging.getLogger("pancake_meter_client")


class Client:
    """Talks to one stack. Use it as a context manager, or ``close`` it; threads may share it, and a fork."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        retrying: Retrying | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``base_url`` is the stack's ``ApiUrl``; ``PANCAKE_METER_URL`` and ``PANCAKE_METER_API_KEY`` where left out.

        A request takes ``deadline_seconds`` at most, with all its attempts. ``transport``, ``sleep`` and ``clock`` are for
        tests.

        Raises:
            BadConfiguration: the address or the key is missing or cannot be used.
        """
        to = Connection.of(base_url, api_key)
        self._connect = partial(httpx.Client, base_url=to.base_url, headers=to.headers, transport=transport)
        self._http, self._pid = self._connect(), os.getpid()
        self._base_url = to.base_url
        self._deadline_seconds = deadline_seconds
        self._retrying = retrying or Retrying()
        self._undoing_seconds = min(UNDOING_SECONDS, deadline_seconds / 2)
        self._sleep = sleep
        self._clock = clock
        self._limit = TimeLimit(clock)

    def quota(self, customer_id: str, meter: str) -> Quota:
        """Return what the customer may still use."""
        return self._send(calls.quota(customer_id, meter))

    def check(self, customer_id: str, meter: str, amount: Decimal | int) -> Quota:
        """Return the quota if ``amount`` may be spent now. It is a look, and reserves nothing.

        Raises:
            QuotaRefused: the amount may not be spent.
        """
        return self._send(calls.check(customer_id, meter, amount))

    def quotas(self, customer_id: str) -> tuple[Quota, ...]:
        """Return the quotas of all meters that the customer has."""
        return self._send(calls.quotas(customer_id))

    def usage(self, customer_id: str, meter: str, *, periods: int | None = None) -> tuple[PeriodUsage, ...]:
        """Return what was used in the last ``periods`` periods, as many as the API shows where left out."""
        return self._send(calls.usage(customer_id, meter, periods))

    def ledger(
        self, customer_id: str, meter: str, *, limit: int | None = None, cursor: str | None = None
    ) -> LedgerPage:
        """Return a page of the meter's ledger, newest first; its ``next_cursor`` is the next page's ``cursor``."""
        return self._send(calls.ledger(customer_id, meter, limit, cursor))

    def checkouts(self, customer_id: str, *, cursor: str | None = None) -> CheckoutPage:
        """Return a page of the customer's checkouts, newest first; its ``next_cursor`` is the next page's ``cursor``."""
        return self._send(calls.checkouts(customer_id, cursor))

    def hold(
        self,
        customer_id: str,
        meter: str,
        quantity: Decimal | int,
        *,
        hold_id: str | None = None,
        ttl_seconds: int | None = None,
    ) -> "Hold":
        """Reserve units; use the answer as a context manager, and settle it inside.

        ``hold_id`` names the work (128 characters at most): the same id again is the same hold. Left out, it is made once
        for this call and its retries.

        An interrupt while it is being placed releases it. So does ``Unavailable``, unless ``hold_id`` was given: then the
        same call may be repeated, and finds what was placed.

        Raises:
            QuotaRefused: the customer has not enough left; nothing was reserved.
            PancakeMeterError: as the classes in ``errors`` say.
        """
        name = hold_id or str(uuid4())
        try:
            placing = calls.place_hold(customer_id, meter, quantity, name, ttl_seconds)
            placed = self._within(placing, self._deadline_seconds - (0 if hold_id else self._undoing_seconds))
        except PancakeMeterError as trouble:
            if isinstance(trouble, Unavailable | UnexpectedAnswer) and hold_id is None:
                self._undo(customer_id, meter, name)
            raise
        except BaseException:
            self._undo(customer_id, meter, name)
            raise
        return Hold(self, customer_id, placed)

    def record(self, events: Iterable[UsageEvent]) -> UsageReceipt:
        """Count events, 100 a request; return what became of each, in order. Repeating it all is always safe.

        ``client.record(events).raise_for_refused()`` raises where an event was not counted.
        """
        return UsageReceipt(tuple(result for call in calls.records(events) for result in self._send(call)))

    def record_bulk(self, events: Iterable[UsageEvent]) -> BulkReceipt:
        """Send many events, to be counted within moments; return how many were accepted. Repeating it all is safe."""
        return calls.one_receipt(self._send(call) for call in calls.record_bulk(events))

    def record_llm_calls(self, payloads: Sequence[Mapping[str, Any]]) -> CallReceipt:
        """Count calls as LiteLLM's ``StandardLoggingPayload`` tells them; a ``pancake_meter_hold`` in one is settled."""
        return self._send(calls.record_llm_calls(payloads))

    def open_checkout(self, customer_id: str, **wanted: Any) -> Checkout:
        """Ask for a payment, by the fields of ``POST .../checkouts``: ``meter``, ``quantity``, ``plan``, ``currency`` ..."""
        return self._send(calls.open_checkout(customer_id, wanted))

    def settle(
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
        return self._send(calls.settle(customer_id, handle, quantity, model=model, source=source))

    def release(self, customer_id: str, handle: str, *, meter: str | None = None) -> None:
        """End the hold of ``handle`` with nothing used; with its ``meter``, the hold's own id will do."""
        self._send(calls.release(customer_id, handle, meter))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def _send(self, call: Call[Answer]) -> Answer:
        return self._within(call, self._deadline_seconds)

    def _within(self, call: Call[Answer], seconds: float) -> Answer:
        """Send a call, again where that may help, and read its answer, all within ``seconds``."""
        ends_at, attempt = self._clock() + seconds, 0
        while True:
            attempt += 1
            try:
                response = self._attempt(call, ends_at)
            except httpx.RequestError as error:
                wait = self._retrying.wait(attempt, None, ends_at - self._clock())
                if wait is None:
                    raise answers.no_answer(error, self._base_url, seconds) from error
            else:
                wait = self._retrying.wait(attempt, response, ends_at - self._clock())
                if wait is None:
                    return answers.read(call, response)
            self._sleep(wait)

    def _attempt(self, call: Call[Any], ends_at: float) -> httpx.Response:
        timeout = attempt_timeout(max(ends_at - self._clock(), _ATTEMPT_SECONDS_MIN))
        self._limit.ends_at = ends_at
        http = self._connections()
        request = http.build_request(
            call.method,
            call.path,
            content=call.content,
            headers=call.headers,
            params=call.query,
            timeout=timeout,
            extensions={"trace": self._limit.trace},
        )
        response = http.send(request, stream=True)
        try:
            parts = []
            for part in response.iter_bytes():
                parts.append(part)
                # Each read has the timeout for itself: an answer that comes in drops would take any time.
                if self._clock() > ends_at:
                    raise httpx.ReadTimeout("the answer comes too slowly", request=request)
        finally:
            response.close()
        return _whole(response, b"".join(parts))

    def _connections(self) -> httpx.Client:
        """Return the connections of this process: those that a fork brought along belong to its parent, and its answers."""
        if self._pid != os.getpid():
            self._http, self._pid = self._connect(), os.getpid()
        return self._http

    def _undo(self, customer_id: str, meter: str, hold_id: str) -> None:
        """Release a hold that may have been placed. Trouble in doing so is only logged: the hold expires by itself."""
        try:
            self._within(calls.release(customer_id, hold_id, meter), self._undoing_seconds)
        except PancakeMeterError as trouble:
            _log.info("hold %s is not released: %s", hold_id, trouble)


_ATTEMPT_SECONDS_MIN = 0.05


def _whole(response: httpx.Response, content: bytes) -> httpx.Response:
    """Return an answer with its content, which was decoded as it was read."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_TRANSFER]
    return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)


_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Hold:
    """Units that are reserved. Leaving the block without ``settle`` releases them: the work did not happen."""

    def __init__(self, client: Client, customer_id: str, placed: PlacedHold) -> None:
        """``placed`` is the hold as it was answered."""
        self._client = client
        self._customer_id = customer_id
        self._is_over = False
        self.placed = placed

    @property
    def handle(self) -> str:
        """What settles the hold from elsewhere."""
        return self.placed.handle

    def settle(self, quantity: Decimal | int, *, model: str | None = None, source: str | None = None) -> Settlement:
        """Count what was really used and give the rest back. After trouble, call it again with the same quantity."""
        # Whatever comes of it, the units are spent: leaving the block must not give them back.
        self._is_over = True
        return self._client.settle(self._customer_id, self.handle, quantity, model=model, source=source)

    def release(self) -> None:
        """Give all units back."""
        self._is_over = True
        self._client.release(self._customer_id, self.handle)

    def __enter__(self) -> Self:
        """Return the hold."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release what was not settled. Trouble in doing so is only logged: the hold expires by itself."""
        if self._is_over:
            return
        try:
            self.release()
        except PancakeMeterError as trouble:
            _log.warning("hold %s could not be released and will expire: %s", self.handle, trouble)
