"""How balances follow the subscription: pure, and the same whatever the order in which events came.

The subscription says under which plan and term a customer stands (``subscription.py``). Here each balance is carried over
from where it stands to there. A new period starts with its allowance, once per order and period. Whatever else changes
inside a period (plan, fraction, order) carries along what is gone of the allowance, so that nothing is ever given twice.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from pancake_meter.domain.adjust import claw_back
from pancake_meter.domain.advance import start_term
from pancake_meter.domain.balance import ZERO, Balance, Policy, Term, burn, window_in
from pancake_meter.domain.change import Change
from pancake_meter.domain.grant import DEFAULT_PRIORITY, Grant
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.plan import Plan
from pancake_meter.domain.quantity import QUANTITY_DECIMAL_PLACES, normal_quantity
from pancake_meter.domain.subscription import Carried, PeriodKey, Subscription

_STEP = Decimal(1).scaleb(-QUANTITY_DECIMAL_PLACES)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Covered:
    """A customer under a paid period of an order.

    ``inherits``: what was used under an earlier order counts. ``unseen`` paid periods led up to this one that no balance
    went through, because their events came late: nobody can have used their allowance, and it rolls over like any other.
    """

    order_id: str
    period_key: PeriodKey
    plan: Plan
    term: Term
    sold_at: datetime
    inherits: bool
    unseen: int = 0


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
    return Covered(
        order.order_id,
        order.paid.period.key,
        coverage.plan,
        coverage.term,
        order.paid.sold_at,
        inherits=subscription.inherits(order),
        unseen=order.unseen_periods(subscription.entered.get(order.order_id, ())),
    )


def follow(
    change: Change, before: Standing, after: Standing, carried: Carried | None, fallback: Policy, now: datetime
) -> tuple[Change, Carried | None]:
    """Carry a balance, already advanced to ``now``, from one standing to another; return also what stays carried.

    ``fallback`` is the default plan's policy for the meter.
    """
    if isinstance(before, Uncovered):
        if isinstance(after, Uncovered):
            return _move_default(change, before, after, fallback, now), carried
        return _enter(change, after, carried, now)
    if isinstance(after, Uncovered):
        term = Term(order_id=None, start=after.since or now)
        return start_term(_withdraw(change), fallback, term, now), _left_behind(change.balance, carried, before)
    if before.order_id != after.order_id:
        return _enter(change, after, _left_behind(change.balance, carried, before), now)
    if before.period_key != after.period_key:
        return _begin(change, after, now), None
    return _stay(change, before, after, carried, now)


def _move_default(change: Change, before: Uncovered, after: Uncovered, fallback: Policy, now: datetime) -> Change:
    """Begin the default plan where the coverage before it is now known to have ended."""
    balance = change.balance
    if after.since is None or after.since in (before.since, balance.term.start):
        return change
    gone = _used(balance)
    moved = start_term(_withdraw(change), fallback, Term(order_id=None, start=after.since), now)
    return _take_off(moved, gone)


def _enter(change: Change, after: Covered, left: Carried | None, now: datetime) -> tuple[Change, Carried | None]:
    """Begin under another order. What is gone of a period that still runs counts by the new plan's quota policy."""
    old = change.balance
    policy = Policy.of(after.plan, old.meter)
    begun = _begin(_withdraw(change), after, now)
    if left is None or left.ends_at <= after.term.start:
        return begun, None
    inherited = _by_quota_policy(left.inherited, after, old, policy) if after.inherits else left.inherited
    kept = Carried(inherited, left.ends_at, window_start=begun.balance.period.start)
    return _take_off(begun, inherited if after.inherits else ZERO), kept


def _stay(
    change: Change, before: Covered, after: Covered, carried: Carried | None, now: datetime
) -> tuple[Change, Carried | None]:
    """Go on in the same paid period: with better known bounds, or with a changed allowance."""
    old = change.balance
    policy = Policy.of(after.plan, old.meter)
    charged = carried if carried and carried.window_start == old.period.start else None
    if policy == old.policy and (charged is None or before.inherits == after.inherits):
        moved = _roll_over(_retime(change, after.term), after.unseen - before.unseen)
        return moved, replace(charged, window_start=moved.balance.period.start) if charged else carried
    begun = _roll_over(start_term(_withdraw(change), policy, after.term, now), after.unseen - before.unseen)
    window_start = begun.balance.period.start
    own, inherited = _own(old, charged), charged.inherited if charged else ZERO
    if after.inherits and not before.inherits:
        inherited = _by_quota_policy(inherited, after, old, policy)
    counted = inherited if after.inherits else ZERO
    if policy.plan != old.policy.plan:
        own, inherited, counted = _by_quota_policy(own + counted, after, old, policy), ZERO, ZERO
    ends_at = charged.ends_at if charged else old.period.end
    return _take_off(begun, own + counted), Carried(inherited, ends_at, own, window_start)


def _begin(change: Change, after: Covered, now: datetime) -> Change:
    """Begin a paid period, with what rolls over from periods and windows before it that nobody went through."""
    policy = Policy.of(after.plan, change.balance.meter)
    idle, _ = window_in(after.term, policy.cadence, now)
    return _roll_over(start_term(change, policy, after.term, now), after.unseen + idle)


def _roll_over(change: Change, periods: int) -> Change:
    """Add the allowance of ``periods`` untouched periods to what rolled over into the open one, up to the plan's maximum."""
    balance = change.balance
    rolled = next((grant for grant in balance.grants if grant.kind == "rollover"), None)
    quantity = rolled.quantity if rolled else ZERO
    more = min(balance.policy.rollover_maximum, quantity + periods * balance.policy.allowance) - quantity
    if more <= ZERO:
        return change
    start = balance.period.start
    base = rolled or Grant(
        f"rollover:{timestamp(start)}", "rollover", ZERO, ZERO, DEFAULT_PRIORITY["rollover"], starts_at=start
    )
    grown = replace(base, quantity=base.quantity + more, remaining=base.remaining + more)
    change = change.burn()
    others = tuple(grant for grant in change.balance.grants if grant.kind != "rollover")
    added = burn(replace(change.balance, grants=(*others, grown)))
    return replace(change, balance=added).moved("granted", more, grown.id)


def _left_behind(balance: Balance, carried: Carried | None, before: Covered) -> Carried:
    """Return what is gone of the allowance of a period that is left."""
    charged = carried if carried and carried.window_start == balance.period.start else None
    inherited = charged.inherited if charged and before.inherits else ZERO
    return Carried(_own(balance, charged) + inherited, balance.period.end)


def _own(balance: Balance, charged: Carried | None) -> Decimal:
    return normal_quantity(_used(balance) + (charged.own if charged else ZERO))


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
    """End the plan's allowance of the open period, so that none of it rolls over into a period that begins inside it."""
    for grant in burn(change.balance).grants:
        if grant.kind == "plan":
            change, _ = claw_back(change, grant.id, grant.remaining)
    return change


def _take_off(change: Change, gone: Decimal) -> Change:
    """Take ``gone`` units off the allowance just given, down to nothing."""
    grant = next((grant for grant in change.balance.grants if grant.kind == "plan"), None)
    if grant is None or gone == ZERO:
        return change
    taken = min(gone, grant.quantity)
    left = replace(grant, quantity=grant.quantity - taken, remaining=grant.remaining - taken)
    others = tuple(held for held in change.balance.grants if held is not grant)
    grants = (*others, left) if left.quantity else others
    return replace(change, balance=replace(change.balance, grants=grants)).moved("clawed_back", taken, grant.id)


def _retime(change: Change, term: Term) -> Change:
    """Move the bounds of the open period, now better known; nothing else changes."""
    if change.balance.term == term:
        return change
    change = change.burn()
    balance = change.balance
    # The middle of the old window lies in the new one: bounds move by hours, windows last longer.
    middle = balance.period.start + (balance.period.end - balance.period.start) / 2
    _, period = window_in(term, balance.policy.cadence, middle)
    grants = tuple(
        replace(grant, id=f"{grant.kind}:{timestamp(period.start)}", starts_at=period.start)
        if grant.is_periodic
        else grant
        for grant in balance.grants
    )
    return replace(change, balance=replace(balance, term=term, period=period, grants=grants))
