"""Bodies of webhooks age: after the retention they are removed, and the mark of exactly once stays.

A delivery that is done keeps its ids, verdict, reason and times for good. One that is open keeps its body too, however old
it is: it is applied from it, and what is durable is not dropped. Of a body beyond 256 KB only the beginning is kept, from
which nothing can be applied: that ages.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.reconciliation.progress import read_place, write_place
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import (
    DONE_VERDICTS,
    aged_bodies,
    date_body,
    delivery_writes,
    read_delivery,
    undated_bodies,
)

PAGE_SIZE: Final = 50
PAGES_MAX: Final = 20
"""At most 1,000 bodies are removed in a run, and as many deliveries of earlier versions are looked at."""


def remove_aged_bodies(table: Table, received_before: datetime, now: datetime, *, may_go_on: Callable[[], bool]) -> int:
    """Remove bodies and headers that were received by then, while ``may_go_on`` says so; return how many.

    It may stop anywhere: what is removed has left the list, and the next run goes on with the rest.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    _date_earlier_bodies(table, may_go_on)
    removed = 0
    for _ in range(PAGES_MAX):
        digests = aged_bodies(table, received_before, limit=PAGE_SIZE)
        for digest in digests:
            if not may_go_on():
                return removed
            removed += _remove(table, digest, now)
        if len(digests) < PAGE_SIZE:
            break
    return removed


def _remove(table: Table, digest: str, now: datetime) -> bool:
    kept = read_delivery(table, digest)
    if kept is None or kept.needs_body or not kept.body:
        return False
    try:
        table.transact(delivery_writes(kept.without_body(now), kept))
    except WriteRefused:
        # It was judged anew in between; the next run sees what came of it.
        return False
    return True


def _date_earlier_bodies(table: Table, may_go_on: Callable[[], bool]) -> None:
    """Let bodies age that earlier code has written: each list is walked once, and then on as it grows."""
    for verdict in DONE_VERDICTS:
        name = f"undated_bodies_{verdict}"
        known = read_place(table, name)
        place = None if isinstance(known, int) else known
        for _ in range(PAGES_MAX):
            if not may_go_on():
                return
            digests, last = undated_bodies(table, verdict, limit=PAGE_SIZE, start=place)
            for digest in digests:
                date_body(table, digest, verdict)
            if last == place:
                break
            place = last
            write_place(table, name, place)
