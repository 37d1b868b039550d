"""A call's life at the gateway: held for before it, told of after it, released when it failed."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

import httpx

from pancake_meter_client.aio import AsyncClient
from pancake_meter_client.errors import PancakeMeterError, Unavailable
from pancake_meter_client.gateway.customer import customer_of, identities
from pancake_meter_client.gateway.estimate import HELD, Counter, hold_units
from pancake_meter_client.gateway.held_calls import HeldCall, HeldCalls
from pancake_meter_client.gateway.payload import trimmed
from pancake_meter_client.gateway.refusal import (
    GatewayRefusal,
    call_id_not_accepted,
    customer_unknown,
    refusal_of,
    unavailable,
)
from pancake_meter_client.gateway.settings import LoggerSettings
from pancake_meter_client.retrying import TROUBLE, Retrying

TELLING_MAX: Final = 5_000
"""What may be on its way at once. More is dropped, for a reconciliation with the gateway's own log to find."""

_log = logging.getLogger("pancake_meter_client.gateway")

_ASKING: Final = Retrying(attempts=3, base_seconds=0.05, ceiling_seconds=0.25, statuses=TROUBLE)
"""A caller waits for a hold: a few quick tries within the deadline, and a 429 is an answer."""

_TELLING: Final = Retrying(attempts=8, base_seconds=0.2, ceiling_seconds=10)
"""Nobody waits for a count."""


class CallMeter:
    """Meters the calls of one process, in one event loop.

    ``unreachable_total`` counts the calls whose quota could not be asked, ``untold_total`` those whose usage could not be
    told; each of them is a warning in the log as well.
    """

    def __init__(
        self,
        settings: LoggerSettings,
        count: Counter,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        telling: Retrying = _TELLING,
        telling_max: int = TELLING_MAX,
    ) -> None:
        """``count`` counts the tokens of a text; ``transport``, ``telling`` and ``telling_max`` are for tests."""
        self.settings: Final = settings
        self.unreachable_total = 0
        self.untold_total = 0
        self._count: Final = count
        self._held: Final = HeldCalls()
        self._background: Final[set[asyncio.Task[None]]] = set()
        self._telling_max: Final = telling_max
        # An attempt that is given up may still be carried out: none ends before the deadline does.
        patience = httpx.Timeout(settings.deadline_seconds)
        url, api_key = settings.url, settings.api_key
        self._asking: Final = AsyncClient(url, api_key, retrying=_ASKING, timeout=patience, transport=transport)
        self._telling: Final = AsyncClient(url, api_key, retrying=telling, transport=transport)

    async def hold(self, key: object, request: Mapping[str, Any], call_type: str) -> GatewayRefusal | None:
        """Hold units for a call, once for its id; return why it may not be made, or ``None``."""
        call_id = request.get("litellm_call_id")
        if call_type not in HELD or not isinstance(call_id, str) or call_id in self._held:
            return None
        if self.settings.client_call_ids == "refuse" and _brought_by_client(request, call_id):
            return call_id_not_accepted()
        customer_id = customer_of(self.settings.customer, identities(key, request))
        if customer_id is None:
            return customer_unknown() if self.settings.when_customer_unknown == "refuse" else None
        units = await asyncio.to_thread(hold_units, self.settings, call_type, request, self._count)
        placed = await self._place(customer_id, call_id, units)
        if isinstance(placed, GatewayRefusal):
            return placed
        self._held.add(call_id, placed)
        return None

    def tell(self, payload: Mapping[str, Any]) -> None:
        """Tell what a call used, in the background; that settles its hold."""
        held = self._held.take(str(payload.get("litellm_call_id")))
        self._in_background(self._told(trimmed(payload, held)))

    def release(self, request: Mapping[str, Any]) -> None:
        """Release what was held for a call, in the background: it has failed."""
        held = self._held.take(str(request.get("litellm_call_id")))
        if held is not None:
            self._in_background(self._released(held, self._telling))

    async def drain(self) -> None:
        """Wait until everything that was to be told is told, or given up."""
        while self._background:
            await asyncio.wait(self._background)

    async def _place(self, customer_id: str, call_id: str, units: int) -> HeldCall | GatewayRefusal:
        settings = self.settings
        try:
            async with asyncio.timeout(settings.deadline_seconds):
                hold = await self._asking.place_hold(
                    customer_id, settings.meter, Decimal(units), hold_id=call_id, ttl_seconds=settings.hold_ttl_seconds
                )
        except (Unavailable, TimeoutError) as trouble:
            return self._unreachable(HeldCall(customer_id, settings.meter, call_id), trouble)
        except PancakeMeterError as refused:
            refusal = refusal_of(refused)
            if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
                _log.error("no hold can be placed, and no call made: %s", refused)
            return refusal
        return HeldCall(customer_id, settings.meter, hold.handle)

    def _unreachable(self, by_id: HeldCall, trouble: Exception) -> HeldCall | GatewayRefusal:
        """Go on or refuse, as the settings say. The hold may have been placed all the same: its id ends it."""
        self.unreachable_total += 1
        how = self.settings.when_unreachable
        _log.warning(
            "pancake-meter is not reached (%s): failing %s, %d so far", _told_by(trouble), how, self.unreachable_total
        )
        if how == "open":
            return by_id
        # With few tries: in an outage these must not crowd out the counts that wait for its end.
        self._in_background(self._released(by_id, self._asking))
        return unavailable()

    async def _told(self, payload: dict[str, Any]) -> None:
        call_id = payload.get("litellm_call_id")
        try:
            receipt = await self._telling.record_llm_calls([payload])
        except PancakeMeterError as trouble:
            self.untold_total += 1
            _log.warning("call %s is not counted, %d so far: %s", call_id, self.untold_total, trouble)
            return
        if receipt.parked:
            _log.warning("call %s is parked: GET /v1/usage/parked says why", call_id)

    async def _released(self, held: HeldCall, client: AsyncClient) -> None:
        try:
            await client.release(held.customer_id, held.hold_id, meter=held.meter)
        except PancakeMeterError as trouble:
            _log.warning("hold %s could not be released and will expire: %s", held.hold_id, trouble)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._background) >= self._telling_max:
            work.close()
            self.untold_total += 1
            _log.warning("too much is waiting to be told to pancake-meter: %d dropped so far", self.untold_total)
            return
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _brought_by_client(request: Mapping[str, Any], call_id: str) -> bool:
    """Whether the id is the client's own: LiteLLM takes it from a header, and one id twice would count once."""
    received = request.get("proxy_server_request")
    headers = received.get("headers") if isinstance(received, Mapping) else None
    if not isinstance(headers, Mapping):
        return False
    return any(str(name).lower() == "x-litellm-call-id" and value == call_id for name, value in headers.items())


def _told_by(trouble: Exception) -> str:
    return str(trouble) or "no answer in time"
