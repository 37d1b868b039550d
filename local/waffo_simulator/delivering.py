"""Deliveries: signed once, sent in order, retried three times, then given up; and what `Faults` make of that."""

import asyncio
from datetime import datetime

import httpx

from local.waffo_simulator.clock import Clock
from local.waffo_simulator.faults import Faults
from local.waffo_simulator.model import Delivery

RETRIES = 3
RESPONSE_BODY_LENGTH_MAX = 1000


class Deliverer:
    """Sends deliveries. First attempts go out one after another, in order; retries wait without holding others up."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, retry_base_seconds: float) -> None:
        self.faults = Faults()
        self._client = client
        self._clock = clock
        self._retry_base_seconds = retry_base_seconds
        self._held: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._line = asyncio.Lock()
        self._hurry = asyncio.Event()

    def now(self) -> datetime:
        """The simulator's time."""
        return self._clock.now()

    @property
    def holds_back(self) -> bool:
        """Whether deliveries wait to be sent in another order."""
        return bool(self._held)

    async def arrive(self, seconds_max: float) -> None:
        """Wait until what is under way has come through or been given up, or time is up."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds_max)

    def send(self, delivery: Delivery) -> None:
        """Take a new delivery; it leaves now, later or never, as the faults have it."""
        if self.faults.drops_next():
            delivery.status, delivery.attempt_count = "failed", 1 + RETRIES
            delivery.last_attempted_at = self._clock.now()
        elif self.faults.shuffle:
            self._held.append(delivery)
            if len(self._held) == self.faults.shuffle:
                self._release()
        else:
            self.resend(delivery)

    def resend(self, delivery: Delivery) -> None:
        """Send a delivery, perhaps not for the first time."""
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Send what is held back, skip every delay, and return when each delivery has come through or been given up."""
        self._release()
        self._hurry.set()
        try:
            while self._tasks:
                await asyncio.wait(set(self._tasks))
        finally:
            self._hurry.clear()

    async def forget(self) -> None:
        """Let go of everything that is held back or under way."""
        self._held.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _release(self) -> None:
        held = {delivery.id: delivery for delivery in self._held}
        self._held.clear()
        for delivery_id in self.faults.shuffled(list(held)):
            self.resend(held[delivery_id])

    async def _deliver(self, delivery: Delivery) -> None:
        await self._pause(self.faults.delay_seconds)
        async with self._line:
            copies = [self._attempt(delivery) for _ in range(1 + self.faults.duplicate)]
            arrived = any(await asyncio.gather(*copies))
        for retry in range(RETRIES):
            if arrived:
                break
            await self._pause(self._retry_base_seconds * 2**retry)
            arrived = await self._attempt(delivery)
        delivery.status = "success" if arrived else "failed"
        # Who follows the clock is not told of it while deliveries of an earlier time are still to come: this is the last.
        if not self._held and len(self._tasks) <= 1:
            self._clock.tell()

    async def _attempt(self, delivery: Delivery) -> bool:
        delivery.attempt_count += 1
        delivery.last_attempted_at = self._clock.now()
        headers = {
            "Content-Type": "application/json",
            "X-Waffo-Signature": delivery.signature,
            "X-Waffo-Event": delivery.event_type.encode("ascii", "replace").decode("ascii"),
        }
        try:
            response = await self._client.post(delivery.url, content=delivery.content, headers=headers)
        except Exception as error:  # noqa: BLE001 - a name or a port that cannot be one is told by whoever comes upon it first
            delivery.http_status, delivery.response_body = None, type(error).__name__
            return False
        delivery.http_status = response.status_code
        delivery.response_body = response.text[:RESPONSE_BODY_LENGTH_MAX]
        return response.is_success

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                await asyncio.wait_for(self._hurry.wait(), seconds)
            except TimeoutError:
                return
