"""Alerts of a balance: what its change from one state to the next means to the customer.

They are about edges. A balance that stays above a threshold says nothing new; where it comes back over one in the same
period, the alert has the same meaning, and does not ring again.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.alerts.alert import JSON, Alert, AlertType
from pancake_meter.domain.balance.balance import ZERO, Balance, burn
from pancake_meter.domain.balance.spend import Refusal
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.quantity import format_quantity

_NOTHING_TO_USE: Final = Decimal(1)
NOT_RUNG: Final = frozenset({"too_many_holds", "past_due_throttled"})
"""Refusals that pass by themselves within a minute."""


def quota_alerts(before: Balance | None, after: Balance, now: datetime) -> Iterator[Alert]:
    """Yield the alerts of a change of a balance: the reset first, then thresholds from the lowest, then what is owed."""
    is_same_period = before is not None and before.period.start == after.period.start
    if before is not None and before.period.start < after.period.start and before.used > ZERO:
        # Who used nothing has waited for nothing.
        yield _alert("quota.reset", after, timestamp(after.period.start), now, {})
    yield from _thresholds(before if is_same_period else None, after, now)
    if before is not None and after.overage_due > before.overage_due:
        # Units of the open period become due when the customer asks to pay them: that is no news to the customer.
        is_asked_for = is_same_period and after.spent > before.spent
        if not is_asked_for:
            yield _alert("overage.due", after, timestamp(after.period.start), now, {})


def refused_alert(balance: Balance, refusal: Refusal, wanted: Decimal, now: datetime) -> Alert | None:
    """Return the alert of a refusal, the first of a period; ``None`` for one that passes by itself.

    Who has used nothing yet has no period: what is shown begins with each request. In its place stands the month.
    """
    if refusal.reason in NOT_RUNG:
        return None
    data: dict[str, JSON] = {"reason": refusal.reason, "detail": refusal.detail, "wanted": wanted}
    period = timestamp(balance.period.start) if balance.segment else f"{now:%Y-%m}"
    return _alert("quota.refused", balance, period, now, data)


def grant_alert(balance: Balance, grant_id: str, expires_at: datetime, now: datetime) -> Alert | None:
    """Return the alert of a grant that expires soon; ``None`` where it is gone, used up, over, or expires another time."""
    grants = (grant for grant in burn(balance).grants if grant.id == grant_id and grant.expires_at == expires_at)
    grant = next(grants, None)
    if grant is None or grant.remaining <= ZERO or expires_at <= now:
        return None
    data: dict[str, JSON] = {
        "grant": {
            "id": grant.id,
            "kind": grant.kind,
            "quantity": grant.quantity,
            "remaining": grant.remaining,
            "expires_at": timestamp(expires_at),
        }
    }
    return _alert("grant.expiring", balance, f"{timestamp(expires_at)}#{grant.id}", now, data)


def used_share(balance: Balance) -> Decimal:
    """Share of the period's units that is used, 0 to 1; 1 where there is nothing to use. Holds are not used yet."""
    left, used = max(ZERO, balance.net), max(ZERO, balance.used_of_plan)
    return used / (used + left) if left else _NOTHING_TO_USE


def quota_figures(balance: Balance) -> dict[str, JSON]:
    """Return what an alert says of a balance, in the words of the quota. Quantities are units of the meter."""
    return {
        "plan": balance.policy.plan,
        "allowance": balance.allowance,
        "used": balance.used_of_plan,
        "held": balance.held,
        "available": balance.available,
        "overage": balance.current_overage,
        "overage_due": balance.overage_due,
        "overage_limit": None if balance.is_uncapped else balance.overage_limit,
        "period": {"start": timestamp(balance.period.start), "end": timestamp(balance.period.end)},
        "resets_at": timestamp(balance.period.end),
    }


def _thresholds(before: Balance | None, after: Balance, now: datetime) -> Iterator[Alert]:
    """Yield an alert for each threshold that usage has just reached; ``before`` is of the same period."""
    if after.used_of_plan <= ZERO:
        return
    reached = used_share(before) if before is not None else _share_at_first(after)
    share = used_share(after)
    new = sorted(each for each in after.policy.alert_thresholds if reached < each <= share)
    for threshold in new:
        data: dict[str, JSON] = {"threshold": threshold, "highest_threshold": new[-1], "share": _rounded(share)}
        subject = f"{timestamp(after.period.start)}#{format_quantity(threshold)}"
        yield _alert("quota.threshold_reached", after, subject, now, data)


def _share_at_first(after: Balance) -> Decimal:
    """Share of the units that is used before any is: all of it where there were none, for nobody reaches a share of them."""
    return ZERO if after.net + after.used_of_plan > ZERO else _NOTHING_TO_USE


def _rounded(share: Decimal) -> Decimal:
    return share.quantize(Decimal("0.0001"))


def _alert(kind: AlertType, balance: Balance, subject: str, now: datetime, data: dict[str, JSON]) -> Alert:
    return Alert(
        meaning=f"{kind}#{balance.customer_id}#{balance.meter}#{subject}",
        type=kind,
        customer_id=balance.customer_id,
        meter=balance.meter,
        occurred_at=now,
        data={**data, "quota": quota_figures(balance)},
    )
