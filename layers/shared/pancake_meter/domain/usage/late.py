"""Late usage: an event that tells, after its period has closed, of something used in it.

It counts to the period in which it happened, as if it had come in time: first what the plan had left there, then what
rolled over out of it and is not gone, then units bought before the period ended. The rest is overage of that period, due at
once. Apart from what rolled over, the open period's units are not touched.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.adjust import take_rollover
from pancake_meter.domain.balance.balance import ZERO, Balance, chart_at, day_key
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod, period_of
from pancake_meter.domain.balance.grant import Grant, periodic_grant_id
from pancake_meter.domain.selling.overage import OverageLine
from pancake_meter.domain.usage.usage_event import UsageEvent
from pancake_meter.value import Value, replace

ROLLOVERS_MAX: Final = 89
"""Periods through which rolled-over units are followed: all days from which an event may come late.

Each is a write of one transaction, which has room for 89 beside the event, the balance, its line, its record and its charts.
"""


def is_late(balance: Balance, event: UsageEvent) -> bool:
    """Whether the event happened before the open period, and not in the first one."""
    return balance.closed_until is not None and event.used_at < balance.closed_until


def is_open_again(balance: Balance, closed: ClosedPeriod) -> bool:
    """Whether a record is of the open period, which the balance had left and has come back to.

    Under another plan it is not: a change of plan that begins whole has closed what was before it.
    """
    there = (closed.order_id, closed.plan, closed.period.start)
    return there == (balance.term.order_id, balance.policy.plan, balance.period.start)


def count_late(
    change: Change, closed: Sequence[ClosedPeriod], charts: Sequence[Chart], events: Iterable[UsageEvent]
) -> Change:
    """Count late events, each of which belongs to one of the ``closed`` periods; return the grown change.

    ``closed`` and ``charts`` are newest first, without gap from the latest to those of the events. The change has those that
    are new or other than before.
    """
    books = _Books(change.burn(), tuple(reversed(closed)), tuple(charts))
    for event in sorted(events, key=lambda event: (event.used_at, event.id)):
        books = books.count(event)
    return replace(
        books.change,
        closed=tuple(period for period in books.closed if period not in closed),
        charts=tuple(chart for chart in books.charts if chart not in charts),
    )


class _Books(Value):
    """A balance's change and what has closed before: ``closed`` periods oldest first, ``charts`` in no order."""

    change: Change
    closed: tuple[ClosedPeriod, ...]
    charts: tuple[Chart, ...]

    def count(self, event: UsageEvent) -> "_Books":
        """Return the books with one event counted."""
        place = next(at for at in reversed(range(len(self.closed))) if self.closed[at].counts(event.used_at))
        parts = self.closed[place].split(event.used_at)
        here = next(at for at, part in enumerate(parts) if part.idle is None and part.counts(event.used_at))
        earlier = (*self.closed[:place], *parts[:here])
        period, later = parts[here], (*parts[here + 1 :], *self.closed[place + 1 :])

        from_left = min(event.quantity, period.left)
        wanted = min(event.quantity - from_left, period.passed)
        change, later, from_passed = _take_back(self.change, later, wanted)
        beyond = event.quantity - from_left - from_passed
        grants, overage = _burn_bought(change.balance, beyond, period.closed_at)
        told = replace(
            period,
            gone=period.gone + from_left + from_passed,
            left=period.left - from_left,
            passed=period.passed - from_passed,
            overage=period.overage + overage,
        )
        after = replace(change.balance, grants=grants, overage_due=change.balance.overage_due + overage)
        reference = periodic_grant_id("plan", period.period.start)
        change = replace(change, balance=after).moved("restored", from_left + from_passed, reference)
        change = change.moved("used", event.quantity, reference)
        if overage:
            change = change.line_moved(OverageLine(period.line, period.closed_at, closed=overage))
        change = change.moved("overage_closed", overage, reference)
        return _Books(change, (*earlier, told, *later), _charted(self.charts, period, event, overage))


def _take_back(
    change: Change, later: tuple[ClosedPeriod, ...], wanted: Decimal
) -> tuple[Change, tuple[ClosedPeriod, ...], Decimal]:
    """Take back up to ``wanted`` units that rolled over into the first of ``later``, or else into the open period.

    Had they not come over, their period would have used its own units instead: those that expired unused, then those that
    rolled over out of it in turn. Only units that are gone are not taken back. Return also the later periods as they are
    then, and how many units it was.
    """
    through: list[tuple[ClosedPeriod, Decimal]] = []
    passing = wanted
    for period in later[:ROLLOVERS_MAX]:
        if passing == ZERO:
            break
        into = min(passing, period.rolled)
        unused = min(into, period.left)
        through.append((period, unused))
        passing = min(into - unused, period.passed)
    taken = ZERO
    if len(through) == len(later):
        change, taken = take_rollover(change, passing)
    amended: list[ClosedPeriod] = []
    for period, unused in reversed(through):
        passed = period.passed - taken
        taken += unused
        amended.append(replace(period, rolled=period.rolled - taken, left=period.left - unused, passed=passed))
    return change, (*reversed(amended), *later[len(through) :]), taken


def _burn_bought(balance: Balance, quantity: Decimal, ends_at: datetime) -> tuple[tuple[Grant, ...], Decimal]:
    """Take units from the grants that no period ends and that started before ``ends_at``; return the grants, and what
    they lacked.

    A grant that started after the usage but in its period pays for it, as it would have paid for open overage.
    """
    left: dict[str, Decimal] = {}
    for grant in balance.active_grants:
        if not grant.is_periodic and grant.starts_at < ends_at:
            taken = min(quantity, grant.remaining)
            left[grant.id] = grant.remaining - taken
            quantity -= taken
    return tuple(replace(grant, remaining=left.get(grant.id, grant.remaining)) for grant in balance.grants), quantity


def chart_start(closed: Iterable[ClosedPeriod], event: UsageEvent) -> datetime:
    """Return the start of the chart that has a late event of one of the ``closed`` periods, newest first."""
    period = period_of(closed, event.used_at)
    if period is None:
        raise ValueError("the event belongs to none of the closed periods")
    return chart_at(period.period, event.used_at).start


def _charted(charts: tuple[Chart, ...], period: ClosedPeriod, event: UsageEvent, overage: Decimal) -> tuple[Chart, ...]:
    """Return the charts with an event of a period on the one that has its time, or on a new one."""
    span = chart_at(period.period, event.used_at)
    known = next((chart for chart in charts if _is_of(chart, period) and chart.span.start == span.start), None)
    chart = known or Chart(span, period.closed_at, period.segment, plan=period.plan)
    day = day_key(event.used_at)
    days = {**chart.days, day: chart.days.get(day, ZERO) + event.quantity}
    grown = replace(chart, overage=chart.overage + overage, days=days)
    return (*(other for other in charts if other != known), grown)


def _is_of(chart: Chart, period: ClosedPeriod) -> bool:
    return chart.segment <= period.segment and period.period.contains(chart.span.start)
