"""When to try again, and how long to wait: passing trouble only, under the same ids, a bounded number of times."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httpx

TROUBLE: Final = frozenset({500, 502, 503, 504})
"""Statuses of passing trouble on our side."""

DEADLINE_SECONDS: Final = 10.0
"""The longest that one request may take, with all its attempts and waits, unless a client is made with another."""

_PASSING: Final = TROUBLE | {429}
_CONNECT_SECONDS_MAX: Final = 3.0
_CONNECT_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Retrying:
    """``attempts`` in all. Waits grow from ``base_seconds`` to ``ceiling_seconds``, jittered, unless the API names one.

    ``statuses`` are those that are worth another attempt.
    """

    attempts: int = 4
    base_seconds: float = 0.1
    ceiling_seconds: float = 5.0
    statuses: frozenset[int] = _PASSING
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def wait(self, attempt: int, response: httpx.Response | None, left_seconds: float = float("inf")) -> float | None:
        """Return the seconds to wait after attempt number ``attempt`` (from 1), ``None`` to give up.

        ``response`` is ``None`` when there was no answer. Nothing is tried after ``left_seconds``.
        """
        if attempt >= self.attempts or (response is not None and response.status_code not in self.statuses):
            return None
        stated = retry_after_seconds(response) if response is not None else None
        if stated is not None:
            wait = min(float(stated), self.ceiling_seconds)
        else:
            wait = self.jitter(0, min(self.ceiling_seconds, self.base_seconds * 2**attempt))
        return wait if wait < left_seconds else None


def attempt_timeout(left_seconds: float) -> httpx.Timeout:
    """Return the timeout of an attempt that ends within ``left_seconds``: free connection, TCP, TLS and answer together."""
    connect = min(_CONNECT_SECONDS_MAX, left_seconds / _CONNECT_PARTS)
    return httpx.Timeout(left_seconds - 3 * connect, connect=connect, pool=connect)


def retry_after_seconds(response: httpx.Response) -> int | None:
    """Return how long an answer asks to wait, if it does."""
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else None


_DIGITS_MAX: Final = 9
