"""The synchronous client."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from pancake_meter_client import answers, calls
from pancake_meter_client.calls import Call
from pancake_meter_client.errors import PancakeMeterError
from pancake_meter_client.models import CallReceipt, Checkout, PlacedHold, Quota, Settlement, UsageEvent, UsageReceipt
from pancake_meter_client.retrying import Retrying

TIMEOUT = httpx.Timeout(10, connect=3)

Answer = TypeVar("Answer")
_log = logging.getLogger("pancake_meter_client")


class Client:
    """Talks to one stack. Use it as a context manager, or ``close`` it; it may be shared by threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        retrying: Retrying | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``base_url`` is the stack's ``ApiUrl``; ``transport`` and ``sleep`` are for tests."""
        self._http = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT, transport=transport
        )
        self._retrying = retrying or Retrying()
        self._sleep = sleep

    def quota(self, customer_id: str, meter: str) -> Quota:
        """Return what the customer may still use."""
        return self._send(calls.quota(customer_id, meter))

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

        Raises:
            QuotaRefused: the customer has not enough left; nothing was reserved.
            PancakeMeterError: as the classes in ``errors`` say.
        """
        placed = self._send(calls.place_hold(customer_id, meter, quantity, hold_id or str(uuid4()), ttl_seconds))
        return Hold(self, customer_id, placed)

    def record(self, events: Iterable[UsageEvent]) -> UsageReceipt:
        """Count events, 100 a request; return what became of each, in order. Repeating it all is always safe."""
        results = [result for batch in calls.batches(list(events)) for result in self._send(calls.record(batch))]
        return UsageReceipt(tuple(results))

    def record_llm_calls(self, payloads: Sequence[Mapping[str, Any]]) -> CallReceipt:
        """Count calls as LiteLLM's ``StandardLoggingPayload`` tells them; a ``pancake_meter_hold`` in one is settled."""
        return self._send(calls.record_llm_calls(payloads))

    def open_checkout(self, customer_id: str, **wanted: Any) -> Checkout:
        """Ask for a payment, by the fields of ``POST .../checkouts``: ``meter``, ``quantity``, ``plan``, ``currency`` ..."""
        return self._send(calls.open_checkout(customer_id, wanted))

    def settle(self, customer_id: str, handle: str, quantity: Decimal | int) -> Settlement:
        """Count what was used, and end the hold of ``handle``; for work that another process finishes."""
        return self._send(calls.settle(customer_id, handle, quantity))

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
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.request(call.method, call.path, json=call.body, params=call.query)
            except httpx.TransportError as error:
                wait = self._retrying.wait(attempt, None)
                if wait is None:
                    raise answers.no_answer(error) from error
            else:
                wait = self._retrying.wait(attempt, response)
                if wait is None:
                    return answers.read(call, response)
            self._sleep(wait)


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

    def settle(self, quantity: Decimal | int) -> Settlement:
        """Count what was really used and give the rest back. After trouble, call it again with the same quantity."""
        # Whatever comes of it, the units are spent: leaving the block must not give them back.
        self._is_over = True
        return self._client.settle(self._customer_id, self.handle, quantity)

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
