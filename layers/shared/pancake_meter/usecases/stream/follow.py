"""Following the stream: each follower gets the changes, and says which of them it could not follow.

A follower is exact by itself: it may be given the same change again, or a later one before it. A change that meets passing
trouble is given again by the stream, with all that came after it. One that meets anything else would stop its shard until
the stream forgets it: it is set aside, and the shard goes on.
"""

import json
from collections.abc import Callable, Sequence

from pancake_meter.store.errors import OutOfTime, StoreError, StoreThrottled, StoreUnavailable
from pancake_meter.store.stream.changes import Batch, Change, Record, Unreadable
from pancake_meter.store.usage.usage_queue import UsageQueue
from pancake_meter.value import Value

_REASON_LENGTH_MAX = 500
_OUTAGES = (OutOfTime, StoreThrottled, StoreUnavailable)


class NotFollowed(Value):
    """A change that a follower could not follow, and what it met."""

    record: Record
    trouble: Exception


Follower = Callable[[Sequence[Change]], Sequence[NotFollowed]]


class Followed(Value):
    """What became of a batch: ``again`` is the record from which the stream has to begin again, ``None``: all is done."""

    again: Record | None
    set_aside: Sequence[Unreadable]


def follow_stream(batch: Batch, followers: Sequence[Follower], aside: UsageQueue) -> Followed:
    """Give the changes of a batch to all followers; set aside what none of them will ever follow.

    Raises:
        StoreBusy, StoreUnavailable: nothing can be set aside now. The stream gives all of it again.
    """
    missed: list[NotFollowed] = []
    passing: list[Record] = []
    for follower in followers:
        news = follower(batch.changes)
        missed += news
        passing += [each.record for each in news if isinstance(each.trouble, StoreError)]
        if any(isinstance(each.trouble, _OUTAGES) for each in news):
            # The others would only wait for the same. The stream gives all of it again, to all of them.
            passing += [change.record for change in batch.changes]
            break
    for_good = [
        Unreadable(each.record, f"{type(each.trouble).__name__}: {each.trouble}")
        for each in missed
        if not isinstance(each.trouble, StoreError)
    ]
    set_aside = list({each.record.sequence: each for each in (*batch.unreadable, *for_good)}.values())
    aside.send([_message(each) for each in set_aside])
    return Followed(min(passing, key=lambda record: int(record.sequence), default=None), set_aside)


def _message(unreadable: Unreadable) -> str:
    record = unreadable.record
    content = {"key": record.key, "sequence": record.sequence, "reason": unreadable.reason[:_REASON_LENGTH_MAX]}
    return json.dumps(content, ensure_ascii=False)
