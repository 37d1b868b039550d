"""When to try again, and how long to wait: passing trouble only, under the same ids, a bounded number of times."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

TROUBLE = frozenset({500, 502, 503, 504})
"""Statuses of passing trouble on our side."""

_PASSING = TROUBLE | {429}


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

    def wait(self, attempt: int, response: httpx.Response | None) -> float | None:
        """Return the seconds to wait after attempt number ``attempt`` (from 1), ``None`` to give up.

        ``response`` is ``None`` when there was no answer.
        """
        if attempt >= self.attempts or (response is not None and response.status_code not in self.statuses):
            return None
        stated = retry_after_seconds(response) if response is not None else None
        if stated is not None:
            return min(float(stated), self.ceiling_seconds)
        return self.jitter(0, min(self.ceiling_seconds, self.base_seconds * 2**attempt))


def retry_after_seconds(response: httpx.Response) -> int | None:
    """Return how long an answer asks to wait, if it does."""
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isdecimal() else None
