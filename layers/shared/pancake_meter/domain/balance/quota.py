"""The quota: what a customer may know of a balance at an instant."""

from decimal import Decimal

from pancake_meter.domain.balance.balance import ZERO, Balance


def spoken_for_share(balance: Balance) -> Decimal:
    """Share of the period's units that is used or held: 0 to 1, 1 also where there is nothing to use."""
    left, used = max(ZERO, balance.net), balance.used_of_plan
    return min(Decimal(1), (used + balance.held) / (used + left)) if left else Decimal(1)


def alert_threshold(balance: Balance) -> Decimal | None:
    """Return the highest alert threshold that usage and holds together have reached, if any.

    Holds count: a customer whose calls are in flight must see the warning before the refusal, not after it.
    """
    share = spoken_for_share(balance)
    return max((threshold for threshold in balance.policy.alert_thresholds if share >= threshold), default=None)
