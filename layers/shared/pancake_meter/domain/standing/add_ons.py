"""Add-ons: grants on top of whatever governs, once for each paid period of each add-on's order."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.standing.lifecycle import PeriodKey
from pancake_meter.domain.standing.subscription import Subscription, has_lapsed
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.value import replace


def give_add_ons(
    change: Change, known: Subscription | None, subscription: Subscription, now: datetime
) -> tuple[Change, Subscription]:
    """Bring the add-ons' grants of a balance to what the facts say: given, changed, or ended.

    What was used of a grant that changes is filed, so that its period never gives it twice. ``known`` are the facts that the
    balance follows until now.
    """
    change, subscription = _pay_as_bought(change, known, subscription, now)
    wanted = _wanted(change.balance, subscription, now)
    if _terms(grant for grant in change.balance.grants if grant.kind == "add_on") == _terms(wanted.values()):
        return change, subscription
    change = change.burn()
    held = {grant.id: grant for grant in change.balance.grants if grant.kind == "add_on"}
    for grant in held.values():
        used = grant.quantity - grant.remaining
        subscription = _filed(change.balance, grant.id, used, subscription, now)
    wanted = _wanted(change.balance, subscription, now)
    for grant_id in sorted(wanted.keys() | held.keys()):
        left = held[grant_id].remaining if grant_id in held else ZERO
        more = (wanted[grant_id].remaining if grant_id in wanted else ZERO) - left
        change = change.moved("granted", max(ZERO, more), grant_id).moved("clawed_back", max(ZERO, -more), grant_id)
    others = (grant for grant in change.balance.grants if grant.kind != "add_on")
    as_of = max(change.balance.as_of, now)
    given = replace(change.balance, grants=(*others, *wanted.values()), as_of=as_of)
    return replace(change, balance=burn(given)), subscription


def _pay_as_bought(
    change: Change, known: Subscription | None, learned: Subscription, now: datetime
) -> tuple[Change, Subscription]:
    """Let periods that are told of only now, and are refunded or over already, pay for open overage.

    Each pays with what was sold, as it would have, had it been told of in time: what it has paid for stays paid.
    """
    if change.balance.current_overage == ZERO:
        return change, learned
    change = change.burn()
    wanted = _wanted(change.balance, learned, now)
    for order in learned.orders:
        before = known.order(order.order_id) if known else None
        told = {paid.key for paid in before.all_periods} if before else set()
        for paid in order.all_periods:
            sold, grant_id = paid.plan.allowances.get(change.balance.meter), add_on_grant_id(order.order_id, paid.key)
            if (
                not paid.plan.add_on
                or sold is None
                or paid.key in told
                or _was_given(change.balance, grant_id, learned)
            ):
                continue
            given = wanted[grant_id].quantity if grant_id in wanted else ZERO
            ends_at = min(order.ended_at or paid.period.ends_at, paid.period.ends_at)
            pays = min(sold.quantity, change.balance.overage)
            if given < sold.quantity and paid.period.start.at <= now and ends_at > change.balance.period.start:
                learned = _filed(change.balance, grant_id, pays, learned, now)
                less = replace(change.balance, overage=change.balance.overage - pays)
                change = replace(change, balance=less).moved("granted", pays, grant_id)
    return change, learned


def _was_given(balance: Balance, grant_id: str, subscription: Subscription) -> bool:
    uses = subscription.uses_of(balance.meter)
    is_held = any(grant.id == grant_id for grant in balance.grants)
    return is_held or any(add_on_grant_id(use.order_id, use.key) == grant_id for use in uses)


def _wanted(balance: Balance, subscription: Subscription, now: datetime) -> dict[str, Grant]:
    """Return by id the grants that the facts say, each less what is filed of it."""
    wanted = {}
    for order in subscription.live_add_ons:
        paid = order.paid
        allowance = subscription.plan(order, paid).allowances.get(balance.meter) if paid else None
        if paid is None or allowance is None or has_lapsed(order, now):
            continue
        term, grant_id = order.term(paid), add_on_grant_id(order.order_id, paid.key)
        place = (order.order_id, paid.key)
        filed = sum((u.gone for u in subscription.uses_of(balance.meter) if (u.order_id, u.key) == place), ZERO)
        quantity, priority = max(ZERO, allowance.quantity - filed), DEFAULT_PRIORITY["add_on"]
        wanted[grant_id] = Grant(grant_id, "add_on", quantity, quantity, priority, term.start, term.lapses_at)
    return wanted


def _filed(balance: Balance, grant_id: str, used: Decimal, subscription: Subscription, now: datetime) -> Subscription:
    """Return the subscription with what was used of a period's grant."""
    for order in subscription.orders:
        for paid in order.all_periods:
            if used > ZERO and add_on_grant_id(order.order_id, paid.key) == grant_id:
                term, sold_at = order.term(paid), paid.sales[-1].sold_at
                window = Period(term.start, term.lapses_at or now)
                use = PeriodUse(order.order_id, paid.key, sold_at, window, now, used)
                return subscription.file(balance.meter, use)
    return subscription


def add_on_grant_id(order_id: str, key: PeriodKey) -> str:
    """Id of what an add-on's period gives: the same however often it is told, and however well its bounds are known."""
    start, number = key
    return f"add_on:{order_id}:{start:%Y-%m-%dT%H%M%S}" + (f":{number}" if number else "")


def _terms(grants: Iterable[Grant]) -> set[tuple[object, ...]]:
    return {(grant.id, grant.quantity, grant.starts_at, grant.expires_at) for grant in grants}
