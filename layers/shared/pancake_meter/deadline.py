"""Deadlines: until when the invocation in hand may wait for others. Clients ask before each attempt and each pause."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from pancake_meter.value import Value

Stopwatch = Callable[[], float]


class Deadline(Value):
    """An instant on a stopwatch (seconds that only grow). Infinity is no deadline."""

    ends_at: float = math.inf
    stopwatch: Stopwatch = time.monotonic

    def seconds_left(self) -> float:
        """Return the seconds until the deadline, negative after it."""
        return self.ends_at - self.stopwatch()

    def allows(self, seconds: float) -> bool:
        """Return whether something that takes ``seconds`` would end in time."""
        return self.seconds_left() >= seconds

    def within(self, seconds: float) -> "Deadline":
        """Return this deadline, or the one ``seconds`` from now if that is earlier."""
        return Deadline(min(self.ends_at, self.stopwatch() + seconds), self.stopwatch)


@dataclass(slots=True)
class Streak:
    """How often in a row the store has failed in this invocation, in all of its threads. A success ends the streak."""

    failures: int = 0


_NONE: Final = Deadline()
_IN_HAND: Final[ContextVar[Deadline]] = ContextVar("deadline", default=_NONE)
_STREAK: Final[ContextVar[Streak | None]] = ContextVar("streak", default=None)


def deadline_in_hand() -> Deadline:
    """Return the deadline of the invocation in hand; outside of one there is none."""
    return _IN_HAND.get()


def streak_in_hand() -> Streak:
    """Return the streak of the invocation in hand; outside of one each call has its own."""
    return _STREAK.get() or Streak()


@contextmanager
def deadline_of(seconds: float) -> Iterator[Deadline]:
    """Give what is inside a deadline ``seconds`` from now. Each thread has its own."""
    deadline = Deadline().within(seconds)
    token, streak = _IN_HAND.set(deadline), _STREAK.set(Streak())
    try:
        yield deadline
    finally:
        _STREAK.reset(streak)
        _IN_HAND.reset(token)


@contextmanager
def deadline_within(seconds: float) -> Iterator[Deadline]:
    """Give what is inside a part of the time in hand: ``seconds`` from now, or the deadline if that is earlier."""
    token = _IN_HAND.set(deadline_in_hand().within(seconds))
    try:
        yield deadline_in_hand()
    finally:
        _IN_HAND.reset(token)
