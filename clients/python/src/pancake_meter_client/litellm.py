"""``PancakeMeterLogger``: a hold before each model call, a refusal that sells, and the true count after it.

It runs inside the LiteLLM proxy. Nothing else of this package imports LiteLLM. In the proxy's configuration::

    litellm_settings:
      callbacks: pancake_meter_client.litellm.pancake_meter_logger
"""

import asyncio
import logging
import os
from collections.abc import Coroutine, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

import litellm
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

from pancake_meter_client.aio import AsyncClient
from pancake_meter_client.errors import PancakeMeterError, Unavailable
from pancake_meter_client.gateway.customer import customer_of, identities
from pancake_meter_client.gateway.estimate import HELD, hold_units
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

_log = logging.getLogger("pancake_meter_client.litellm")

_ASKING: Final = Retrying(attempts=3, base_seconds=0.05, ceiling_seconds=0.25, statuses=TROUBLE)
"""A caller waits for a hold: a few quick tries within the deadline, and a 429 is an answer."""

_TELLING: Final = Retrying(attempts=8, base_seconds=0.2, ceiling_seconds=10)
"""Nobody waits for a count."""

TELLING_MAX: Final = 5_000
"""Counts on their way at once. More than these are dropped, for the reconciliation with the proxy's spend logs to find."""

_TOKENIZER: Final = "gpt-3.5-turbo"
"""The tokenizer that comes with LiteLLM, for every model: others are fetched over the network when first used."""


class PancakeMeterLogger(CustomLogger):
    """Places a hold before each call, settles it with what was used, and releases it when the call failed.

    ``unreachable_total`` counts the calls whose quota could not be asked, ``untold_total`` those whose usage could not be
    told; each of them is a warning in the log as well.
    """

    def __init__(self, settings: LoggerSettings | None = None) -> None:
        """Work by ``settings``, or by those of the environment.

        Raises:
            BadSettings: a setting is missing or wrong.
        """
        super().__init__()
        self.settings: Final = settings or LoggerSettings.from_environment(os.environ)
        self.unreachable_total = 0
        self.untold_total = 0
        self._held: Final = HeldCalls()
        self._background: Final[set[asyncio.Task[None]]] = set()
        self._asking: Final = AsyncClient(self.settings.url, self.settings.api_key, retrying=_ASKING)
        self._telling: Final = AsyncClient(self.settings.url, self.settings.api_key, retrying=_TELLING)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: object, data: dict[str, Any], call_type: str
    ) -> None:
        """Hold units for the call, or refuse it; once, whatever retries and fallbacks the proxy makes of it."""
        del cache
        call_id = data.get("litellm_call_id")
        if call_type not in HELD or not isinstance(call_id, str) or call_id in self._held:
            return
        if self.settings.client_call_ids == "refuse" and _brought_by_client(data, call_id):
            raise _http(call_id_not_accepted())
        customer_id = customer_of(self.settings.customer, identities(user_api_key_dict, data))
        if customer_id is None:
            if self.settings.when_customer_unknown == "refuse":
                raise _http(customer_unknown())
            return
        units = await asyncio.to_thread(hold_units, self.settings, call_type, data, _count_tokens)
        self._held.add(call_id, await self._place(customer_id, call_id, units))

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Tell what was used: streamed or not, once it is known, and off the response's path."""
        del response_obj, start_time, end_time
        payload = kwargs.get("standard_logging_object")
        if isinstance(payload, Mapping):
            held = self._held.take(str(payload.get("litellm_call_id")))
            self._in_background(self._tell(trimmed(payload, held)))

    async def async_post_call_failure_hook(
        self,
        request_data: Mapping[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        """Release what was held: the call has failed as a whole, fallbacks included."""
        del original_exception, user_api_key_dict, traceback_str
        held = self._held.take(str(request_data.get("litellm_call_id")))
        if held is not None:
            self._in_background(self._release(held))

    async def settled(self) -> None:
        """Wait until everything that was to be told is told, or given up."""
        while self._background:
            await asyncio.wait(self._background)

    async def _place(self, customer_id: str, call_id: str, units: int) -> HeldCall:
        settings = self.settings
        by_id = HeldCall(customer_id, settings.meter, call_id)
        try:
            async with asyncio.timeout(settings.deadline_seconds):
                hold = await self._asking.place_hold(
                    customer_id, settings.meter, Decimal(units), hold_id=call_id, ttl_seconds=settings.hold_ttl_seconds
                )
        except (Unavailable, TimeoutError) as trouble:
            self.unreachable_total += 1
            _log.warning(
                "pancake-meter cannot be reached (%s), failing %s; %d calls so far",
                type(trouble).__name__,
                settings.when_unreachable,
                self.unreachable_total,
            )
            if settings.when_unreachable == "open":
                # The hold may have been placed all the same: its id settles it.
                return by_id
            self._in_background(self._release(by_id))
            raise _http(unavailable()) from trouble
        except PancakeMeterError as refused:
            refusal = refusal_of(refused)
            if refusal.status >= 500:  # noqa: PLR2004 - ours to mend, whatever the client sent
                _log.error("a hold was refused, and every call will be: %s", refused)
            raise _http(refusal) from refused
        return HeldCall(customer_id, settings.meter, hold.handle)

    async def _tell(self, payload: dict[str, Any]) -> None:
        try:
            receipt = await self._telling.record_llm_calls([payload])
        except PancakeMeterError as trouble:
            self.untold_total += 1
            _log.warning(
                "call %s is not counted, %d so far: %s", payload.get("litellm_call_id"), self.untold_total, trouble
            )
            return
        if receipt.parked:
            _log.warning("call %s was parked: GET /v1/usage/parked says why", payload.get("litellm_call_id"))

    async def _release(self, held: HeldCall) -> None:
        try:
            await self._telling.release(held.customer_id, held.hold_id, meter=held.meter)
        except PancakeMeterError as trouble:
            _log.warning("hold %s could not be released and will expire: %s", held.hold_id, trouble)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._background) >= TELLING_MAX:
            work.close()
            self.untold_total += 1
            _log.warning("too much is waiting to be told to pancake-meter: %d dropped so far", self.untold_total)
            return
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _brought_by_client(data: Mapping[str, Any], call_id: str) -> bool:
    """Whether the id is the client's own: LiteLLM takes it from a header, and one id twice would count once."""
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    if not isinstance(headers, Mapping):
        return False
    return any(name.lower() == "x-litellm-call-id" and value == call_id for name, value in headers.items())


def _count_tokens(text: str) -> int:
    return int(litellm.token_counter(model=_TOKENIZER, text=text))


def _http(refusal: GatewayRefusal) -> HTTPException:
    return HTTPException(refusal.status.value, detail=refusal.detail, headers=refusal.headers or None)


@cache
def _from_environment() -> PancakeMeterLogger:
    return PancakeMeterLogger()


def __getattr__(name: str) -> PancakeMeterLogger:
    """Make ``pancake_meter_logger`` when the proxy asks for it: what is missing in the environment stops its start."""
    if name == "pancake_meter_logger":
        return _from_environment()
    raise AttributeError(name)
