"""One customer as an operator sees one: read from the customer's own items, each as of the latest write."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from pancake_meter.domain.balance.balance import ZERO, Balance
from pancake_meter.domain.errors import CustomerNotFound
from pancake_meter.domain.selling.checkout import Checkout
from pancake_meter.domain.selling.money import Money, round_half_up
from pancake_meter.domain.standing.bought_twice import Pair, bought_twice
from pancake_meter.domain.standing.order import OrderFacts, PendingChange
from pancake_meter.domain.standing.subscription import Subscription, has_lapsed
from pancake_meter.store.selling.checkouts import latest_checkouts
from pancake_meter.store.selling.order_actions import OrderAction, list_actions
from pancake_meter.store.standing.subscriptions import is_known_customer, read_subscription
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.selling.owed_overage import read_owed
from pancake_meter.value import Value, replace

ACTIONS_SHOWN_MAX: Final = 10
"""Of each order, the latest."""

OrderState = Literal["active", "trialing", "past_due", "canceling", "lapsed", "superseded", "ended"]
CustomerFlag = Literal["blocked", "past_due", "bought_twice", "owes_overage", "refund_debt", "checkout_flagged"]


class ShownOrder(Value):
    """An order, and how it stands. ``governs`` are the meters whose plan it is, ``change`` is the plan change to come.

    ``actions`` are what operators, and the customer in the portal, had Waffo do with it, the latest first.
    """

    order: OrderFacts
    state: OrderState
    governs: tuple[str, ...]
    change: PendingChange | None = None
    actions: tuple[OrderAction, ...] = ()


class Owed(Value):
    """What a checkout could sell of a meter's overage now, in each currency that it has a price in."""

    meter: str
    units: Decimal
    amounts: tuple[Money, ...]


class ShownCustomer(Value):
    """A customer. ``balances`` are of every meter of the catalog, as they are now, written or not."""

    customer_id: str
    balances: Sequence[Balance]
    orders: Sequence[ShownOrder]
    bought_twice: Sequence[Pair]
    owed: Sequence[Owed]
    checkouts: Sequence[Checkout]

    @property
    def flags(self) -> list[CustomerFlag]:
        """What a person may want to look at."""
        is_so: Mapping[CustomerFlag, bool] = {
            "blocked": any(balance.blocked is not None for balance in self.balances),
            "past_due": any(shown.state == "past_due" for shown in self.orders),
            "bought_twice": bool(self.bought_twice),
            "owes_overage": any(balance.overage_due > ZERO for balance in self.balances),
            "refund_debt": any(balance.refund_debt > ZERO for balance in self.balances),
            "checkout_flagged": any(checkout.flag is not None for checkout in self.checkouts),
        }
        return [flag for flag, yes in is_so.items() if yes]


def show_customer(metering: Metering, customer_id: str, now: datetime) -> ShownCustomer:
    """Return a customer: about six reads, and some more for each meter with overage.

    Raises:
        CustomerNotFound: nothing is kept under this id.
    """
    if not is_known_customer(metering.table, customer_id):
        raise CustomerNotFound("nothing is kept of this customer")
    return as_it_stands(metering, customer_id, now)


def as_it_stands(metering: Metering, customer_id: str, now: datetime) -> ShownCustomer:
    """Return what a customer has now: of one whom nobody has seen yet, what the default plan gives."""
    balances = metering.current_balances(customer_id, now)
    subscription = read_subscription(metering.table, customer_id) or Subscription(customer_id)
    checkouts = latest_checkouts(metering.table, customer_id)
    return ShownCustomer(
        customer_id,
        balances,
        _with_actions(metering, customer_id, shown_orders(subscription, balances, now)),
        sorted(bought_twice(subscription)),
        [_owed(metering, balance, subscription, now) for balance in balances if _owes(balance)],
        [each for each in checkouts if each.status_at(now) == "open" or each.flag is not None],
    )


def _with_actions(metering: Metering, customer_id: str, orders: Sequence[ShownOrder]) -> Sequence[ShownOrder]:
    if not orders:
        return orders
    actions = list_actions(metering.table, customer_id)
    return [
        replace(
            shown, actions=tuple(each for each in actions if each.order_id == shown.order.order_id)[:ACTIONS_SHOWN_MAX]
        )
        for shown in orders
    ]


def shown_orders(subscription: Subscription, balances: Sequence[Balance], now: datetime) -> list[ShownOrder]:
    """Return the orders that were paid for or are on trial, and how each stands."""
    governing = {balance.meter: subscription.governing(balance.meter, now) for balance in balances}
    return [
        ShownOrder(
            order,
            _state(subscription, order, now),
            tuple(
                meter for meter, other in governing.items() if other is not None and other.order_id == order.order_id
            ),
            _change_to_come(subscription, order),
        )
        for order in subscription.orders
        if order.paid is not None
    ]


def _change_to_come(subscription: Subscription, order: OrderFacts) -> PendingChange | None:
    """Return what is scheduled for an order: Waffo tells it of that order, or of the one that will take its place.

    The order to come has no period yet. Of several orders it is for the newest that it may replace.
    """
    if order.ended_at is not None or order.order_id in subscription.superseded:
        return None
    if order.pending is not None and order.pending.is_scheduled:
        return order.pending
    if order.order_id not in (each.order_id for each in subscription.live_plans[:1]):
        return None
    to_come = (each.pending for each in subscription.orders if not each.all_periods and each.ended_at is None)
    return max((each for each in to_come if each and each.is_scheduled), key=lambda each: each.at, default=None)


def _state(subscription: Subscription, order: OrderFacts, now: datetime) -> OrderState:
    if order.ended_at is not None:
        return "ended"
    if order.order_id in subscription.superseded:
        return "superseded"
    if order.is_past_due:
        return "past_due"
    if has_lapsed(order, now):
        return "lapsed"
    if order.is_canceling:
        return "canceling"
    return "trialing" if order.paid is not None and order.paid.is_trial else "active"


def _owes(balance: Balance) -> bool:
    return balance.overage_due > ZERO or balance.current_overage > ZERO


def _owed(metering: Metering, balance: Balance, subscription: Subscription, now: datetime) -> Owed:
    prices = metering.prices(subscription, balance.policy.plan, balance.meter)
    owed = [read_owed(metering, balance.customer_id, balance.meter, currency, now) for currency in sorted(prices)]
    amounts = tuple(round_half_up(max(ZERO, each.total), each.currency) for each in owed)
    return Owed(balance.meter, balance.overage_due + balance.current_overage, amounts)
