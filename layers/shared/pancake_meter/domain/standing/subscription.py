"""The subscription: a customer's orders as facts, and beside them what balances used of their periods."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Final

from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.errors import TooManyOrders
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.selling.pricing import Price
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import CHANGE_MAX, Funded, PaidPeriod
from pancake_meter.domain.standing.use import PeriodUse, filed
from pancake_meter.value import Value, field, replace

MAX_ORDERS: Final = 20
"""Orders of a customer that stand, at most; and as many orders are remembered in full, of the others an outline."""

ORDERS_NOT_SOLD: Final = 5
"""Places among these that no sale fills."""


class Subscription(Value, dict=True):
    """A customer's orders, newest first, and per meter what was used of their periods (``use.py``), newest first.

    The orders are facts, and a join. The uses are not: they say what has happened here while the facts became known.
    ``blocked`` is the operator's reason where all access is cut off: balances that are opened later are born blocked.
    ``version`` counts the writes of the item; 0 means that it is not written yet.
    """

    customer_id: str
    orders: tuple[OrderFacts, ...] = ()
    uses: Mapping[str, tuple[PeriodUse, ...]] = field(default_factory=dict)
    blocked: str | None = None
    version: int = 0

    def learn(self, facts: OrderFacts) -> "Subscription":
        """Return the subscription with the facts joined in; the same value when they are no news.

        Raises:
            TooManyOrders: more orders would stand than can be remembered.
        """
        known = {order.order_id: order for order in self.orders}
        before = known.get(facts.order_id)
        known[facts.order_id] = before.join(facts) if before else facts
        newest_first = sorted(known.values(), key=lambda order: (order.began, order.order_id), reverse=True)
        return _with_outlines(replace(self, orders=tuple(newest_first)))

    def file(self, meter: str, use: PeriodUse) -> "Subscription":
        """Return the subscription with a use of a period added to what is filed of it.

        Uses that nothing can ask for any more are forgotten.
        """
        of_meter, *others = filed(self.uses_of(meter), use)
        kept = (of_meter, *(other for other in others if self._may_ask_for(other)))
        return replace(self, uses={**self.uses, meter: kept})

    def amend(self, meter: str, use: PeriodUse, *, gone: Decimal, rolled: Decimal) -> "Subscription":
        """Return the subscription with units added to a use that is filed."""
        more = replace(use, gone=use.gone + gone, rolled=use.rolled + rolled)
        uses = tuple(more if each == use else each for each in self.uses_of(meter))
        return replace(self, uses={**self.uses, meter: uses})

    def _may_ask_for(self, use: PeriodUse) -> bool:
        """Whether a use counts somewhere: in its own period while that is remembered, or in one of an order beside it."""
        return any(
            (order.order_id, paid.key) == (use.order_id, use.key) or paid.key[0] <= use.until <= paid.period.ends_at
            for order in self.orders
            for paid in order.all_periods
            if any(sale.plan.allowances for sale in paid.statements)
        )

    def uses_of(self, meter: str) -> tuple[PeriodUse, ...]:
        """Return what is filed of a meter."""
        return self.uses.get(meter, ())

    def order(self, order_id: str | None) -> OrderFacts | None:
        """Return what is known of an order."""
        return next((order for order in self.orders if order.order_id == order_id), None)

    def prices_sold(self, plan_key: str | None, meter: str) -> Mapping[str, Price] | None:
        """Return the prices of a meter in a plan as it was last sold to the customer; ``None`` where it never was."""
        sold = (order.paid.plan for order in self.orders if order.paid and order.paid.plan.key == plan_key)
        plan = next(sold, None)
        allowance = plan.allowances.get(meter) if plan else None
        return allowance.prices if allowance else None

    @cached_property
    def superseded(self) -> frozenset[str]:
        """Ids of the orders in whose place a plan change has put another, for good."""
        return frozenset(order_id for replaced in self.replaced.values() for order_id in replaced)

    @cached_property
    def replaced(self) -> Mapping[str, frozenset[str]]:
        """Per order the ids of those whose place it took.

        Which order a change replaced is known from our checkout or from Waffo. Until it is, a change is supposed to have
        replaced the one order that stood before it; where several did, nobody can tell which, and none is taken as replaced.
        It is asked for again and again.
        """
        return self._replaced()

    def _replaced(self) -> Mapping[str, frozenset[str]]:
        replaced = {order.order_id: order.replaces for order in self.orders if order.paid and order.replaces}
        gone = {order_id for ids in replaced.values() for order_id in ids}
        for change in reversed(self.orders):
            if change.came_by_change and not change.replaces and not change.is_add_on:
                stood = [
                    order.order_id
                    for order in self.orders
                    if order.began < change.began
                    and order.order_id not in gone
                    and not order.is_add_on
                    and order.stood_at(change.began[1])
                ]
                if len(stood) == 1:
                    replaced[change.order_id] = frozenset(stood)
                    gone.update(stood)
        return replaced

    @cached_property
    def live_orders(self) -> tuple[OrderFacts, ...]:
        """Paid orders that neither ended nor were superseded, newest first."""
        superseded = self.superseded
        return tuple(
            order for order in self.orders if order.paid and order.ended_at is None and order.order_id not in superseded
        )

    @cached_property
    def live_plans(self) -> tuple[OrderFacts, ...]:
        """The live orders that are no add-ons, newest first. Of two for one meter, one was bought twice."""
        return tuple(order for order in self.live_orders if not order.is_add_on)

    @cached_property
    def live_add_ons(self) -> tuple[OrderFacts, ...]:
        """The live orders of add-ons, newest first."""
        return tuple(order for order in self.live_orders if order.is_add_on)

    @property
    def can_carry_another(self) -> bool:
        """Whether an order may be sold beside those that stand, without its payment meeting a customer who has too many.

        Some places stay free for payments that nobody asks us about: those of payment pages that are open, of a page that is
        paid twice, or of what Waffo sells without us.
        """
        return len(self.live_orders) < MAX_ORDERS - ORDERS_NOT_SOLD

    def governing(self, meter: str, now: datetime) -> OrderFacts | None:
        """Return the order that governs a meter at ``now``, or ``None`` where no plan covers the customer.

        Of the live orders whose paid period still counts: one whose plan grants the meter before one whose plan is silent,
        then the highest rank, then the newest. Orders never add up. One that gives less than it sold, because money went
        back or is overdue, takes nothing away from another that gives more.
        """
        covering = [(order, order.paid) for order in self.live_plans if order.paid and not has_lapsed(order, now)]
        given = {order.order_id: _units(self.plan(order, paid), meter) for order, paid in covering}
        standing = [
            (order, paid.plan)
            for order, paid in covering
            if given[order.order_id] in (max(given.values()), _units(paid.plan, meter))
        ]
        # The first of equals is the newest.
        best = max(standing, key=lambda held: (meter in held[1].allowances, held[1].rank), default=None)
        return best[0] if best else None

    def plan(self, order: OrderFacts, paid: PaidPeriod) -> Plan:
        """Return the plan of an order's period as it counts, with the money of the orders whose place it took."""
        return order.plan(paid, self.replaced_by(order, paid))

    def granted(self, order: OrderFacts, paid: PaidPeriod, meter: str) -> Decimal:
        """Return the units of a meter that an order's period grants by its money, overdue or not."""
        return paid.allowance(meter, order.charges_of(paid), self.replaced_by(order, paid))

    def replaced_by(self, order: OrderFacts, paid: PaidPeriod) -> tuple[Funded, ...]:
        """Return the periods that ran when a plan change put this one in their place, with their money.

        A trial has none, and a change that waited for the end of the period replaced nothing of it.
        """
        if paid.key[0] > order.began[0]:
            return ()
        replaced: list[Funded] = []
        for earlier in (self.order(order_id) for order_id in sorted(self.replaced.get(order.order_id, ()))):
            before = earlier.period_at(order.began[1]) if earlier and earlier.began < order.began else None
            if earlier is None or before is None or before.is_trial:
                continue
            if before.period.ends_at - CHANGE_MAX > paid.statements[0].sold_at:
                replaced += (Funded(before, tuple(earlier.charges_of(before))), *self.replaced_by(earlier, before))
        return tuple(replaced)

    def cut_off(self, now: datetime) -> OrderFacts | None:
        """Return the order whose access has ended because it is not paid, where no other covers the customer."""
        if any(not has_lapsed(order, now) for order in self.live_plans):
            return None
        return next((order for order in self.live_plans if order.paid and order.term(order.paid).is_unpaid_after), None)

    @property
    def uncovered_since(self) -> datetime | None:
        """When the last coverage ended, or will; ``None`` where there never was one."""
        superseded = self.superseded
        plans = (order for order in self.orders if order.paid and not order.is_add_on)
        ends = (_covered_until(order) for order in plans if order.order_id not in superseded)
        return max(ends, default=None)


def _with_outlines(subscription: Subscription) -> Subscription:
    """Keep but the outline of the orders that ended first, where there are too many to keep all in full.

    What was used of an order counts under another whose paid period it ran in, and so may its money. It stays as long as
    that period is remembered.
    """
    live = subscription.live_orders
    if len(live) > MAX_ORDERS:
        raise TooManyOrders("the customer has as many orders that stand as can be remembered", limit=MAX_ORDERS)
    in_full = [order for order in subscription.orders if not order.is_outline]
    beside = [paid for order in live or subscription.orders[:1] for paid in order.all_periods]
    ended = [(order.ended_at, order.order_id) for order in in_full if order.ended_at and not _ran_beside(order, beside)]
    reduced = {order_id for _, order_id in sorted(ended)[: max(0, len(in_full) - MAX_ORDERS)]}
    orders = (order.outline() if order.order_id in reduced else order for order in subscription.orders)
    return replace(subscription, orders=tuple(orders))


def _ran_beside(order: OrderFacts, periods: Iterable[PaidPeriod]) -> bool:
    """Whether an order ran, in part, in one of these periods of others."""
    begins, ends = order.began[0], order.paid.period.ends_at if order.paid else order.began[1]
    return any(ends >= period.key[0] and begins <= period.period.ends_at for period in periods)


def _units(plan: Plan, meter: str) -> Decimal:
    allowance = plan.allowances.get(meter)
    return allowance.quantity if allowance else ZERO


def has_lapsed(order: OrderFacts, now: datetime) -> bool:
    """Whether the latest paid period of an order no longer counts."""
    lapses_at = order.term(order.paid).lapses_at if order.paid else now
    return lapses_at is not None and lapses_at <= now


def _covered_until(order: OrderFacts) -> datetime:
    ends = [order.ended_at, order.term(order.paid).lapses_at if order.paid else None]
    return min(end for end in ends if end is not None)
