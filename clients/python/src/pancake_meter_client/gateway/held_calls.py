"""Calls in flight, and what is held for each: bounded, and forgotten with the hold."""

from collections import OrderedDict
from dataclasses import dataclass

CALLS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class HeldCall:
    """The hold of a call: ``hold_id`` is the handle that was answered, or the call's own id where no answer came."""

    customer_id: str
    meter: str
    hold_id: str


class HeldCalls:
    """The calls of this process by id. One that is forgotten is counted all the same, and its hold expires."""

    def __init__(self, calls_max: int = CALLS_MAX) -> None:
        """Remember so many calls, the latest."""
        self._calls: OrderedDict[str, HeldCall] = OrderedDict()
        self._calls_max = calls_max

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._calls

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call_id: str, held: HeldCall) -> None:
        """Remember what is held for a call; the oldest is forgotten where there are too many."""
        self._calls[call_id] = held
        while len(self._calls) > self._calls_max:
            self._calls.popitem(last=False)

    def take(self, call_id: str) -> HeldCall | None:
        """Return what is held for a call, once."""
        return self._calls.pop(call_id, None)
