"""A call's life at the gateway: held for before it, told of after it, released when it failed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

import httpx

from pancake_meter_client.aio import AsyncClient
from pancake_meter_client.errors import PancakeMeterError, Unavailable
from pancake_meter_client.gateway.call_kinds import HELD, PASSED_THROUGH, WITH_INNER_CALLS, is_free
from pancake_meter_client.gateway.customer import customer_of, identities
from pancake_meter_client.gateway.estimate import Counter, hold_units
from pancake_meter_client.gateway.held_calls import HeldCall, HeldCalls
from pancake_meter_client.gateway.outbox import CALLS_MAX, Outbox, ToldCall
from pancake_meter_client.gateway.outer_call import mark
from pancake_meter_client.gateway.payload import trimmed
from pancake_meter_client.gateway.refusal import (
    GatewayRefusal,
    call_id_not_accepted,
    call_type_refused,
    customer_unknown,
    refusal_of,
    unavailable,
)
from pancake_meter_client.gateway.settings import LoggerSettings
from pancake_meter_client.retrying import TROUBLE, Retrying

FLUSH_SECONDS: Final = 5.0
"""How long a process that ends may take to tell what it has left."""

TELLING_SECONDS: Final = 30.0
"""How long a batch may take: as long as the API's gateway waits for one."""

_log = logging.getLogger("pancake_meter_client.gateway")

_ASKING: Final = Retrying(attempts=3, base_seconds=0.05, ceiling_seconds=0.25, statuses=TROUBLE)
"""A caller waits for a hold: a few quick tries within the deadline, and a 429 is an answer."""

_ONCE: Final = Retrying(attempts=1)
"""The outbox tries again by itself."""


class CallMeter:
    """Meters the calls of one process, in one event loop.

    ``unreachable_total`` counts the calls whose quota could not be asked, ``untold_total`` those whose usage will never be
    told; each of them is in the log as well. ``waiting`` is how many calls and releases wait to be told.
    """

    def __init__(
        self,
        settings: LoggerSettings,
        count: Counter,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        calls_max: int = CALLS_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``count`` counts the tokens of a text; the rest is for tests."""
        self.settings: Final = settings
        self.unreachable_total = 0
        self._count: Final = count
        self._held: Final = HeldCalls()

        def connect(seconds: float, retrying: Retrying) -> AsyncClient:
            return AsyncClient(
                settings.url, settings.api_key, deadline_seconds=seconds, retrying=retrying, transport=transport
            )

        self._asking: Final = connect(settings.deadline_seconds, _ASKING)
        self._outbox: Final = Outbox(
            lambda: connect(TELLING_SECONDS, _ONCE),
            settings.hold_ttl_seconds,
            calls_max=calls_max,
            sleep=sleep,
            clock=clock,
        )

    @property
    def untold_total(self) -> int:
        """Calls whose usage will never be told."""
        return self._outbox.untold_total

    @property
    def waiting(self) -> int:
        """Calls and releases that wait to be told."""
        return len(self._outbox)

    async def hold(self, key: object, request: Mapping[str, Any], call_type: str) -> GatewayRefusal | None:
        """Hold units for a call, once for its id, or look whether any are left; return why it may not be made."""
        call_id = call_id_of(request)
        is_other = call_type not in HELD or call_type in PASSED_THROUGH
        other_calls = self.settings.other_calls if is_other else "check"
        if is_free(call_type) or call_id in self._held or other_calls == "pass":
            return None
        if other_calls == "refuse":
            return call_type_refused(call_type)
        if self.settings.client_call_ids == "refuse" and _brought_by_client(request, call_id):
            return call_id_not_accepted()
        return await self._ask(key, request, call_type, call_id)

    async def _ask(
        self, key: object, request: Mapping[str, Any], call_type: str, call_id: str | None
    ) -> GatewayRefusal | None:
        customer_id = customer_of(self.settings.customer, identities(key, request))
        if customer_id is None:
            return customer_unknown() if self.settings.when_customer_unknown == "refuse" else None
        if call_id is None or call_type not in HELD:
            return await self._check(customer_id)
        units = await asyncio.to_thread(hold_units, self.settings, call_type, request, self._count)
        placed = await self._place(customer_id, call_id, units)
        if isinstance(placed, GatewayRefusal):
            return placed
        self._held.add(call_id, placed)
        if call_type in WITH_INNER_CALLS:
            mark(request, call_id)
        return None

    def tell(self, payload: Mapping[str, Any], outer_call_id: str | None = None) -> None:
        """Tell what a call used, in the background; that settles its hold, or releases that of the call it was made for."""
        held = self._held.take(str(payload.get("litellm_call_id")))
        outer = self._held.take(outer_call_id) if held is None and outer_call_id is not None else None
        self._outbox.tell(ToldCall(trimmed(payload, held), held, outer))

    def release(self, request: Mapping[str, Any]) -> None:
        """Release what was held for a call, in the background: it has failed."""
        held = self._held.take(str(call_id_of(request)))
        if held is not None:
            self._outbox.release(held)

    async def drain(self) -> None:
        """Wait until everything is told and released."""
        await self._outbox.drained()

    async def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Tell what there is within ``seconds``, and log what is left: the process ends."""
        await self._outbox.flush(seconds)

    async def _check(self, customer_id: str) -> GatewayRefusal | None:
        """Return why a call may not be made for which nothing can be held: no unit is left, or nobody can say."""
        try:
            await self._asking.check(customer_id, self.settings.meter, 1)
        except Unavailable as trouble:
            return self._unreachable(trouble)
        except PancakeMeterError as refused:
            return _refusal(refused)
        return None

    async def _place(self, customer_id: str, call_id: str, units: int) -> HeldCall | GatewayRefusal:
        settings = self.settings
        try:
            hold = await self._asking.place_hold(
                customer_id, settings.meter, Decimal(units), hold_id=call_id, ttl_seconds=settings.hold_ttl_seconds
            )
        except Unavailable as trouble:
            # It may have been placed all the same: its id ends it.
            by_id = HeldCall(customer_id, settings.meter, call_id)
            refusal = self._unreachable(trouble)
            if refusal is None:
                return by_id
            self._outbox.release(by_id)
            return refusal
        except PancakeMeterError as refused:
            return _refusal(refused)
        return HeldCall(customer_id, settings.meter, hold.handle)

    def _unreachable(self, trouble: Exception) -> GatewayRefusal | None:
        """Go on or refuse, as the settings say."""
        self.unreachable_total += 1
        how = self.settings.when_unreachable
        _log.warning("pancake-meter is not reached (%s): failing %s, %d so far", trouble, how, self.unreachable_total)
        return None if how == "open" else unavailable()


def call_id_of(request: Mapping[str, Any]) -> str | None:
    """Return LiteLLM's id of a call: in the request, or for a call that is passed through in its logging object alone."""
    named = request.get("litellm_call_id")
    call_id = named if named is not None else getattr(request.get("litellm_logging_obj"), "litellm_call_id", None)
    return call_id if isinstance(call_id, str) and call_id else None


def _refusal(refused: PancakeMeterError) -> GatewayRefusal:
    refusal = refusal_of(refused)
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.error("the quota cannot be asked, and no call is made: %s", refused)
    return refusal


def _brought_by_client(request: Mapping[str, Any], call_id: str | None) -> bool:
    """Whether the id is the client's own: LiteLLM takes it from a header, and one id twice would count once."""
    received = request.get("proxy_server_request")
    headers = received.get("headers") if isinstance(received, Mapping) else None
    if not isinstance(headers, Mapping):
        return False
    return any(str(name).lower() == "x-litellm-call-id" and value == call_id for name, value in headers.items())
