"""Time: what a balance becomes when instants pass, terms begin and terms end.

``advance`` is the one reset. Read, written, scheduled, months late or fired twice, it is the same pure function of the
balance and the instant, and one long step gives what many short ones give.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.balance import (
    NEVER,
    ZERO,
    Balance,
    Lapse,
    Policy,
    Term,
    burn,
    left_over,
    rolled_over,
    used_of_allowance,
    window_in,
)
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, GrantKind, periodic_grant_id
from pancake_meter.domain.balance.ledger import PeriodSummary
from pancake_meter.domain.selling.overage import OverageLine


def open_balance(customer_id: str, meter: str, policy: Policy, term: Term, now: datetime) -> Change:
    """Return the first state of a balance: segment 1 with its plan's allowance, on top of an empty segment 0."""
    _, period = window_in(term, policy.cadence, now)
    blank = Balance(customer_id, meter, policy, term, period, as_of=now)
    return _allow(Change.begin(blank), policy.allowance, "plan")


def advance(balance: Balance, now: datetime, fallback: Policy) -> Change:
    """Carry a balance over every boundary up to ``now``: grants start and expire, periods close, terms lapse.

    ``fallback`` is the policy after a lapse: that of the default plan, or one that allows nothing. The change is empty when
    no boundary has passed.
    """
    change = Change.begin(balance)
    while (boundary := change.balance.valid_until) <= now and boundary < NEVER:
        change = _cross(change, boundary, now, fallback)
    return change


def start_term(change: Change, policy: Policy, term: Term, now: datetime) -> Change:
    """Close the open period and begin ``term`` under ``policy`` with its allowance: activation, renewal, fallback.

    Unused units of the plan roll over only from a term of the same plan.
    """
    _, period = window_in(term, policy.cadence, now)
    leftover = left_over(change.balance) if policy.plan == change.balance.policy.plan else ZERO
    rolled = min(policy.rollover_maximum, leftover)
    closed = _close_period(change, now, rolled)
    # A period may be entered before it begins: what happens meanwhile is its own, for the one before it has closed.
    begun = replace(
        closed.balance, policy=policy, term=term, period=period, closed_until=min(period.start, now), as_of=now
    )
    return _open_period(replace(closed, balance=begun), rolled)


def _cross(change: Change, boundary: datetime, now: datetime, fallback: Policy) -> Change:
    """Apply everything that happens at ``boundary``: grants end, the period gives way, grants start."""
    change = _expire_grants(change.burn(), boundary)
    if change.balance.period_ends_at <= boundary:
        change = _next_period(change, boundary, now, fallback)
    elif (change.balance.next_chart_at or NEVER) <= boundary:
        change = _put_chart_away(change, boundary)
    # Grants that start here pay for overage that is already there. Where idle periods were skipped, grants that start or
    # end inside them have boundaries of their own, which come next and never take `as_of` back.
    as_of = max(boundary, change.balance.as_of, min(change.balance.period.start, now))
    return replace(change, balance=burn(replace(change.balance, as_of=as_of)))


def _expire_grants(change: Change, boundary: datetime) -> Change:
    """Drop the grants whose time is up."""
    over = [grant for grant in change.balance.grants if grant.expires_at is not None and grant.expires_at <= boundary]
    for grant in over:
        change = change.moved("expired", grant.remaining, grant.id)
    kept = tuple(grant for grant in change.balance.grants if grant not in over)
    return replace(change, balance=replace(change.balance, grants=kept))


def _next_period(change: Change, boundary: datetime, now: datetime, fallback: Policy) -> Change:
    """Open the last period of the term that has begun by ``now``, skipping idle ones; or, past the term, fall back."""
    term, policy = change.balance.term, change.balance.policy
    if term.end is not None and change.balance.period.end >= term.end:
        lapsed = _lapse(change.balance, boundary)
        after = Policy.unpaid(policy.plan or "") if term.is_unpaid_after else fallback
        change = start_term(change, after, Term(order_id=None, start=boundary), boundary)
        return replace(change, balance=replace(change.balance, lapsed=lapsed))
    index, _ = window_in(term, policy.cadence, change.balance.period.start)
    target, period = window_in(term, policy.cadence, now)
    # Periods skipped between the two were idle: nobody could use them without advancing first. Each would have rolled
    # over its whole allowance, up to the maximum.
    idle = target - index - 1
    rolled = min(policy.rollover_maximum, left_over(change.balance) + idle * policy.allowance)
    closed = _close_period(change, boundary, rolled)
    begun = replace(closed.balance, period=period, closed_until=period.start)
    return _open_period(replace(closed, balance=begun), rolled)


def _lapse(balance: Balance, boundary: datetime) -> Lapse | None:
    """Return what the subscription has to file of the term that lapses."""
    if balance.term.order_id is None:
        return None
    used = used_of_allowance(balance)
    return Lapse(balance.term.order_id, balance.term.start, balance.period, boundary, used, rolled_over(balance))


def _close_period(change: Change, closed_at: datetime, rolled: Decimal) -> Change:
    """End the open period: periodic grants expire, overage becomes due, counters start from zero, a summary is left.

    ``rolled`` units go over into the next period, and are not left in this one.
    """
    change = change.burn()
    balance = change.balance
    left = max(ZERO, left_over(balance) - rolled)
    for grant in balance.grants:
        if grant.is_periodic:
            change = change.moved("expired", grant.remaining, grant.id)
    change = make_due(change, balance.overage, closed_at)
    summary = _summary(balance, closed_at, change.before.segment + 1, balance.overage, left)
    after = replace(
        change.balance,
        grants=tuple(grant for grant in balance.grants if not grant.is_periodic),
        used=ZERO,
        burned=ZERO,
        days={},
        charts=0,
        line_start=None,
        gone_before=ZERO,
    )
    return replace(change, balance=after, closed=_kept(change, summary))


def make_due(change: Change, quantity: Decimal, ends_at: datetime) -> Change:
    """Make units of the open period's overage due, in its line, which ends at ``ends_at``; ``change`` is burned.

    This is where a line gets its prices: those of the plan as sold at this moment, for good. What the plan costs later does
    not reprice units that were due before. A balance that was read has the prices of its plan from ``Metering.advanced``.
    """
    balance = change.balance
    if quantity == ZERO:
        return change
    due = replace(balance, overage=balance.overage - quantity, overage_due=balance.overage_due + quantity)
    closed = replace(change, balance=due).line_moved(
        OverageLine(balance.line, ends_at, closed=quantity, prices=balance.policy.prices or None)
    )
    return closed.moved("overage_closed", quantity)


def _put_chart_away(change: Change, closed_at: datetime) -> Change:
    """Begin the next chart of a long period; a chart on which something was counted leaves a summary."""
    balance = change.balance
    summary = _summary(balance, closed_at, change.before.segment + 1, ZERO, ZERO)
    return replace(change, balance=replace(balance, days={}, charts=balance.charts + 1), closed=_kept(change, summary))


def _kept(change: Change, summary: PeriodSummary) -> tuple[PeriodSummary, ...]:
    """Return the summaries with one more, if it has anything to say."""
    return (*change.closed, summary) if summary.used or summary.overage else change.closed


def _summary(balance: Balance, closed_at: datetime, segment: int, overage: Decimal, left: Decimal) -> PeriodSummary:
    """Return what the open chart came to."""
    return PeriodSummary(
        period=balance.period,
        chart=balance.chart,
        closed_at=closed_at,
        segment=segment,
        plan=balance.policy.plan,
        allowance=balance.policy.allowance,
        used=sum(balance.days.values(), ZERO),
        overage=overage,
        left=left,
        line=balance.line,
        days=balance.days,
    )


def _open_period(change: Change, rolled: Decimal) -> Change:
    """Give the open period what it starts with: rolled-over units, then the plan's allowance."""
    return _allow(_allow(change, rolled, "rollover"), change.balance.policy.allowance, "plan")


def _allow(change: Change, quantity: Decimal, kind: GrantKind) -> Change:
    """Add a periodic grant; an allowance of nothing is no grant."""
    if quantity == ZERO:
        return change
    balance = change.balance
    grant = Grant(
        id=periodic_grant_id(kind, balance.period.start),
        kind=kind,
        quantity=quantity,
        remaining=quantity,
        priority=DEFAULT_PRIORITY[kind],
        starts_at=balance.period.start,
    )
    return replace(change, balance=replace(balance, grants=(*balance.grants, grant))).moved(
        "granted", quantity, grant.id
    )
