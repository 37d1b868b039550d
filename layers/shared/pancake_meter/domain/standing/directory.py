"""The directory: of each customer a line that lists show, kept beside the customer's own items and never before them.

A line is a join of what the customer's items say: of several states of one item the newest one stands
(``BalanceFacts.segment``, ``OrdersFacts.version``). So it comes to the same in whatever order changes become known.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import Value, field, replace

CustomerStatus = Literal["active", "past_due", "blocked", "owing"]
"""The lists beside those by plan. ``active``: by the hour of the latest use, the latest first."""

CUSTOMER_STATUSES: tuple[CustomerStatus, ...] = ("active", "past_due", "blocked", "owing")


class BalanceFacts(Value):
    """What a line says of one meter. Only structure changes change it, and each of them opens a ``segment``."""

    segment: int
    plan: str | None = None
    blocked: str | None = None
    overage_due: Decimal = ZERO

    @classmethod
    def of(cls, balance: Balance) -> "BalanceFacts":
        """Return what a balance says."""
        return cls(balance.segment, balance.policy.plan, balance.blocked, balance.overage_due)


class OrdersFacts(Value):
    """What a line says of the orders that stand; ``version`` is the subscription's.

    ``blocked`` is why access is off to meters that the customer has not used yet, ``default`` the plan that governs these
    where no order stands.
    """

    version: int = 0
    plans: frozenset[str] = frozenset()
    is_past_due: bool = False
    is_trialing: bool = False
    is_canceling: bool = False
    is_bought_twice: bool = False
    blocked: str | None = None
    default: str | None = None

    @classmethod
    def of(cls, subscription: Subscription, default_plan: str | None = None) -> "OrdersFacts":
        """Return what a customer's orders say, beside the catalog's default plan."""
        live = subscription.live_orders
        return cls(
            subscription.version,
            frozenset(order.paid.plan.key for order in live if order.paid),
            is_past_due=any(order.is_past_due for order in live),
            is_trialing=any(order.paid is not None and order.paid.is_trial for order in live),
            is_canceling=any(order.is_canceling for order in live),
            is_bought_twice=bool(bought_twice(subscription)),
            blocked=subscription.blocked,
            default=default_plan,
        )


class DirectoryLine(Value):
    """One customer. ``active_at`` is the hour of the latest use. ``revision`` counts the writes; 0: not written yet."""

    customer_id: str
    meters: Mapping[str, BalanceFacts] = field(default_factory=dict)
    orders: OrdersFacts = OrdersFacts()
    active_at: datetime | None = None
    revision: int = 0

    def learn_balance(self, meter: str, facts: BalanceFacts) -> "DirectoryLine":
        """Return the line with a state of a balance, unless it knows a newer one."""
        known = self.meters.get(meter)
        if known is not None and known.segment >= facts.segment:
            return self
        return replace(self, meters={**self.meters, meter: facts})

    def learn_orders(self, facts: OrdersFacts) -> "DirectoryLine":
        """Return the line with a state of the orders, unless it knows a newer one."""
        return replace(self, orders=facts) if facts.version > self.orders.version else self

    def learn_use(self, at: datetime) -> "DirectoryLine":
        """Return the line with a use, which is known by the hour: so a busy customer costs a write an hour."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        return replace(self, active_at=hour) if self.active_at is None or hour > self.active_at else self

    @property
    def plans(self) -> frozenset[str]:
        """The plans that govern a meter, and those of the orders that stand; who has neither is on the default plan."""
        plans = self.orders.plans | {facts.plan for facts in self.meters.values() if facts.plan is not None}
        return plans or frozenset(() if self.orders.default is None else (self.orders.default,))

    @property
    def blocked(self) -> Mapping[str, str]:
        """Why access is off, by meter that the customer has used."""
        return {meter: facts.blocked for meter, facts in sorted(self.meters.items()) if facts.blocked is not None}

    @property
    def overage_due(self) -> Mapping[str, Decimal]:
        """Units of closed periods that are not paid, by meter."""
        return {meter: facts.overage_due for meter, facts in sorted(self.meters.items()) if facts.overage_due > ZERO}

    @property
    def statuses(self) -> frozenset[CustomerStatus]:
        """The lists that the customer is on, beside those by plan."""
        is_on: dict[CustomerStatus, bool] = {
            "active": self.active_at is not None,
            "past_due": self.orders.is_past_due,
            "blocked": bool(self.blocked) or self.orders.blocked is not None,
            "owing": bool(self.overage_due),
        }
        return frozenset(status for status, yes in is_on.items() if yes)
