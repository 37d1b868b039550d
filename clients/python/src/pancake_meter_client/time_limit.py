"""One limit for all that a synchronous request reads and writes: the timeouts of its transport begin anew with each part.

An answer whose headers come in drops, or after interim answers without end, would take any time.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpcore

_WRITTEN_AT_ONCE_MAX: Final = 65_536
_CONNECTED: Final = (".connect_tcp.complete", ".start_tls.complete")


class TimeLimit(threading.local):
    """When the request of this thread is over. Connections are shared by threads, and each read asks whose it is."""

    ends_at = float("inf")

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` tells the time of ``ends_at``."""
        self._clock = clock

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Hold a new connection to the limit. This is httpx's ``trace`` extension: it is told of each step."""
        stream = info.get("return_value")
        if stream is None or not event.endswith(_CONNECTED):
            return
        read, write = stream.read, stream.write

        def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
            content: bytes = read(max_bytes, self._cut(timeout, httpcore.ReadTimeout))
            return content

        def write_in_time(buffer: bytes, timeout: float | None = None) -> None:
            for first in range(0, len(buffer), _WRITTEN_AT_ONCE_MAX):
                part = buffer[first : first + _WRITTEN_AT_ONCE_MAX]
                write(part, self._cut(timeout, httpcore.WriteTimeout))

        stream.read, stream.write = read_in_time, write_in_time

    def _cut(self, timeout: float | None, trouble: type[Exception]) -> float:
        left = self.ends_at - self._clock()
        if left <= 0:
            raise trouble("the answer comes too slowly")
        return left if timeout is None else min(timeout, left)
