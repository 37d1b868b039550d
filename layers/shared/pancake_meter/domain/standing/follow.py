"""How balances follow the subscription: pure, and the same whatever the order in which events came.

The subscription says under which plan and term a customer stands (``subscription.py``). Here each balance is carried over
from where it stands to there. A new period starts with its allowance, once per order and period. Whatever else changes
inside a period (plan, fraction, order) carries along what is gone of the allowance, so that nothing is ever given twice.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from pancake_meter.domain.balance.adjust import resume_overage
from pancake_meter.domain.balance.advance import make_due, start_term
from pancake_meter.domain.balance.balance import ZERO, Balance, Policy, Term, burn, gone, rolled_over, window_in
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, GrantKind, periodic_grant_id
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.quantity import QUANTITY_DECIMAL_PLACES, normal_quantity
from pancake_meter.domain.selling.overage import Lines
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.subscription import (
    MAX_LEFT_PERIODS,
    Carried,
    Lead,
    LeadPeriod,
    LeftPeriod,
    PeriodKey,
    Subscription,
)

_STEP = Decimal(1).scaleb(-QUANTITY_DECIMAL_PLACES)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Covered:
    """A customer under a paid period of an order.

    ``inherits``: what was used under an earlier order counts. ``sold`` is the plan with nothing withheld. ``lead`` are the
    paid periods right before: what was not used of them rolls over. Those that no balance went through, because their
    events came late, roll over whole: nobody can have used their allowance.
    """

    order_id: str
    period_key: PeriodKey
    plan: Plan
    term: Term
    sold_at: datetime
    inherits: bool
    sold: Plan
    lead: Lead
    is_entered: bool


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A customer under the default plan, ``since`` the last coverage ended; ``None``: there never was one."""

    since: datetime | None = None


Standing = Covered | Uncovered


def standing_of(subscription: Subscription | None, now: datetime) -> Standing:
    """Return where the subscription puts the customer at ``now``."""
    if subscription is None:
        return Uncovered()
    order, coverage = subscription.governing, subscription.coverage(now)
    if order is None or order.paid is None or coverage is None or coverage.plan is None:
        return Uncovered(subscription.uncovered_since)
    entered = subscription.entered.get(order.order_id, ())
    return Covered(
        order.order_id,
        order.paid.period.key,
        coverage.plan,
        coverage.term,
        order.paid.sold_at,
        inherits=subscription.inherits(order),
        sold=order.paid.plan,
        lead=order.lead(entered),
        is_entered=order.paid.period.key in entered,
    )


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a balance's periods: ``carried`` of the last one that was left, ``left`` of more."""

    carried: Carried | None = None
    left: tuple[LeftPeriod, ...] = ()

    def leaving(self, period: LeftPeriod) -> "Memory":
        """Return the memory of one period more."""
        place = (period.order_id, period.period_start)
        others = (known for known in self.left if (known.order_id, known.period_start) != place)
        return replace(self, left=(period, *others)[:MAX_LEFT_PERIODS])

    def gone(self, covered: "Covered") -> Decimal:
        """What had gone of a period when it was left."""
        place = (covered.order_id, covered.period_key[0])
        return next((known.gone for known in self.left if (known.order_id, known.period_start) == place), ZERO)


def follow(
    change: Change,
    before: Standing,
    after: Standing,
    memory: Memory,
    fallback: Policy,
    lines: Lines,
    now: datetime,
) -> tuple[Change, Memory]:
    """Carry a balance, already advanced to ``now``, from one standing to another; return also what is to be remembered.

    ``fallback`` is the default plan's policy for the meter, ``lines`` are its overage lines with units due.
    """
    if isinstance(after, Covered):
        change, memory = _recall(change, memory)
    policy = change.balance.policy
    if isinstance(before, Covered) and not _is_same_period(before, after):
        gone = _left_behind(change.balance, memory.carried, before).inherited
        memory = memory.leaving(LeftPeriod(before.order_id, before.period_key[0], gone, rolled_over(change.balance)))
    change, carried = _move(change, before, after, memory, fallback, lines, now)
    if isinstance(after, Covered):
        change = _roll_over(change, before, after, policy, memory.left)
    return change, replace(memory, carried=carried)


def _move(
    change: Change,
    before: Standing,
    after: Standing,
    memory: Memory,
    fallback: Policy,
    lines: Lines,
    now: datetime,
) -> tuple[Change, Carried | None]:
    carried = memory.carried
    if isinstance(before, Uncovered):
        if isinstance(after, Uncovered):
            return _move_default(change, before, after, carried, fallback, lines, now), carried
        return _enter(change, after, carried, memory.gone(after), lines, now)
    if isinstance(after, Uncovered):
        return _drop(change, before, after, carried, fallback, lines, now)
    if before.order_id != after.order_id:
        left = _left_behind(change.balance, carried, before)
        return _enter(change, after, left, memory.gone(after), lines, now)
    if before.period_key != after.period_key:
        return start_term(change, Policy.of(after.plan, change.balance.meter), after.term, now), None
    return _stay(change, before, after, carried, lines, now)


def _is_same_period(before: Covered, after: Standing) -> bool:
    return isinstance(after, Covered) and (before.order_id, before.period_key) == (after.order_id, after.period_key)


def _recall(change: Change, memory: Memory) -> tuple[Change, Memory]:
    """Move what a balance knows of a period that lapsed into the memory: a late event proves that more was paid for."""
    lapsed = change.balance.lapsed
    if lapsed is None:
        return change, memory
    carried = memory.carried
    charged = carried.own + carried.inherited if carried and carried.window_start == lapsed.start else ZERO
    day = lapsed.start.replace(hour=0, minute=0, second=0, microsecond=0)
    start = day if lapsed.end - lapsed.start >= _DAY else lapsed.start
    gone = lapsed.gone + charged
    memory = memory.leaving(LeftPeriod(lapsed.order_id, start, gone, lapsed.rolled))
    change = replace(change, balance=replace(change.balance, lapsed=None))
    return change, replace(memory, carried=Carried(gone, lapsed.end))


def _move_default(
    change: Change,
    before: Uncovered,
    after: Uncovered,
    carried: Carried | None,
    fallback: Policy,
    lines: Lines,
    now: datetime,
) -> Change:
    """Begin the default plan where the coverage before it is now known to have ended.

    Coverage that came and went before we knew of it ended what was before it, or went on with a period that still runs: the
    default plan begins afresh. An end that is only known better moves the period, and gives nothing.
    """
    balance = change.balance
    if after.since is None or after.since in (before.since, balance.term.start):
        return change
    term = Term(order_id=None, start=after.since)
    if before.since is None or before.since < after.since:
        if carried is not None and carried.ends_at > after.since:
            return _switch(change, fallback, term, ZERO, lines, now)
        return start_term(_withdraw(change), fallback, term, now)
    return _switch(change, fallback, term, _used(balance), lines, now)


def _drop(
    change: Change,
    before: Covered,
    after: Uncovered,
    carried: Carried | None,
    fallback: Policy,
    lines: Lines,
    now: datetime,
) -> tuple[Change, Carried | None]:
    """Fall to the default plan. What the plan gave ends; what was bought stays."""
    balance = change.balance
    term = Term(order_id=None, start=after.since or now)
    left = _left_behind(balance, carried, before)
    if term.start < balance.period.end:
        return _switch(change, fallback, term, ZERO, lines, now), left
    return start_term(_withdraw(change), fallback, term, now), left


def _enter(
    change: Change, after: Covered, left: Carried | None, gone_before: Decimal, lines: Lines, now: datetime
) -> tuple[Change, Carried | None]:
    """Begin under another order. What is gone of a period that still runs counts by the new plan's quota policy.

    ``gone_before`` had gone of the period already, where it was left and begins to count again.
    """
    old = change.balance
    policy = Policy.of(after.plan, old.meter)
    runs = left is not None and left.ends_at > after.term.start
    if after.is_entered:
        # Back in a period that was left: what went from it then, and elsewhere since, is gone from it now. Where it had
        # lapsed, all of it went.
        gone = max(left.inherited, gone_before) if left and runs else policy.allowance
        begun = _switch(change, policy, after.term, gone, lines, now)
        return begun, Carried(ZERO, begun.balance.period.end, gone, begun.balance.period.start)
    if left is None or not runs:
        return start_term(_withdraw(change), policy, after.term, now), None
    inherited = _by_quota_policy(left.inherited, after, old, policy) if after.inherits else left.inherited
    begun = _switch(change, policy, after.term, inherited if after.inherits else ZERO, lines, now)
    return begun, Carried(inherited, left.ends_at, window_start=begun.balance.period.start)


def _stay(
    change: Change, before: Covered, after: Covered, carried: Carried | None, lines: Lines, now: datetime
) -> tuple[Change, Carried | None]:
    """Go on in the same paid period: with better known bounds, or with a changed allowance."""
    old = change.balance
    policy = Policy.of(after.plan, old.meter)
    charged = carried if carried and carried.window_start == old.period.start else None
    if policy.holds_per_minute != old.policy.holds_per_minute:
        change = _throttle(change, policy.holds_per_minute)
        old = change.balance
    if policy == old.policy and (charged is None or before.inherits == after.inherits):
        moved = _retime(change, after.term)
        return moved, replace(charged, window_start=moved.balance.period.start) if charged else carried
    used = _used(old) if policy.plan == old.policy.plan else gone(old)
    own, inherited = normal_quantity(used + (charged.own if charged else ZERO)), charged.inherited if charged else ZERO
    if policy.plan != old.policy.plan:
        own, inherited = _by_quota_policy(own + (inherited if after.inherits else ZERO), after, old, policy), ZERO
    elif inherited and after.inherits and not before.inherits:
        inherited = _by_quota_policy(inherited, after, old, policy)
    counted = inherited if after.inherits else ZERO
    begun = _switch(change, policy, after.term, own + counted, lines, now)
    ends_at = charged.ends_at if charged else old.period.end
    left = Carried(inherited, ends_at, own, begun.balance.period.start)
    return begun, left


def _switch(change: Change, policy: Policy, term: Term, gone: Decimal, lines: Lines, now: datetime) -> Change:
    """Put another allowance, less what is ``gone`` of it, in the place of the open period's.

    Usage stays counted in the open period. Overage under another plan is due as it stands: the new plan neither forgives
    nor reprices it. Back under the plan and in the period of a line that has units due, those are open overage again.
    """
    change = _withdraw(change)
    old = change.balance
    _, period = window_in(term, policy.cadence, now)
    rolled = [grant for grant in old.grants if grant.kind == "rollover"]
    if policy.plan != old.policy.plan:
        for grant in rolled:
            change = change.moved("expired", grant.remaining, grant.id)
        rolled = []
    goes_on = policy.plan == old.policy.plan and term.order_id == old.term.order_id
    if not goes_on:
        change = make_due(change, old.overage, old.period.end)
    kept = tuple(grant for grant in old.grants if not grant.is_periodic)
    begun = replace(
        change.balance,
        policy=policy,
        term=term,
        period=period,
        charts=0,
        as_of=max(now, old.as_of),
        used_before=old.used_before if goes_on else max(ZERO, old.used - gone),
        grants=(*kept, *(_of_period(grant, period.start) for grant in rolled)),
        line_start=_line_start(old, period) if goes_on else None,
    )
    resumed = resume_overage(replace(change, balance=begun), lines).burn()
    return _give(resumed, "plan", max(ZERO, policy.allowance - gone))


def _line_start(old: Balance, period: Period) -> datetime | None:
    """Return the start under which the open period's line goes on when its bounds move."""
    return old.line.period_start if old.line.period_start != period.start else None


def _roll_over(
    change: Change, before: Standing, after: Covered, policy_before: Policy, left: tuple[LeftPeriod, ...]
) -> Change:
    """Bring what rolled over into the open period to what it has to be, whatever the order in which events came."""
    balance = change.balance
    policy = balance.policy
    rolled = rolled_over(balance)
    target = _rolled(after, policy, balance.meter, left)
    if isinstance(before, Covered) and _is_same_period(before, after) and policy.plan == policy_before.plan:
        target = min(policy.rollover_maximum, max(ZERO, rolled + target - _rolled(before, policy, balance.meter, left)))
    else:
        # Windows of the paid period that went by before it was known were idle too.
        window, _ = window_in(after.term, policy.cadence, balance.period.start)
        sold = after.sold.allowances.get(balance.meter)
        target = _idle(target, window, policy, sold.quantity if sold else ZERO)
    if target >= rolled:
        return _give(change, "rollover", target - rolled)
    return _take_rollover(change, rolled - target)


def _rolled(covered: Covered, policy: Policy, meter: str, left: tuple[LeftPeriod, ...]) -> Decimal:
    """Return what rolls over into a paid period from those that lead up to it, as all that is known of them has it."""
    sold = covered.sold.allowances.get(meter)
    if sold is None or policy.rollover_maximum == ZERO:
        return ZERO
    known = {period.period_start: period for period in left if period.order_id == covered.order_id}
    rolled = None if covered.lead.is_cut else ZERO
    for period in covered.lead.periods:
        allowance = normal_quantity((sold.quantity * period.kept).quantize(_STEP, rounding=ROUND_DOWN))
        last_window = _last_window(period, policy)
        if (gone_through := known.get(period.start)) is not None:
            came = gone_through.rolled if rolled is None or last_window else rolled
            rolled = min(policy.rollover_maximum, max(ZERO, came + allowance - gone_through.gone))
        else:
            # A balance that went through it, longer ago than is remembered, had that counted in what is.
            rolled = None if period.is_entered else _idle(rolled or ZERO, last_window + 1, policy, allowance)
    return rolled or ZERO


def _last_window(period: LeadPeriod, policy: Policy) -> int:
    """Index of the last quota window of a paid period."""
    term = Term(None, period.start, period.end, period.end)
    return window_in(term, policy.cadence, period.end - _MILLISECOND)[0]


def _idle(rolled: Decimal, windows: int, policy: Policy, allowance: Decimal) -> Decimal:
    """Return what rolls over out of quota windows that nobody used."""
    return min(policy.rollover_maximum, rolled + windows * allowance)


def _take_rollover(change: Change, quantity: Decimal) -> Change:
    """Take back rolled-over units. What was used of them was used of the other grants, then."""
    change = change.burn()
    grants, owed = [], ZERO
    for grant in change.balance.grants:
        if grant.kind != "rollover":
            grants.append(grant)
            continue
        used = grant.quantity - grant.remaining
        kept = grant.quantity - quantity
        owed += max(ZERO, used - kept)
        if kept > ZERO:
            grants.append(replace(grant, quantity=kept, remaining=max(ZERO, kept - used)))
    taken = replace(change.balance, grants=tuple(grants), overage=change.balance.overage + owed)
    reference = periodic_grant_id("rollover", change.balance.period.start)
    return replace(change, balance=burn(taken)).moved("clawed_back", quantity, reference)


def _give(change: Change, kind: GrantKind, quantity: Decimal) -> Change:
    """Give units that live as long as the open period, on top of those of the same kind."""
    if quantity <= ZERO:
        return change
    change = change.burn()
    start = change.balance.period.start
    blank = Grant(periodic_grant_id(kind, start), kind, ZERO, ZERO, DEFAULT_PRIORITY[kind], starts_at=start)
    given = next((grant for grant in change.balance.grants if grant.kind == kind), blank)
    grown = replace(given, quantity=given.quantity + quantity, remaining=given.remaining + quantity)
    grants = (*(grant for grant in change.balance.grants if grant.kind != kind), grown)
    return replace(change, balance=burn(replace(change.balance, grants=grants))).moved("granted", quantity, grown.id)


def _left_behind(balance: Balance, carried: Carried | None, before: Covered) -> Carried:
    """Return what is gone of the allowance of a period that is left."""
    charged = carried if carried and carried.window_start == balance.period.start else None
    inherited = charged.inherited if charged and before.inherits else ZERO
    own = normal_quantity(gone(balance) + (charged.own if charged else ZERO))
    return Carried(own + inherited, balance.period.end)


def _by_quota_policy(gone: Decimal, after: Covered, old: Balance, policy: Policy) -> Decimal:
    """Return how much of the new plan's allowance is gone from the start."""
    match after.plan.quota_change:
        case "reset":
            return ZERO
        case "carry":
            return gone
        case "prorate":
            return _prorated(gone, after, old, policy)


def _prorated(gone: Decimal, after: Covered, old: Balance, policy: Policy) -> Decimal:
    """Each plan's allowance for its share of the period, less what is gone; a period that begins anew is the new plan's."""
    _, window = window_in(after.term, policy.cadence, after.sold_at)
    if old.period.start < window.start:
        return ZERO
    elapsed = min(max(after.sold_at, window.start), window.end) - window.start
    share = Decimal(elapsed // _MILLISECOND) / Decimal((window.end - window.start) // _MILLISECOND)
    prorated = (old.policy.allowance * share + policy.allowance * (1 - share)).quantize(_STEP, rounding=ROUND_DOWN)
    return normal_quantity(max(ZERO, policy.allowance - max(ZERO, prorated - gone)))


def _used(balance: Balance) -> Decimal:
    """Units of the open period's allowance that are used."""
    return sum((grant.quantity - grant.remaining for grant in burn(balance).grants if grant.kind == "plan"), ZERO)


def _withdraw(change: Change) -> Change:
    """End the plan's allowance of the open period, so that none of it rolls over into one that begins inside it."""
    change = change.burn()
    for grant in change.balance.grants:
        if grant.kind == "plan":
            change = change.moved("clawed_back", grant.remaining, grant.id)
    kept = tuple(grant for grant in change.balance.grants if grant.kind != "plan")
    return replace(change, balance=replace(change.balance, grants=kept))


def _throttle(change: Change, holds_per_minute: int | None) -> Change:
    """Let so many holds through each minute, or with ``None`` all; what was given and used stays as it is."""
    change = change.burn()
    policy = replace(change.balance.policy, holds_per_minute=holds_per_minute)
    return replace(change, balance=replace(change.balance, policy=policy))


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
