"""Working on several balances at once, so that a batch of many customers does not wait for the store once for each."""

import contextvars
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Generic, TypeVar

from pancake_meter.store.errors import OutOfTime, StoreBusy, StoreError, StoreThrottled

WORKERS_MAX: Final = 8
"""Requests in flight at once: fewer than the connections that a boto3 client keeps (10)."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def always() -> bool:
    """Return true: a batch that is bounded otherwise has time."""
    return True


def side_by_side(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    may_go_on: Callable[[], bool] = always,
    *,
    lane: Callable[[_Item], Hashable] | None = None,
) -> list[_Result]:
    """Do ``work`` for every item, up to 8 at once; return the results in the order of the items.

    Items of one ``lane`` are done one after another, in order: writers of one balance would only wait for each other. Items
    are begun in order, and none once ``may_go_on`` denies it, or the store throttles or cannot be reached. A busy balance
    stops only its own item. What was begun is finished before this returns or raises.

    Raises:
        StoreUnavailable, StoreBusy, OutOfTime: passing trouble; what is done stays done.
        Exception: whatever else ``work`` raises, before any passing trouble.
    """
    run = _Run(work, may_go_on, iter(_lanes(items, lane)))
    workers = min(WORKERS_MAX, len(items))
    if workers <= 1:
        run.work_off()
    else:
        pool = ThreadPoolExecutor(workers)
        try:
            # What the caller's context carries, the deadline and the log's keys, holds in each thread too.
            wait([pool.submit(contextvars.copy_context().run, run.work_off) for _ in range(workers)])
        finally:
            # Where the caller was interrupted because its time is over, nobody waits for what a thread is still at.
            run.is_over = True
            pool.shutdown(wait=False, cancel_futures=True)
    run.raise_trouble()
    return [run.results[index] for index in range(len(items))]


def _lanes(items: Iterable[_Item], lane: Callable[[_Item], Hashable] | None) -> Iterable[list[tuple[int, _Item]]]:
    lanes: dict[Hashable, list[tuple[int, _Item]]] = {}
    for index, item in enumerate(items):
        lanes.setdefault(index if lane is None else lane(item), []).append((index, item))
    return lanes.values()


@dataclass(slots=True)
class _Run(Generic[_Item, _Result]):
    work: Callable[[_Item], _Result]
    may_go_on: Callable[[], bool]
    lanes: Iterator[list[tuple[int, _Item]]]
    results: dict[int, _Result] = field(default_factory=dict)
    troubles: list[Exception] = field(default_factory=list)
    is_over: bool = False
    lock: Lock = field(default_factory=Lock)

    def work_off(self) -> None:
        """Take one lane after another until none is left, or none may be begun."""
        lane: list[tuple[int, _Item]] = []
        while lane := self._begin(lane):
            (index, item), *lane = lane
            try:
                self.results[index] = self.work(item)
            except Exception as error:  # noqa: BLE001 - raised by `raise_trouble`, once every thread has ended
                self.troubles.append(error)
                is_of_one_balance = isinstance(error, StoreBusy) and not isinstance(error, StoreThrottled | OutOfTime)
                self.is_over = self.is_over or not is_of_one_balance

    def raise_trouble(self) -> None:
        """Raise the gravest trouble: a bug, then a store that cannot be reached, then a busy one."""
        if self.troubles:
            raise min(self.troubles, key=lambda error: (isinstance(error, StoreError), isinstance(error, StoreBusy)))

    def _begin(self, lane: list[tuple[int, _Item]]) -> list[tuple[int, _Item]]:
        """Return a lane whose first item may be begun: the one in hand, or else the next; an empty one at the end."""
        with self.lock:
            lane = lane or next(self.lanes, [])
            if not lane or self.is_over:
                return []
            if not self.may_go_on():
                self.is_over = True
                self.troubles.append(OutOfTime("the batch has more to write than there is time for"))
                return []
            return lane
