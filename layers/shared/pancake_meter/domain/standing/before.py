"""Periods before the one that counts.

A balance is opened at the first use of a meter, which may be told late. Then it leaves a record of each period before, as if
it had been there: usage of such a period counts to it, and takes nothing of the period that is open.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from pancake_meter.domain.balance.advance import IdleRun
from pancake_meter.domain.balance.balance import ZERO, Policy, Term, window_in
from pancake_meter.domain.balance.closed_period import TOLD_AFTER_MAX
from pancake_meter.domain.balance.period import AnchoredCadence, Period, window_index, window_start
from pancake_meter.domain.standing.gone import begins_whole
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import PaidPeriod
from pancake_meter.domain.standing.standing import Standing, Uncovered
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import Value, replace

_DAY: Final = timedelta(days=1)


class _Stay(Value):
    """A paid period of an order, to before ``end``: its own end, that of the order, or when another took its place."""

    order: OrderFacts
    paid: PaidPeriod
    end: datetime

    @property
    def start(self) -> datetime:
        return self.paid.period.start.at


def periods_before(
    subscription: Subscription, meter: str, standing: Standing, start: datetime, default: Policy, now: datetime
) -> tuple[IdleRun, ...]:
    """Return the periods of a meter that led up to ``start``, oldest first, as far back as usage may still be told.

    They are the paid ones without a gap, and before them those of the default plan, if it grants anything. ``standing`` is
    where the meter stands since ``start``. Periods that a plan change went on in are no periods of their own: what was used
    before the change is used of the new plan as well, unless that starts from zero.
    """
    since = now - TOLD_AFTER_MAX
    runs: list[IdleRun] = []
    stays = sorted(_stays(subscription), key=lambda stay: _preference(stay, meter), reverse=True)
    after = (
        None if isinstance(standing, Uncovered) else _Stay(standing.order, standing.paid, standing.paid.period.ends_at)
    )
    head = until = edge = start
    while edge > since:
        stay = next((stay for stay in stays if stay.start < edge <= stay.end + _DAY), None)
        if stay is None:
            break
        edge = stay.start
        if after is None or not _goes_on(stay, after, head, meter):
            runs.append(
                _run(subscription, stay, meter, until, is_renewed=after is not None and _is_renewal(stay, after))
            )
            head = edge
        until, after = edge, stay
    if after is not None and edge > since and default.allowance > ZERO:
        runs.append(_free(default, edge))
    return tuple(reversed(runs))


def _free(default: Policy, until: datetime) -> IdleRun:
    """Return the windows of the default plan that end at ``until``. When they really began nobody knows."""
    cadence: AnchoredCadence = "month" if default.cadence == "billing" else default.cadence
    first = window_index(cadence, until, until - TOLD_AFTER_MAX)
    term = Term(order_id=None, start=window_start(cadence, until, first))
    return IdleRun(default, term, Period(term.start, until), until, -first, is_renewed=False)


def _stays(subscription: Subscription) -> Iterator[_Stay]:
    taken = {
        order_id: order.all_periods[-1].period.start.at
        for order in subscription.orders
        for order_id in subscription.replaced.get(order.order_id, ())
        if order.all_periods
    }
    for order in subscription.orders:
        for paid in () if order.is_add_on else order.all_periods:
            ends = (paid.period.ends_at, order.ended_at, taken.get(order.order_id))
            end = min(end for end in ends if end is not None)
            if paid.period.start.at < end:
                yield _Stay(order, paid, end)


def _preference(stay: _Stay, meter: str) -> tuple[bool, int, datetime]:
    return meter in stay.paid.plan.allowances, stay.paid.plan.rank, stay.start


def _goes_on(stay: _Stay, after: _Stay, head: datetime, meter: str) -> bool:
    """Whether a period still ran at ``head``, when the last order took its place, which counts what was used before."""
    is_another = stay.order.order_id != after.order.order_id and stay.paid.period.ends_at > head
    return is_another and not begins_whole(after.paid.plan, meter, stay.start, after.start)


def _is_renewal(stay: _Stay, after: _Stay) -> bool:
    is_same = stay.order.order_id == after.order.order_id and stay.paid.plan.key == after.paid.plan.key
    return is_same and not stay.paid.is_trial


def _run(subscription: Subscription, stay: _Stay, meter: str, until: datetime, *, is_renewed: bool) -> IdleRun:
    paid, order = stay.paid, stay.order
    policy = replace(Policy.of(paid.plan, meter), allowance=subscription.granted(order, paid, meter))
    ends_at = paid.period.ends_at
    term = Term(order.order_id, stay.start, ends_at, ends_at)
    last, window = window_in(term, policy.cadence, stay.end - timedelta.resolution)
    return IdleRun(policy, term, Period(stay.start, window.end), until, last + 1, is_renewed)
