"""What the store can say besides an answer."""

from collections.abc import Mapping, Sequence
from typing import Any


class StoreError(Exception):
    """Passing trouble: nothing is known to be lost, the same request is safe to repeat."""


class StoreUnavailable(StoreError):
    """DynamoDB could not be reached, or did not answer in time. The write may or may not have happened."""


class StoreBusy(StoreError):
    """The item stayed contended, or the table throttled, through every bounded retry."""


class StoreThrottled(StoreBusy):
    """The table or the queue takes no more requests for now, whatever they are about."""


class OutOfTime(StoreBusy):
    """There is more to write than the time at hand allows. What is written stays; repeating the whole goes on from there."""


class NewerFormat(StoreBusy):
    """A later version wrote the item, as after a roll-back. It is neither read nor changed; that version reads it."""


class CorruptItem(Exception):
    """A stored item contradicts itself: a bug, never to be papered over."""


class TooManyWrites(Exception):
    """What is asked for at once is more than one transaction holds. Nothing was written; a part of it may fit."""


class WriteRefused(Exception):
    """A condition did not hold.

    ``refusals`` has one entry per write, in order: ``None`` where its own condition held, else the item as it stood then
    (empty where there was none). Either all writes of a transaction happen or none.
    """

    def __init__(self, refusals: Sequence[Mapping[str, Any] | None]) -> None:
        """Keep the refusals."""
        super().__init__("a write condition did not hold")
        self.refusals = tuple(refusals)


class WriteDoubtful(StoreUnavailable):
    """A condition failed after an attempt whose answer was lost: that attempt may be what made it fail.

    ``refusals`` are those of ``WriteRefused``.
    """

    def __init__(self, refusals: Sequence[Mapping[str, Any] | None]) -> None:
        """Keep what stood in the way."""
        super().__init__("refused after an attempt whose answer was lost")
        self.refusals = list(refusals)
