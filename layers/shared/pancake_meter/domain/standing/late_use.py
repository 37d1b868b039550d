"""Late usage of a paid period that closed before its end: what it takes of the allowance is gone under what followed, too.

A balance leaves a paid period early where another order, or a change of plan, takes its place. What was used until then is
filed (``use.py``) and counts in the new one. Usage of the time before, told later, belongs to the record of the closed
period. It counts here as if it had come in time.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.balance import Balance
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import ClosedPeriod, period_of
from pancake_meter.domain.standing.follow import give_anew
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.value import Value, replace


class _Amended(Value):
    """A record, and how many units more than before are gone of its period, and had come over into it."""

    record: ClosedPeriod
    gone: Decimal
    rolled: Decimal

    def is_of(self, order_id: str, window_start: datetime) -> bool:
        return (order_id, window_start) == (self.record.order_id, self.record.period.start)


def file_late_use(
    change: Change, closed: Sequence[ClosedPeriod], subscription: Subscription, now: datetime
) -> tuple[Change, Subscription]:
    """File what late usage took of paid periods; return the change, grown where the open period follows from that.

    ``change`` is what ``count_late`` made of the ``closed`` periods, newest first.
    """
    meter, filed = change.balance.meter, subscription
    for amended in _amended(change, closed):
        use = _use_of(amended, filed.uses_of(meter))
        if use is not None:
            filed = filed.amend(meter, use, gone=amended.gone, rolled=amended.rolled)
        change = replace(change, balance=_with_lapse(change.balance, amended))
    return give_anew(change, filed, now) if filed != subscription else (change, filed)


def _amended(change: Change, closed: Sequence[ClosedPeriod]) -> Iterator[_Amended]:
    for record in change.closed:
        before = period_of((each for each in closed if each.segment == record.segment), record.counts_from)
        if before is not None and record.idle is None and record.order_id is not None:
            yield _Amended(record, record.gone - before.gone, record.rolled - before.rolled)


def _use_of(amended: _Amended, uses: Sequence[PeriodUse]) -> PeriodUse | None:
    """Return what is filed of the period: of several sales the last one before it closed."""
    of_period = (
        use for use in uses if amended.is_of(use.order_id, use.window.start) and use.sold_at < amended.record.until
    )
    return max(of_period, key=lambda use: use.sold_at, default=None)


def _with_lapse(balance: Balance, amended: _Amended) -> Balance:
    """Return the balance with what is yet to be filed of a term that time alone has ended."""
    lapse = balance.lapsed
    if lapse is None or not amended.is_of(lapse.order_id, lapse.window.start):
        return balance
    grown = replace(lapse, gone=lapse.gone + amended.gone, rolled=lapse.rolled + amended.rolled)
    return replace(balance, lapsed=grown)
