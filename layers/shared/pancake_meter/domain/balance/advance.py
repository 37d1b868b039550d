"""Time: what a balance becomes when instants pass, terms begin and terms end.

``advance`` is the one reset. Read, written, scheduled, months late or fired twice, it is the same pure function of the
balance and the instant, and one long step gives what many short ones give.
"""

from collections.abc import Iterable
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
from pancake_meter.domain.balance.closed_period import Chart, ClosedPeriod, Windows
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, GrantKind, periodic_grant_id
from pancake_meter.domain.balance.period import AnchoredCadence, Period
from pancake_meter.domain.selling.overage import LineKey, OverageLine
from pancake_meter.value import Value, replace


class IdleRun(Value):
    """As many ``windows`` of a term in a row, which fill the ``bounds``, and in which nothing was used.

    Usage to before ``until`` counts to them. ``is_renewed``: what they have left may roll over into what follows.
    """

    policy: Policy
    term: Term
    bounds: Period
    until: datetime
    windows: int
    is_renewed: bool = True


def open_balance(
    customer_id: str, meter: str, policy: Policy, term: Term, now: datetime, earlier: Iterable[IdleRun] = ()
) -> Change:
    """Return the first state of a balance: segment 1 with its plan's allowance, on top of an empty segment 0.

    Windows of the term that are over were idle: had anything been used in them, the balance would be there. So were the
    ``earlier`` ones, oldest first, which led up to this term.
    """
    index, period = window_in(term, policy.cadence, now)
    change, rolled = Change.begin(Balance(customer_id, meter, policy, term, period, as_of=now)), ZERO
    for run in earlier:
        change, rolled = _pass_idle(change, run, rolled)
    if index > 0:
        run = IdleRun(policy, term, Period(term.start, period.start), period.start, index)
        change, rolled = _pass_idle(change, run, rolled)
    closed_until = change.closed[-1].until if change.closed else None
    return _open_period(replace(change, balance=replace(change.balance, closed_until=closed_until)), rolled)


def advance(balance: Balance, now: datetime, fallback: Policy) -> Change:
    """Carry a balance over every boundary up to ``now``: grants start and expire, periods close, terms lapse.

    ``fallback`` is the policy after a lapse: that of the default plan, or one that allows nothing. The change is empty when
    no boundary has passed.
    """
    change = Change.begin(balance)
    while (boundary := change.balance.valid_until) <= now and boundary < NEVER:
        change = _cross(change, boundary, now, fallback)
    return change


def start_term(change: Change, policy: Policy, term: Term, now: datetime, *, is_renewal: bool = True) -> Change:
    """Close the open period and begin ``term`` under ``policy`` with its allowance: activation, renewal, fallback.

    Unused units of the plan roll over only in a renewal, and from a term of the same plan.
    """
    _, period = window_in(term, policy.cadence, now)
    is_next = is_renewal and policy.plan == change.balance.policy.plan
    rolled = min(policy.rollover_maximum, left_over(change.balance)) if is_next else ZERO
    # A period may be entered before it begins: what happens meanwhile is its own, for the one before it has closed.
    until = min(period.start, now)
    closed = _close_period(change, now, until, rolled, is_withdrawn=not is_renewal)
    begun = replace(closed.balance.under(policy), term=term, period=period, closed_until=until, as_of=now)
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
    passed = min(policy.rollover_maximum, left_over(change.balance))
    change = _close_period(change, boundary, boundary, passed)
    if target > index + 1:
        granting = replace(policy, allowance=change.balance.allowance)
        run = IdleRun(granting, term, Period(boundary, period.start), period.start, target - index - 1)
        change, passed = _pass_idle(change, run, passed)
    begun = replace(change.balance, period=period, closed_until=period.start)
    return _open_period(replace(change, balance=begun), passed)


def _pass_idle(change: Change, run: IdleRun, rolled: Decimal) -> tuple[Change, Decimal]:
    """Close windows in one step, into which ``rolled`` units came over; return also what rolls over out of them.

    Nobody can have used them without advancing the balance. Each rolls over its whole allowance, up to the maximum.
    """
    policy, bounds = run.policy, run.bounds
    cadence: AnchoredCadence = "month" if policy.cadence == "billing" else policy.cadence
    given = rolled + run.windows * policy.allowance
    passed = min(policy.rollover_maximum, given) if run.is_renewed else ZERO
    record = ClosedPeriod(
        period=bounds,
        since=change.closed[-1].until if change.closed else None,
        until=run.until,
        closed_at=run.until,
        segment=change.before.segment + 1,
        order_id=run.term.order_id,
        line=LineKey(bounds.start, policy.plan),
        allowance=policy.allowance,
        rolled=rolled,
        gone=ZERO,
        left=given - passed,
        passed=passed,
        overage=ZERO,
        idle=Windows(cadence, run.term.start, run.windows) if run.windows > 1 else None,
    )
    return replace(change, closed=(*change.closed, record)), passed


def _lapse(balance: Balance, boundary: datetime) -> Lapse | None:
    """Return what the subscription has to file of the term that lapses."""
    if balance.term.order_id is None:
        return None
    used = used_of_allowance(balance)
    return Lapse(balance.term.order_id, balance.term.start, balance.period, boundary, used, rolled_over(balance))


def leave_record(change: Change, now: datetime, until: datetime) -> Change:
    """Leave a record of the open period, in which another allowance begins at ``until``: usage before counts to it."""
    change = change.burn()
    since = change.balance.closed_until
    if since is not None and until <= since:
        return change
    record = _record(change, now, until, ZERO, ZERO)
    after = replace(change.balance, closed_until=until)
    return replace(change, balance=after, closed=(*change.closed, record))


def _record(change: Change, closed_at: datetime, until: datetime, passed: Decimal, overage: Decimal) -> ClosedPeriod:
    """Return what the open period came to; ``change`` is burned."""
    balance = change.balance
    return ClosedPeriod(
        period=balance.period,
        since=balance.closed_until,
        until=until,
        closed_at=closed_at,
        segment=change.before.segment + 1,
        order_id=balance.term.order_id,
        line=balance.line,
        allowance=balance.allowance,
        rolled=rolled_over(balance),
        gone=balance.gone_before + used_of_allowance(balance),
        left=left_over(balance) - passed,
        passed=passed,
        overage=overage,
    )


def _close_period(
    change: Change, closed_at: datetime, until: datetime, passed: Decimal, *, is_withdrawn: bool = False
) -> Change:
    """End the open period: periodic grants expire, overage becomes due, counters start from zero, a record is left.

    ``passed`` units roll over into the next period. Usage from ``until`` on belongs to that. ``is_withdrawn``: another
    plan takes its place, and in the ledger what is left of it is clawed back.
    """
    change = change.burn()
    balance = change.balance
    record = _record(change, closed_at, until, passed, balance.overage)
    for grant in balance.grants:
        if grant.is_periodic:
            is_clawed_back = is_withdrawn and grant.kind == "plan"
            change = change.moved("clawed_back" if is_clawed_back else "expired", grant.remaining, grant.id)
    # Where another plan takes over inside the period, its line still ends with it: what is bought till then pays for it.
    line_ends_at = max(closed_at, balance.period.end)
    change = make_due(_keep_chart(change, closed_at, balance.overage), balance.overage, line_ends_at)
    after = replace(
        change.balance,
        grants=tuple(grant for grant in balance.grants if not grant.is_periodic),
        used=ZERO,
        used_before=ZERO,
        burned=ZERO,
        days={},
        charts=0,
        line_start=None,
        gone_before=ZERO,
        spent=ZERO,
    )
    return replace(change, balance=after, closed=(*change.closed, record))


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
    """Begin the next chart of a long period."""
    change = _keep_chart(change, closed_at, ZERO)
    return replace(change, balance=replace(change.balance, days={}, charts=change.balance.charts + 1))


def _keep_chart(change: Change, closed_at: datetime, overage: Decimal) -> Change:
    """Keep the open chart, if there is anything on it."""
    balance = change.balance
    chart = Chart(balance.chart, closed_at, change.before.segment + 1, overage, balance.days, balance.policy.plan)
    return replace(change, charts=(*change.charts, chart)) if chart.used or overage else change


def _open_period(change: Change, rolled: Decimal) -> Change:
    """Give the open period what it starts with: rolled-over units, then the plan's allowance."""
    return _allow(_allow(change, rolled, "rollover"), change.balance.allowance, "plan")


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
