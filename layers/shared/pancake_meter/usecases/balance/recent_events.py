"""Usage events that this process tried to count of late: a hint that a batch repeats some of them, and no more.

A caller that got no answer sends its batch again, often to the same process. Knowing that, the batch is read before it is
written. Whether an event counts is decided by the store alone: a hint that is wrong or missing costs units, never usage.
"""

from collections.abc import Iterable
from threading import Lock
from typing import Final

EVENTS_MAX: Final = 10_000
"""Identities that are remembered: about 1 MB."""


class RecentEvents:
    """A bounded memory of identities, the oldest of which are forgotten first."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._hashes: dict[int, None] = {}
        self._lock = Lock()

    def meet(self, identities: Iterable[tuple[str, str, str]]) -> bool:
        """Remember (customer id, meter, event id) of a batch; return whether any of them was remembered before."""
        hashes = dict.fromkeys(map(hash, identities))
        with self._lock:
            is_met = not self._hashes.keys().isdisjoint(hashes)
            self._hashes |= hashes
            for _ in range(len(self._hashes) - EVENTS_MAX):
                del self._hashes[next(iter(self._hashes))]
        return is_met
