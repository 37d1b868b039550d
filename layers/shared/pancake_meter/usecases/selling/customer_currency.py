"""The currency in which something is sold to a customer: one answer for price lists, checkouts and purchase links."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from pancake_meter.catalog import Catalog
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.held_order import HeldOrder, held_by
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.usecases.selling.waffo_orders import WaffoOrders


@dataclass(slots=True)
class CustomerCurrency:
    """Decides it: the currency ``requested``, else that of the customer's order, else the catalog's.

    Events tell the currency of an order. Of one that an earlier version kept, Waffo is asked where the catalog sells plans
    in several currencies. ``is_guessed``: it was asked in vain, and the catalog's currency stands for the order's. Without
    ``orders`` nobody is asked: that is for pages that show prices beside others, and lead to one that asks.
    """

    catalog: Catalog
    orders: WaffoOrders | None
    customer_id: str | None
    subscription: Subscription | None
    requested: str | None
    now: datetime
    is_guessed: bool = False
    _asked: dict[str, str | None] = field(default_factory=dict)

    @property
    def usual(self) -> str:
        """The currency that most of it is sold in: that of the customer's best order."""
        return self._any(())[0]

    def of_units(self, meter: str) -> tuple[str, ...]:
        """Return the currencies in which units of a meter may be sold: the first that there is a price in counts."""
        return self._any(frozenset({meter}))

    def of_plan(self, plan: Plan) -> tuple[str, ...]:
        """Return the same of a plan. A change of an order keeps the order's currency."""
        meters = frozenset(plan.allowances)
        changed = held_by(self.subscription, plan, meters, self.now)
        if changed is None or self.requested is not None:
            return self._any(meters)
        return (self._of(changed) or self.catalog.checkout.currency,)

    def _any(self, meters: Collection[str]) -> tuple[str, ...]:
        if self.requested is not None:
            return (self.requested,)
        held, usual = held_by(self.subscription, None, meters, self.now), self.catalog.checkout.currency
        own = self._of(held) if held is not None else None
        return (usual,) if own in (None, usual) else (own, usual)

    def _of(self, held: HeldOrder) -> str | None:
        is_told = held.currency is not None or not self.catalog.sells_plans_in_several_currencies
        if is_told or self.customer_id is None or self.orders is None:
            return held.currency
        if held.order_id not in self._asked:
            standing = self.orders.as_it_stands(held, self.customer_id)
            self._asked[held.order_id] = standing.currency if standing is not None else None
            self.is_guessed |= standing is not None and standing.currency is None
        return self._asked[held.order_id]
