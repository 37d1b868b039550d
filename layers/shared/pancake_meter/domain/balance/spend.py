"""Spending: the decision on a request, and the arithmetic of the hot writes.

The store performs the same arithmetic in DynamoDB without reading first; tests hold ``store/balance/spending.py`` to
these functions. None of them touches grants. The pace of holds while a payment is overdue stands beside it: ``throttle.py``.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.balance.balance import ZERO, Balance, day_key
from pancake_meter.domain.balance.hold import MAX_HOLDS, Hold, hold_name
from pancake_meter.value import Value, replace

RefusalReason = Literal[
    "quota_exhausted", "overage_cap_reached", "no_plan", "blocked", "too_many_holds", "past_due_throttled", "past_due"
]


class Refusal(Value):
    """Why units may not be spent now; ``detail`` is the reason kept with a blocked balance."""

    reason: RefusalReason
    detail: str | None = None


def refusal(balance: Balance, quantity: Decimal) -> Refusal | None:
    """Return why ``quantity`` more units may not be spent, or ``None`` when they may. Holds count against the balance."""
    if balance.blocked is not None:
        return Refusal("blocked", balance.blocked)
    if balance.is_uncapped or quantity <= balance.headroom:
        return None
    if balance.policy.is_unpaid:
        return Refusal("past_due")
    if balance.policy.allowance == ZERO and not balance.grants:
        return Refusal("no_plan")
    # A limit of the customer's own may have left nothing of the overage that the plan allows: that is a cap, too.
    return Refusal("overage_cap_reached" if balance.policy.allows_overage else "quota_exhausted")


def place_hold(balance: Balance, hold_id: str, hold: Hold) -> Balance | Refusal:
    """Reserve units. ``hold_id`` must be unused, the balance advanced and free of expired holds."""
    refused = refusal(balance, hold.quantity)
    if refused is not None:
        return refused
    if len(balance.holds) >= MAX_HOLDS:
        return Refusal("too_many_holds")
    return replace(balance, holds={**balance.holds, hold_name(hold_id): hold})


def release_hold(balance: Balance, hold_id: str) -> Balance:
    """End a hold with nothing used; without such a hold, nothing changes."""
    return replace(balance, holds=_without(balance.holds, hold_name(hold_id)))


def settle_hold(balance: Balance, hold_id: str, quantity: Decimal, used_at: datetime) -> Balance:
    """End a hold with what was really used: less than held is given back, more is counted all the same."""
    return record_usage(release_hold(balance, hold_id), quantity, used_at)


def record_usage(balance: Balance, quantity: Decimal, used_at: datetime) -> Balance:
    """Count usage that has happened. It is a fact: no limit refuses it."""
    day = day_key(used_at)
    days = {**balance.days, day: balance.days.get(day, ZERO) + quantity}
    return replace(balance, used=balance.used + quantity, days=days)


def _without(holds: Mapping[str, Hold], name: str) -> dict[str, Hold]:
    return {each: hold for each, hold in holds.items() if each != name}
