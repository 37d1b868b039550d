"""An overage policy as an attribute: a capped one is its limit, the two others are their names."""

from decimal import Decimal

from pancake_meter.domain.plan import OverageAllowed, OverageBlocked, OverageCapped, OveragePolicy


def overage_policy_attribute(policy: OveragePolicy) -> str | Decimal:
    """Return the attribute of a policy."""
    match policy:
        case OverageCapped(limit=limit):
            return limit
        case OverageBlocked():
            return "blocked"
        case OverageAllowed():
            return "allowed"


def overage_policy(attribute: str | Decimal) -> OveragePolicy:
    """Return the policy of an attribute."""
    if isinstance(attribute, Decimal):
        return OverageCapped(attribute)
    return OverageAllowed() if attribute == "allowed" else OverageBlocked()
