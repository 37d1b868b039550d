"""Limits of one customer on one meter, below what the plan allows: set by the operator, and by the customer.

They are part of the balance, not of its plan: so they hold across plan changes, renewals and resets, until they are removed.
Of several limits the lowest holds.
"""

from decimal import Decimal
from typing import Final, Self

from pancake_meter.domain.quantity import MAX_QUANTITY, SMALLEST_QUANTITY
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.plan import OverageAllowed, OverageBlocked, OverageCapped, OveragePolicy
from pancake_meter.domain.selling.pricing import Price, Prices, price_of, steps_of
from pancake_meter.value import Value, replace

_ZERO: Final = Decimal(0)


class SpendCap(Value):
    """What the customer spends on overage in a period at most: ``units``, or ``money`` and the units that it pays for.

    ``units`` is ``None`` where the money pays for any number. Units that were paid inside the period count.
    """

    units: Decimal | None
    money: Money | None = None

    @classmethod
    def of_money(cls, money: Money, prices: Prices) -> Self:
        """Return the cap that an amount comes to. In a currency without a price it allows nothing: nothing is charged."""
        price = prices.get(money.currency)
        return cls(units_for(money.amount, price) if price is not None else _ZERO, money)

    def priced(self, prices: Prices) -> Self:
        """Return the cap at other prices; one in units stays as it is."""
        return self.of_money(self.money, prices) if self.money is not None else self


class Limits(Value):
    """``allowance_cap`` and ``overage_cap`` are the operator's, ``spend_cap`` is the customer's; ``None`` sets none.

    ``allowance_cap``: units of the plan's allowance that a period grants. What is bought, given or rolled over comes on top.
    ``overage_cap``: units beyond every grant that the open period may hold at once, as the cap of a plan.
    """

    allowance_cap: Decimal | None = None
    overage_cap: Decimal | None = None
    spend_cap: SpendCap | None = None

    def allowance(self, of_plan: Decimal) -> Decimal:
        """Return the units that a period grants where the plan grants ``of_plan``."""
        return of_plan if self.allowance_cap is None else min(of_plan, self.allowance_cap)

    def overage(self, of_plan: OveragePolicy, spent: Decimal) -> OveragePolicy:
        """Return what is allowed beyond the grants. ``spent`` units of the period's overage are due or paid already."""
        if isinstance(of_plan, OverageBlocked):
            return of_plan
        caps = [of_plan.limit] if isinstance(of_plan, OverageCapped) else []
        if self.overage_cap is not None:
            caps.append(self.overage_cap)
        if self.spend_cap is not None and self.spend_cap.units is not None:
            caps.append(max(_ZERO, self.spend_cap.units - spent))
        return OverageCapped(min(caps)) if caps else OverageAllowed()

    def priced(self, prices: Prices) -> Self:
        """Return the limits under other prices."""
        return replace(self, spend_cap=self.spend_cap.priced(prices)) if self.spend_cap is not None else self


NO_LIMITS: Final = Limits()


def units_for(amount: Decimal, price: Price) -> Decimal | None:
    """Return the most units that cost no more than ``amount``, counted from zero; ``None`` where any number does.

    Where a volume price falls at a tier's start, units beyond the first that costs more are out of reach.
    """
    reached = _ZERO
    for end in (*steps_of(price), MAX_QUANTITY):
        first = reached + SMALLEST_QUANTITY
        if first > end:
            continue
        if price_of(price, first) > amount:
            return reached
        if price_of(price, end) > amount:
            return _last_within(amount, price, end)
        reached = end
    return None


def _last_within(amount: Decimal, price: Price, beyond: Decimal) -> Decimal:
    """Return the most units that cost no more than ``amount``: from some number on all up to ``beyond`` cost more."""
    low, high = 0, int(beyond / SMALLEST_QUANTITY)
    while high - low > 1:
        middle = (low + high) // 2
        if price_of(price, middle * SMALLEST_QUANTITY) <= amount:
            low = middle
        else:
            high = middle
    return low * SMALLEST_QUANTITY
