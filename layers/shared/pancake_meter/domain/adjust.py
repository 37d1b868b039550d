"""Structure changes that events bring: grants given and taken back, due overage paid, expired holds dropped, access cut.

Every function takes a balance already advanced to ``now`` (inside the same ``Change``) and returns the grown change.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance import ZERO, burn
from pancake_meter.domain.change import Change
from pancake_meter.domain.errors import TooManyGrants
from pancake_meter.domain.grant import MAX_GRANTS, Grant


def add_grant(change: Change, grant: Grant, now: datetime) -> Change:
    """Add a grant. It pays at once for overage of the open period: overage is what lies beyond *every* grant.

    Raises:
        TooManyGrants: the balance has ``MAX_GRANTS`` live grants already.
    """
    change = change.burn()
    live = tuple(held for held in change.balance.grants if held.remaining > ZERO or held.is_periodic)
    if len(live) >= MAX_GRANTS:
        raise TooManyGrants("the balance has as many grants as it can carry", limit=MAX_GRANTS)
    grown = replace(change.balance, grants=(*live, grant), as_of=max(change.balance.as_of, now))
    return replace(change, balance=burn(grown)).moved("granted", grant.quantity, grant.id)


def pay_overage(change: Change, quantity: Decimal, credit: Grant, now: datetime) -> Change:
    """Settle ``quantity`` paid units: first overage due from closed periods, then the rest as a grant.

    The grant pays for overage of the open period, or is credit where none is left: paid units always end somewhere.
    ``credit`` is the grant to use for the rest; its quantities are set here.
    """
    due_paid = min(quantity, change.balance.overage_due)
    change = change.burn()
    settled = replace(change.balance, overage_due=change.balance.overage_due - due_paid)
    change = replace(change, balance=settled).moved("overage_paid", due_paid)
    rest = quantity - due_paid
    if rest == ZERO:
        return change
    return add_grant(change, replace(credit, quantity=rest, remaining=rest), now)


def claw_back(change: Change, grant_id: str, quantity: Decimal) -> tuple[Change, Decimal]:
    """Take up to ``quantity`` unused units of a grant back; return the change and the shortfall that was gone already.

    The shortfall stays with the balance as a debt: never below zero, and never forgotten.
    """
    change = change.burn()
    taken = min(quantity, sum((grant.remaining for grant in change.balance.grants if grant.id == grant_id), ZERO))
    grants = tuple(
        replace(grant, remaining=grant.remaining - taken) if grant.id == grant_id else grant
        for grant in change.balance.grants
    )
    shortfall = quantity - taken
    after = replace(change.balance, grants=grants, refund_debt=change.balance.refund_debt + shortfall)
    change = (
        replace(change, balance=after).moved("clawed_back", taken, grant_id).moved("refund_owed", shortfall, grant_id)
    )
    return change, shortfall


def drop_expired_holds(change: Change, now: datetime) -> Change:
    """End the holds whose time is up: their units are available again."""
    over = {hold_id: hold for hold_id, hold in change.balance.holds.items() if hold.expires_at <= now}
    if not over:
        return change
    change = change.burn()
    for hold_id, hold in over.items():
        change = change.moved("hold_expired", hold.quantity, hold_id)
    live = {hold_id: hold for hold_id, hold in change.balance.holds.items() if hold_id not in over}
    return replace(change, balance=replace(change.balance, holds=live))


def set_blocked(change: Change, reason: str | None) -> Change:
    """Cut access with a reason, or give it back with ``None``."""
    if change.balance.blocked == reason:
        return change
    change = change.burn()
    return replace(change, balance=replace(change.balance, blocked=reason))
