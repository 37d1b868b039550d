"""What earlier versions wrote and the stream does not tell any more: the directory, the live totals, the lists of payments.

The table is walked through once, on a schedule. Each balance, chart and subscription is given to the followers as if it had
just become what it is. They are exact by the item itself, so the walk may stop anywhere, be repeated, and run beside the
stream: what either of them has told already changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Final

from pancake_meter.domain.balance.balance import Balance, day_of
from pancake_meter.store.errors import StoreError
from pancake_meter.store.keys import Key
from pancake_meter.store.reconciliation.progress import read_place, write_place
from pancake_meter.store.selling.payments import list_payment
from pancake_meter.store.stream.changes import BalanceChanged, Change, change_of_item
from pancake_meter.store.stream.kept import PAYMENT, keys_kept
from pancake_meter.store.table import Item, Table
from pancake_meter.usecases.stream.follow import Follower
from pancake_meter.value import Value, replace

_PLACE: Final = "backfill"
_PLACE_OF_PAYMENTS: Final = "backfill_payments"
_DONE: Final = 1
"""The number of the walk that is done. A later version that follows more begins another."""

_AT_ONCE: Final = 50
"""Items after which the place is kept: a run gets through so many, however little time it has."""


class Backfilled(Value):
    """What a run came to: items that were told anew, and whether the walk has reached its end."""

    items: int
    is_done: bool


def backfill(
    table: Table,
    followers: Sequence[Follower],
    now: datetime,
    *,
    may_go_on: Callable[[], bool],
    on_failure: Callable[[Key, Exception], None],
) -> Backfilled:
    """Go on with the walk while there is time: one read where it is done. ``on_failure`` hears of items that stay out.

    Without followers it is for payments alone, and another walk begins once there are some.

    Raises:
        StoreBusy, StoreThrottled, StoreUnavailable: passing trouble; the next run goes on from the last place.
    """
    name = _PLACE if followers else _PLACE_OF_PAYMENTS
    place = read_place(table, name)
    if place == _DONE:
        return Backfilled(0, is_done=True)
    start = place if isinstance(place, Mapping) else None
    told = 0
    while may_go_on():
        keys, following = keys_kept(table, start)
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            _tell(table, followers, some, now, on_failure)
            told += len(some)
            write_place(table, name, some[-1])
            if not may_go_on():
                return Backfilled(told, is_done=False)
        if following is None:
            write_place(table, name, _DONE)
            return Backfilled(told, is_done=True)
        write_place(table, name, following)
        start = following
    return Backfilled(told, is_done=False)


def _tell(
    table: Table,
    followers: Sequence[Follower],
    keys: Sequence[Key],
    now: datetime,
    on_failure: Callable[[Key, Exception], None],
) -> None:
    followed = [key for key in keys if key["SK"] != PAYMENT]
    for key in keys:
        if key["SK"] == PAYMENT:
            list_payment(table, key["PK"].partition("#")[2])
    changes: list[Change] = []
    for item in table.get_all(followed) if followed else ():
        try:
            changes.append(_change(item, now))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one item must not stop the walk
            on_failure({"PK": item["PK"], "SK": item["SK"]}, error)
    for follower in followers:
        for missed in follower(changes):
            if isinstance(missed.trouble, StoreError):
                raise missed.trouble
            on_failure(missed.record.key, missed.trouble)


def _change(item: Item, now: datetime) -> Change:
    change = change_of_item(item, now)
    if isinstance(change, BalanceChanged):
        # Nothing is used now: a list of who was active lately must not have everybody.
        return replace(change, record=replace(change.record, at=_last_used(change.after)))
    return change


def _last_used(balance: Balance) -> datetime:
    """Return the latest day on which something was used, as far as it is known; else when the period began."""
    days = [day_of(key, balance.chart_closes_at) for key, used in balance.days.items() if used]
    return datetime.combine(max(days), time(0), UTC) if days else balance.period.start
