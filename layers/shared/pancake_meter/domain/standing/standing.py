"""Standing: what a customer's orders come to for one meter, a pure function of the facts."""

from datetime import datetime

from pancake_meter.domain.balance.balance import Balance, Policy, Term
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import PeriodKey
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Funded, PaidPeriod
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.value import Value


class Covered(Value):
    """A meter under a paid period of an order."""

    order: OrderFacts
    paid: PaidPeriod
    replaced: tuple[Funded, ...] = ()

    @property
    def place(self) -> tuple[str, PeriodKey]:
        """The order and the period."""
        return self.order.order_id, self.paid.key

    @property
    def term(self) -> Term:
        """The span in which the period grants."""
        return self.order.term(self.paid)

    @property
    def plan(self) -> Plan:
        """The plan as it counts now."""
        return self.order.plan(self.paid, self.replaced)


class Uncovered(Value):
    """A meter without a paid period, ``since`` the last coverage ended; ``None``: there never was one.

    The default plan counts then. With ``unpaid`` not even that: the order of this plan still runs, and is not paid.
    """

    since: datetime | None = None
    unpaid: Plan | None = None

    def policy(self, default: Policy) -> Policy:
        """Return what counts; ``default`` is the default plan's policy."""
        return Policy.unpaid(self.unpaid.key) if self.unpaid else default


Standing = Covered | Uncovered


def standing_of(subscription: Subscription | None, meter: str, now: datetime) -> Standing:
    """Return where the facts put a meter of the customer at ``now``."""
    if subscription is None:
        return Uncovered()
    order = subscription.governing(meter, now)
    if order is not None and order.paid is not None:
        return Covered(order, order.paid, subscription.replaced_by(order, order.paid))
    cut_off = subscription.cut_off(now)
    if cut_off is not None and cut_off.paid is not None:
        return Uncovered(cut_off.term(cut_off.paid).lapses_at, cut_off.paid.plan)
    return Uncovered(subscription.uncovered_since)


def place_of(balance: Balance, *subscriptions: Subscription | None) -> Standing:
    """Return where a balance stands: in the period that its term is of, by the first of these facts that have it."""
    for subscription in subscriptions:
        order = subscription.order(balance.term.order_id) if subscription else None
        for paid in order.all_periods if order else ():
            if order is not None and paid.period.start.at == balance.term.start:
                return Covered(order, paid)
    return Uncovered(balance.term.start)


def plan_at(subscription: Subscription | None, meter: str, now: datetime) -> Plan | None:
    """Return the plan of the order that governs a meter; ``None``: the default plan, or nothing, counts."""
    standing = standing_of(subscription, meter, now)
    return standing.plan if isinstance(standing, Covered) else None
