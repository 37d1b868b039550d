"""One hot item: writers whose transactions get in each other's way, with the retries of our store.

DynamoDB refuses the later of two transactions on one item; it does not queue it. A refused transaction is charged in full.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Final

from pancake_meter.store import retrying

SECONDS: Final = 60
"""Simulated time of one run."""

SHARE_SERVED: Final = 0.999
"""Of all requests, for a rate to count as one that the item takes."""

REFUSED_SECONDS: Final = 0.005
"""Until a refused transaction is answered; assumed."""

_BASE, _CEILING = retrying._BACKOFF_BASE_SECONDS, retrying._BACKOFF_CEILING_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the transactions of one run. ``attempts``: all that were charged."""

    served: int
    failed: int
    attempts: int
    seconds: float

    @property
    def share(self) -> float:
        """Served, of all."""
        return self.served / (self.served + self.failed) if self.served else 0.0

    @property
    def rate(self) -> float:
        """Served in a second."""
        return self.served / self.seconds

    @property
    def charged(self) -> float:
        """Attempts for each one that was served."""
        return self.attempts / self.served if self.served else 0.0


def of_callers(rate: float, held_ms: float, seconds: float = SECONDS) -> Outcome:
    """Run requests that arrive by themselves, so many a second: one that loses eight times is answered 503."""
    chance = random.Random(1)  # noqa: S311 - a replayable run
    order = count()
    waiting = [(at, next(order), 0, at) for at in _arrivals(rate, seconds, chance)]
    heapq.heapify(waiting)
    served = failed = attempts = 0
    free_at = 0.0
    while waiting:
        at, _, tried, begun = heapq.heappop(waiting)
        attempts += 1
        if at >= free_at:
            free_at = at + held_ms / 1000
            served += 1
            continue
        again = at + REFUSED_SECONDS + _pause(tried, chance)
        if tried + 1 == retrying.ATTEMPTS_MAX or again - begun > retrying.CALL_SECONDS_MAX:
            failed += 1
        else:
            heapq.heappush(waiting, (again, next(order), tried + 1, begun))
    return Outcome(served, failed, attempts, seconds)


def of_consumers(consumers: int, held_ms: float, between_ms: float, seconds: float = SECONDS) -> Outcome:
    """Run consumers that each take the next message when they are done: one that loses comes again, so none fails."""
    chance = random.Random(1)  # noqa: S311 - a replayable run
    order = count()
    waiting = [(chance.uniform(0, between_ms / 1000), next(order), 0) for _ in range(consumers)]
    heapq.heapify(waiting)
    served = attempts = 0
    free_at = 0.0
    while waiting[0][0] < seconds:
        at, _, tried = heapq.heappop(waiting)
        attempts += 1
        if at >= free_at:
            free_at = at + held_ms / 1000
            served += 1
            # No two messages take equally long.
            between = between_ms / 1000 * chance.uniform(0.8, 1.2)
            heapq.heappush(waiting, (free_at + between, next(order), 0))
        else:
            # After eight attempts the message is left to the queue: the consumer goes on with another of the same balance.
            tried = (tried + 1) % retrying.ATTEMPTS_MAX
            again = at + REFUSED_SECONDS + _pause(tried, chance)
            heapq.heappush(waiting, (again, next(order), tried))
    return Outcome(served, 0, attempts, seconds)


@cache
def rate_of_callers(held_ms: float) -> float:
    """Return the most requests a second of which 99.9 % are served: found by halving."""
    low, high = 1.0, 1000 / held_ms
    while high - low > low / 50:
        middle = (low + high) / 2
        low, high = (middle, high) if of_callers(middle, held_ms).share >= SHARE_SERVED else (low, middle)
    return low


def _arrivals(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


def _pause(tried: int, chance: random.Random) -> float:
    return chance.uniform(0, min(_CEILING, _BASE * 2**tried))
