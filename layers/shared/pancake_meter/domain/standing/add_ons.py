"""Add-ons: grants on top of whatever governs, once for each paid period of each add-on's order."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant
from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.standing.lifecycle import PeriodKey
from pancake_meter.domain.standing.subscription import Subscription, has_lapsed
from pancake_meter.domain.standing.use import PeriodUse


def give_add_ons(change: Change, subscription: Subscription, now: datetime) -> tuple[Change, Subscription]:
    """Bring the add-ons' grants of a balance to what the facts say: given, changed, or ended.

    What was used of a grant that changes is filed, so that its period never gives it twice.
    """
    wanted = _wanted(change.balance, subscription, now)
    if _terms(grant for grant in change.balance.grants if grant.kind == "add_on") == _terms(wanted.values()):
        return change, subscription
    change = change.burn()
    held = {grant.id: grant for grant in change.balance.grants if grant.kind == "add_on"}
    for grant in held.values():
        subscription = _file(change.balance, grant, subscription, now)
    wanted = _wanted(change.balance, subscription, now)
    for grant_id in sorted(wanted.keys() | held.keys()):
        left = held[grant_id].remaining if grant_id in held else ZERO
        more = (wanted[grant_id].remaining if grant_id in wanted else ZERO) - left
        change = change.moved("granted", max(ZERO, more), grant_id).moved("clawed_back", max(ZERO, -more), grant_id)
    others = (grant for grant in change.balance.grants if grant.kind != "add_on")
    as_of = max(change.balance.as_of, now)
    given = replace(change.balance, grants=(*others, *wanted.values()), as_of=as_of)
    return replace(change, balance=burn(given)), subscription


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


def _file(balance: Balance, grant: Grant, subscription: Subscription, now: datetime) -> Subscription:
    used = grant.quantity - grant.remaining
    for order in subscription.orders:
        for paid in order.all_periods:
            if used > ZERO and add_on_grant_id(order.order_id, paid.key) == grant.id:
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
