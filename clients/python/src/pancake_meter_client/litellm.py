"""``PancakeMeterLogger``: a hold before each model call, a refusal that sells, and the true count after it.

It runs inside the LiteLLM proxy. Nothing else of this package imports LiteLLM. In the proxy's configuration::

    litellm_settings:
      callbacks: pancake_meter_client.litellm.pancake_meter_logger
"""

import asyncio
import atexit
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import cache as once
from typing import Any, Final

import litellm
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

from pancake_meter_client.gateway.call_meter import CallMeter
from pancake_meter_client.gateway.outer_call import outer_call_of
from pancake_meter_client.gateway.settings import LoggerSettings

_TOKENIZER: Final = "gpt-3.5-turbo"
"""The tokenizer that comes with LiteLLM, for every model: others are fetched over the network when first used."""


class PancakeMeterLogger(CustomLogger):
    """Places a hold before each call, settles it with what was used, and releases it when the call failed.

    ``meter.unreachable_total`` and ``meter.untold_total`` say how often the stack could not be asked, or told.
    """

    def __init__(self, settings: LoggerSettings | None = None) -> None:
        """Work by ``settings``, or by those of the environment.

        Raises:
            BadSettings: a setting is missing or wrong.
        """
        super().__init__()
        self.meter: Final = CallMeter(settings or LoggerSettings.from_environment(os.environ), _count_tokens)
        _at_shutdown(self.meter.flush)

    async def async_pre_call_hook(
        self, user_api_key_dict: object, cache: object, data: dict[str, Any], call_type: str
    ) -> None:
        """Hold units for the call, or refuse it. LiteLLM asks once, whatever retries and fallbacks follow."""
        del cache
        refusal = await self.meter.hold(user_api_key_dict, data, call_type)
        if refusal is not None:
            raise HTTPException(refusal.status.value, detail=refusal.detail, headers=refusal.headers or None)

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """Tell what was used. A stream comes here once, complete, or as far as it came when its client left."""
        del response_obj, start_time, end_time
        payload = kwargs.get("standard_logging_object")
        if isinstance(payload, Mapping):
            self.meter.tell(payload, outer_call_of(kwargs))

    async def async_post_call_failure_hook(
        self,
        request_data: Mapping[str, Any],
        original_exception: Exception,
        user_api_key_dict: object,
        traceback_str: str | None = None,
    ) -> None:
        """Release what was held: the call failed as a whole, after every retry and fallback."""
        del original_exception, user_api_key_dict, traceback_str
        self.meter.release(request_data)


def _at_shutdown(flush: Callable[[], Awaitable[None]]) -> None:
    """Flush when the proxy stops, and when the process exits.

    LiteLLM has no hook for callbacks here, and uvicorn ends a process that was sent SIGTERM without running ``atexit``. The
    proxy calls its own shutdown function last, when every call has been logged: ours goes before it.
    """
    server = sys.modules.get("litellm.proxy.proxy_server")
    shut_down = getattr(server, _SHUTDOWN, None)
    if server is not None and shut_down is not None:

        async def flush_and_shut_down(*arguments: Any, **named: Any) -> Any:
            try:
                await flush()
            finally:
                await shut_down(*arguments, **named)

        setattr(server, _SHUTDOWN, flush_and_shut_down)

    async def flush_at_exit() -> None:
        await flush()

    atexit.register(lambda: asyncio.run(flush_at_exit()))


_SHUTDOWN: Final = "proxy_shutdown_event"


def _count_tokens(text: str) -> int:
    return int(litellm.token_counter(model=_TOKENIZER, text=text))


@once
def _from_environment() -> PancakeMeterLogger:
    return PancakeMeterLogger()


def __getattr__(name: str) -> PancakeMeterLogger:
    """Make ``pancake_meter_logger`` when the proxy asks for it: what is missing in the environment stops its start."""
    if name == "pancake_meter_logger":
        return _from_environment()
    raise AttributeError(name)
