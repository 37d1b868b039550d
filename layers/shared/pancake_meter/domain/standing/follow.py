"""How balances follow the subscription: pure, and the same whatever the order in which events came.

The facts say where a meter stands (``standing.py``), and what is gone there (``gone.py``). Here one balance is brought to
that. A period that begins afresh closes the one before it; whatever else changes (plan, share, order) goes on in the open
period, and its allowance is given anew, less what is gone of it.
"""

from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.adjust import resume_overage, set_blocked
from pancake_meter.domain.balance.advance import leave_record, make_due, open_balance, start_term
from pancake_meter.domain.balance.balance import (
    ZERO,
    Balance,
    Policy,
    Term,
    rolled_over,
    used_of_allowance,
    window_in,
)
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, GrantKind, periodic_grant_id
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.selling.overage import Lines
from pancake_meter.domain.standing.add_ons import give_add_ons
from pancake_meter.domain.standing.before import periods_before
from pancake_meter.domain.standing.gone import begins_whole, gone_in, idle, rolled_into
from pancake_meter.domain.standing.paid_period import CHANGE_MAX
from pancake_meter.domain.standing.standing import Covered, Standing, Uncovered, place_of, standing_of
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.value import replace


def open_following(
    customer_id: str, meter: str, subscription: Subscription | None, default: Policy, since: datetime, now: datetime
) -> Change:
    """Return the first state of a balance, where the facts put it; the default plan begins at ``since`` at the latest."""
    standing = standing_of(subscription, meter, now)
    if isinstance(standing, Covered):
        policy, term = Policy.of(standing.plan, meter), standing.term
    else:
        policy, term = standing.policy(default), Term(order_id=None, start=min(since, standing.since or since, now))
    earlier = periods_before(subscription, meter, standing, term.start, default, now) if subscription else ()
    change = open_balance(customer_id, meter, policy, term, now, earlier)
    if subscription is None:
        return change
    change = set_blocked(change, subscription.blocked)
    if isinstance(standing, Covered):
        gone, rolled = _target(change.balance, None, standing, subscription)
        change = _give(change, gone, rolled, used=gone)
    return give_add_ons(change, None, subscription, now)[0]


def follow(
    change: Change, known: Subscription | None, learned: Subscription, default: Policy, lines: Lines, now: datetime
) -> tuple[Change, Subscription]:
    """Bring a balance, already advanced to ``now``, to where the facts put it; return also what is filed of it.

    ``known`` are the facts that it follows until now, unless it has been brought ahead; ``default`` is the default plan's
    policy for the meter; ``lines`` are its overage lines with units due.
    """
    meter = change.balance.meter
    was, standing = place_of(change.balance, known, learned), standing_of(learned, meter, now)
    if _agrees(change.balance, was, standing, known, learned):
        if isinstance(standing, Covered):
            change = _retime(change, standing.term)
    else:
        change = change.burn()
        learned = _file_lapse(change.balance, learned)
        learned = _file(change.balance, was, standing, learned, now)
        change = replace(change, balance=replace(change.balance, lapsed=None))
        if isinstance(standing, Covered):
            # What has just been filed is gone there.
            change = _enter(change, was, standing, known, learned, lines, now)
        else:
            change = _fall_back(change, was, standing, learned, default, lines, now)
    return give_add_ons(change, known, learned, now)


def give_anew(change: Change, learned: Subscription, now: datetime) -> tuple[Change, Subscription]:
    """Give the open paid period its allowance anew, where more is filed of it than before; return also what is filed then.

    A balance that stands elsewhere than the facts say is left to the event that brings it there: all is counted then.
    """
    was, standing = place_of(change.balance, learned), standing_of(learned, change.balance.meter, now)
    if (
        not (isinstance(was, Covered) and isinstance(standing, Covered))
        or was.place != standing.place
        or change.balance.policy != Policy.of(standing.plan, change.balance.meter)
        or _agrees(change.balance, was, standing, learned, learned)
    ):
        return change, learned
    change = change.burn()
    balance, filed = change.balance, _file(change.balance, was, standing, learned, now)
    gone, rolled = _target(balance, (was, filed), standing, filed)
    return _give(change, gone, rolled, used=balance.used_of_plan + _more_gone(balance, standing, gone)), filed


def _agrees(
    balance: Balance, was: Standing, standing: Standing, known: Subscription | None, learned: Subscription
) -> bool:
    """Whether a balance stands there already, with just that allowance."""
    if isinstance(standing, Uncovered):
        is_unpaid = standing.unpaid is not None
        is_there = standing.since is None or standing.since == balance.term.start
        return isinstance(was, Uncovered) and is_there and balance.policy.is_unpaid == is_unpaid
    if not isinstance(was, Covered) or was.place != standing.place:
        return False
    if balance.policy != Policy.of(standing.plan, balance.meter):
        return False
    before = (was, known) if known else None
    return _target(balance, before, standing, learned) == (balance.gone_before, rolled_over(balance))


def _target(
    balance: Balance, before: tuple[Covered, Subscription] | None, standing: Covered, learned: Subscription
) -> tuple[Decimal, Decimal]:
    """Return what has to be gone in the open window before its grants were given, and what has to have come over into it.

    ``before`` is the same period of the same plan as known until now, where the balance is in it: later windows have what
    came over into them from the windows before.
    """
    meter = balance.meter
    order, paid = standing.order, standing.paid
    sold = paid.plan.allowances.get(meter)
    if sold is None:
        return ZERO, ZERO
    _, window = window_in(standing.term, sold.cadence, max(balance.as_of, standing.term.start))
    gone = gone_in(learned, order, paid, meter, window)
    maximum = sold.rollover_maximum
    rolled = rolled_into(learned, order, paid, meter, maximum, balance.limits)
    if before is not None:
        was, known = before
        difference = rolled - rolled_into(known, was.order, was.paid, meter, maximum, balance.limits)
        return gone, min(maximum, max(ZERO, rolled_over(balance) + difference))
    # Windows of the paid period that went by before it was known were idle too.
    index, _ = window_in(standing.term, sold.cadence, window.start)
    return gone, idle(rolled, index, maximum, balance.limits.allowance(sold.quantity))


def _file(balance: Balance, was: Standing, standing: Standing, learned: Subscription, now: datetime) -> Subscription:
    """File what was used of the open period, before the balance leaves it or its allowance is given anew."""
    if isinstance(was, Covered):
        sold_at = was.paid.sales[-1].sold_at
        use = PeriodUse(*was.place, sold_at, balance.period, now, used_of_allowance(balance), rolled_over(balance))
        return learned.file(balance.meter, use)
    if isinstance(standing, Covered) and _is_gap(balance, standing, learned):
        # Between the end of the old order and the news of the new one, which had begun: it is used of the new one.
        used, sold_at = used_of_allowance(balance), standing.paid.sales[0].sold_at
        return learned.file(balance.meter, PeriodUse(*standing.place, sold_at, balance.period, now, used))
    return learned


def _is_gap(balance: Balance, standing: Covered, learned: Subscription) -> bool:
    """Whether the default plan counted only because a plan change was not known yet."""
    is_change = standing.order.order_id in learned.replaced
    return is_change and balance.term.start >= standing.order.began[1] - CHANGE_MAX


def _file_lapse(balance: Balance, learned: Subscription) -> Subscription:
    """File what was used of a period that time alone has ended."""
    lapsed = balance.lapsed
    order = learned.order(lapsed.order_id) if lapsed else None
    periods = order.all_periods if order else ()
    day = lapsed.term_start.date() if lapsed else None
    paid = next((period for period in periods if period.period.start.at.date() == day), None)
    if lapsed is None or order is None or paid is None:
        return learned
    sold_at = paid.sales[-1].sold_at
    use = PeriodUse(order.order_id, paid.key, sold_at, lapsed.window, lapsed.at, lapsed.gone, lapsed.rolled)
    return learned.file(balance.meter, use)


def _enter(
    change: Change,
    was: Standing,
    standing: Covered,
    known: Subscription | None,
    learned: Subscription,
    lines: Lines,
    now: datetime,
) -> Change:
    """Go on in a paid period, or begin one."""
    balance = change.balance
    policy, term = Policy.of(standing.plan, balance.meter), standing.term
    is_there = isinstance(was, Covered) and was.place == standing.place
    goes_on = is_there and policy.plan == balance.policy.plan
    gone, rolled = _target(
        balance, (was, known) if goes_on and isinstance(was, Covered) and known else None, standing, learned
    )
    is_next = isinstance(was, Covered) and was.place[0] == standing.place[0] and not is_there
    if is_next or not (is_there or _runs(learned, standing, balance.meter)):
        # What is left of a plan rolls over into its next period only.
        change = start_term(change, policy, term, now, is_renewal=is_next)
    else:
        if isinstance(was, Covered) and not goes_on:
            _, window = window_in(term, policy.cadence, now)
            if begins_whole(standing.paid.plan, balance.meter, balance.period.start, window.start):
                change = leave_record(change, now, min(standing.paid.sold_at, now))
        owes_here = goes_on or (isinstance(was, Uncovered) and _is_gap(balance, standing, learned))
        change = _switch(change, policy, term, lines, now, owes_here=owes_here)
    if goes_on:
        # As before, and what else has become gone of it.
        return _give(change, gone, rolled, used=balance.used_of_plan + _more_gone(balance, standing, gone))
    # Prorating takes of the allowance too, which nobody has used.
    used = min(gone, balance.used) if _is_prorated(standing) else gone
    return _give(change, gone, rolled, used=used + change.balance.overage)


def _more_gone(balance: Balance, standing: Covered, gone: Decimal) -> Decimal:
    """Return how many of the units that are gone of the open period have been used beside what the balance counts."""
    return ZERO if _is_prorated(standing) else gone - balance.gone_before - used_of_allowance(balance)


def _is_prorated(standing: Covered) -> bool:
    return standing.paid.plan.quota_change == "prorate"


def _runs(learned: Subscription, standing: Covered, meter: str) -> bool:
    """Whether a balance has been in the period before, or in one of another order that still ran when it began."""
    return any(use.reaches(standing.term.start) for use in learned.uses_of(meter))


def _fall_back(
    change: Change,
    was: Standing,
    standing: Uncovered,
    learned: Subscription,
    default: Policy,
    lines: Lines,
    now: datetime,
) -> Change:
    """Fall to the default plan, or to nothing. What the plan gave ends; what was bought stays.

    Coverage that came and went before we knew of it ended what was before it: the default plan begins afresh. An end that is
    only known better moves the period, and gives nothing.
    """
    balance = change.balance
    policy, since = standing.policy(default), standing.since or now
    term = Term(order_id=None, start=since)
    if isinstance(was, Covered):
        goes_on = since < balance.period.end
    elif since > balance.term.start:
        goes_on = any(use.reaches(since) for use in learned.uses_of(balance.meter))
    else:
        goes_on = policy.plan == balance.policy.plan
        gone = used_of_allowance(balance) if goes_on else ZERO
        return _give(
            _switch(change, policy, term, lines, now), gone, ZERO, used=balance.used_of_plan if goes_on else ZERO
        )
    if not goes_on:
        return start_term(change, policy, term, now, is_renewal=False)
    if isinstance(was, Covered):
        change = leave_record(change, now, min(since, now))
    return _give(_switch(change, policy, term, lines, now), ZERO, ZERO, used=ZERO)


def _switch(
    change: Change, policy: Policy, term: Term, lines: Lines, now: datetime, *, owes_here: bool = False
) -> Change:
    """Put another policy in the place of the open period's. Usage stays counted in it.

    Overage under another plan is due as it stands: the new plan neither forgives nor reprices it; unless the new policy
    ``owes_here``, having been in force when the units were used. Back under the plan and in the period of a line that has
    units due, those are open overage again.
    """
    old = change.balance
    _, period = window_in(term, policy.cadence, now)
    goes_on = policy.plan == old.policy.plan and term.order_id == old.term.order_id
    if not (goes_on or owes_here):
        change = make_due(change, old.overage, old.period.end)
    if not goes_on or period.start != old.period.start:
        change = _withdraw(change)
    begun = replace(
        change.balance.under(policy),
        term=term,
        period=period,
        charts=old.charts if period.start == old.period.start else 0,
        as_of=max(now, old.as_of),
        line_start=_line_start(old, period) if goes_on else None,
    )
    return resume_overage(replace(change, balance=begun), lines)


def _give(change: Change, gone: Decimal, rolled: Decimal, *, used: Decimal) -> Change:
    """Give the open period its allowance, and what came over into it, less what is ``gone``; the latter burns first.

    Only the difference to what it has left moves. What is given pays at once for open overage. ``used`` units are to count
    as used under the plan, whichever record has that usage.
    """
    balance = change.balance
    from_rolled = min(rolled, gone)
    allowance = balance.allowance
    wanted: dict[GrantKind, tuple[Decimal, Decimal]] = {
        "rollover": (rolled, rolled - from_rolled),
        "plan": (allowance, max(ZERO, allowance - (gone - from_rolled))),
    }
    grants = [grant for grant in balance.grants if not grant.is_periodic]
    for kind, (quantity, remaining) in wanted.items():
        held = sum((grant.remaining for grant in balance.grants if grant.kind == kind), ZERO)
        grant_id = periodic_grant_id(kind, balance.period.start)
        change = change.moved("granted", max(ZERO, remaining - held), grant_id)
        change = change.moved("clawed_back", max(ZERO, held - remaining), grant_id)
        if quantity > ZERO:
            start = balance.period.start
            grants.append(Grant(grant_id, kind, quantity, remaining, DEFAULT_PRIORITY[kind], starts_at=start))
    given = replace(balance, grants=tuple(grants), gone_before=gone, used_before=balance.used - used)
    return replace(change, balance=given).burn()


def _withdraw(change: Change) -> Change:
    """End what the open period gave, so that none of it rolls over into one that begins inside it."""
    for grant in change.balance.grants:
        if grant.is_periodic:
            change = change.moved("clawed_back" if grant.kind == "plan" else "expired", grant.remaining, grant.id)
    kept = tuple(grant for grant in change.balance.grants if not grant.is_periodic)
    return replace(change, balance=replace(change.balance, grants=kept))


def _retime(change: Change, term: Term) -> Change:
    """Move the bounds of the open period, now better known; nothing else changes."""
    if change.balance.term == term:
        return change
    change = change.burn()
    balance = change.balance
    # The middle of the old window lies in the new one: bounds move by hours, windows last longer.
    middle = balance.period.start + (balance.period.end - balance.period.start) / 2
    _, period = window_in(term, balance.policy.cadence, middle)
    grants = tuple(_of_period(grant, period.start) if grant.is_periodic else grant for grant in balance.grants)
    moved = replace(balance, term=term, period=period, grants=grants, line_start=_line_start(balance, period))
    return replace(change, balance=moved)


def _of_period(grant: Grant, start: datetime) -> Grant:
    """Return a periodic grant as that of the period that starts at ``start``."""
    return replace(grant, id=periodic_grant_id(grant.kind, start), starts_at=start)


def _line_start(old: Balance, period: Period) -> datetime | None:
    """Return the start under which the open period's line goes on when its bounds move."""
    return old.line.period_start if old.line.period_start != period.start else None
