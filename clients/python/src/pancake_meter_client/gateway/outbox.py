"""What a gateway has to tell the stack: kept until it is told, within a bound, whatever becomes of the stack meanwhile."""

import asyncio
import json
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from pancake_meter_client.aio import AsyncClient
from pancake_meter_client.errors import InvalidRequest, PancakeMeterError, TooManyRequests, Unauthorized, Unavailable
from pancake_meter_client.gateway.held_calls import HeldCall
from pancake_meter_client.models import CallReceipt, RefusedItem

CALLS_MAX: Final = 5_000
"""Calls that are kept until they are told. One more is dropped, counted and logged."""

BATCH_MAX: Final = 100
RELEASES_AT_ONCE_MAX: Final = 8
WAIT_SECONDS_BASE: Final = 0.5
WAIT_SECONDS_MAX: Final = 60.0
IDS_LOGGED_MAX: Final = 100
SMALL_BYTES_MAX: Final = 100_000
"""A call of so many bytes is not too large for anything that lets LLM calls through."""

_log = logging.getLogger("pancake_meter_client.gateway")

_FINAL: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""Answers about the content of a batch: to repeat it would not help. Whatever else is answered passes, or is mended."""

_NOT_OURS: Final = frozenset({"unknown", "gateway_error", "unexpected_answer"})
"""Codes that the client makes up for answers that are not the stack's."""


@dataclass(frozen=True, slots=True)
class ToldCall:
    """A call as the stack is told of it. ``leaves`` is a hold that telling does not end by itself."""

    payload: dict[str, Any]
    hold: HeldCall | None = None
    leaves: HeldCall | None = None

    @property
    def id(self) -> str:
        """The call's id: it counts once, however often it is told."""
        return str(self.payload.get("litellm_call_id"))


class Outbox:
    """Tells calls in batches and releases holds, in the order in which they came, for as long as it takes.

    One task sends while there is something to send. A batch that nobody answered is told again: each call counts once by its
    id. After trouble the waits grow from half a second to a minute, jittered. A release is given up once its hold is over.
    ``untold_total`` counts the calls that will never be told.
    """

    def __init__(
        self,
        connect: Callable[[], AsyncClient],
        hold_seconds: float,
        *,
        calls_max: int = CALLS_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``connect`` makes a client that tries once, and no hold lives longer than ``hold_seconds``.

        ``calls_max``, ``sleep`` and ``clock`` are for tests.
        """
        self.untold_total = 0
        self._connect: Final = connect
        self._hold_seconds: Final = hold_seconds
        self._calls_max: Final = calls_max
        self._sleep: Final = sleep
        self._clock: Final = clock
        self._calls: Final[deque[ToldCall]] = deque()
        self._releases: Final[deque[tuple[HeldCall, float]]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._calls) + len(self._releases)

    def tell(self, call: ToldCall) -> None:
        """Keep a call until it is told."""
        if len(self._calls) >= self._calls_max:
            self.untold_total += 1
            _log.error("call %s is dropped: %d wait already; untold so far: %d", call.id, *self._figures())
            return
        self._calls.append(call)
        self._wake()

    def release(self, held: HeldCall) -> None:
        """Keep a release until it is done, or the hold is over by itself: so is one of which there is no place for."""
        if len(self._releases) < self._calls_max:
            self._releases.append((held, self._clock() + self._hold_seconds))
        self._wake()

    async def drained(self) -> None:
        """Wait until everything is told and released."""
        while self._sending is not None and not self._sending.done():
            await asyncio.wait({self._sending})

    async def flush(self, seconds: float) -> None:
        """Tell what there is within ``seconds``; log and count what is left. For the end of the process."""
        if self._sending is not None and not self._sending.get_loop().is_closed():
            self._sending.cancel()
        if len(self):
            try:
                async with asyncio.timeout(seconds):
                    await self._send()
            except TimeoutError:
                self._give_up()

    def _give_up(self) -> None:
        ids = [call.id for call in self._calls]
        self.untold_total += len(ids)
        for first in range(0, len(ids), IDS_LOGGED_MAX):
            _log.error("the process ends; calls that were not told: %s", ", ".join(ids[first : first + IDS_LOGGED_MAX]))
        self._calls.clear()
        self._releases.clear()

    def _figures(self) -> tuple[int, int]:
        return len(self._calls), self.untold_total

    def _wake(self) -> None:
        """Send in the running loop, unless a task does so. Where no loop runs, the next call or the flush sends."""
        sending = self._sending
        if sending is not None and not sending.done() and not sending.get_loop().is_closed():
            return
        try:
            self._sending = asyncio.get_running_loop().create_task(self._send())
        except RuntimeError:
            self._sending = None

    async def _send(self) -> None:
        failed = 0
        async with self._connect() as client:
            while len(self):
                if await self._is_round_done(client):
                    failed = 0
                    continue
                failed += 1
                await self._sleep(_wait_seconds(failed))

    async def _is_round_done(self, client: AsyncClient) -> bool:
        done = await asyncio.gather(self._tell_some(client), self._release_some(client), return_exceptions=True)
        for each in done:
            if isinstance(each, BaseException):
                # Even a fault of our own does not end the telling: what waits is told once it is mended.
                _log.error("%d calls wait to be told", len(self._calls), exc_info=each)
        return all(each is True for each in done)

    async def _tell_some(self, client: AsyncClient) -> bool:
        """Tell the oldest calls; return whether they are done with."""
        batch = list(islice(self._calls, BATCH_MAX))
        return not batch or await self._told(client, batch)

    async def _told(self, client: AsyncClient, batch: Sequence[ToldCall]) -> bool:
        """Tell the oldest calls, which are ``batch``, and forget those that are done with."""
        try:
            receipt = await client.record_llm_calls([call.payload for call in batch])
        except PancakeMeterError as trouble:
            if not _is_final(trouble):
                _log.warning("%d calls wait to be told: %s", len(self._calls), trouble)
                return False
            if len(batch) > 1:
                # One call may spoil it for the others: halve it until it stands alone.
                middle = len(batch) // 2
                return await self._told(client, batch[:middle]) and await self._told(client, batch[middle:])
            if trouble.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and _is_small(batch[0]):
                # Whatever is before the stack takes no body at all, and will be mended.
                _log.warning("%d calls wait to be told: %s", len(self._calls), trouble)
                return False
            self.untold_total += 1
            _log.error("call %s is refused, %d untold so far: %s", batch[0].id, self.untold_total, trouble)
            refused = RefusedItem(0, trouble.code, "refused")
            receipt = CallReceipt(0, 0, 0, 1, 0, (refused,))
        for _ in batch:
            self._calls.popleft()
        self._end_holds(batch, receipt)
        return True

    def _end_holds(self, batch: Sequence[ToldCall], receipt: CallReceipt) -> None:
        """Release what telling did not end: holds under another id, and those of calls that were parked."""
        parked = {item.index: item for item in receipt.parked_items}
        for index, call in enumerate(batch):
            if index in parked:
                _log.warning("call %s is parked: %s: %s", call.id, parked[index].code, parked[index].detail)
            left = call.leaves or (call.hold if index in parked else None)
            if left is not None:
                self.release(left)

    async def _release_some(self, client: AsyncClient) -> bool:
        """Release the oldest holds; return whether they are done with."""
        some = list(islice(self._releases, RELEASES_AT_ONCE_MAX))
        done = await asyncio.gather(*(self._released(client, held) for held, _ in some))
        for _ in some:
            self._releases.popleft()
        again = [each for each, is_done in zip(some, done, strict=True) if not is_done and each[1] > self._clock()]
        self._releases.extendleft(reversed(again))
        return all(done)

    async def _released(self, client: AsyncClient, held: HeldCall) -> bool:
        try:
            await client.release(held.customer_id, held.hold_id, meter=held.meter)
        except (Unavailable, TooManyRequests, Unauthorized):
            return False
        except PancakeMeterError as refused:
            _log.info("hold %s is not released: %s", held.hold_id, refused)
        return True


def _is_final(trouble: PancakeMeterError) -> bool:
    """Whether the content of a batch was refused: by the stack, or by the client, which could not send it."""
    if trouble.status is None:
        return isinstance(trouble, InvalidRequest)
    # A proxy or a firewall on the way may answer so too: that is no word of the stack, and may be mended.
    return trouble.status in _FINAL and trouble.code not in _NOT_OURS


def _is_small(call: ToldCall) -> bool:
    return len(json.dumps(call.payload, default=str)) <= SMALL_BYTES_MAX


def _wait_seconds(failed: int) -> float:
    """Return how long to wait after so many failures in a row: between half the step and all of it."""
    step = min(WAIT_SECONDS_MAX, WAIT_SECONDS_BASE * 2 ** min(failed, 10))
    return random.uniform(step / 2, step)  # noqa: S311 - to spread requests, not to keep a secret
