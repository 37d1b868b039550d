"""Bought twice: two subscription orders of one customer that both stand and both grant one meter.

The customer pays for both and gets what the better one gives, so a person has to look. An add-on beside a plan, or beside
another add-on, is no such pair: its units come on top. The same add-on twice is one.

Two orders that stand for a moment are usual: a plan change makes a new order and ends the old one, and the events arrive in
any order. So a pair is flagged only once both orders are known to have stood an hour after the newer one began. That is a
fact of Waffo's own times: a renewal, another event of its life, or GraphQL asked by reconciliation. The flag follows from
the facts alone, whatever the order in which they arrived, and is gone once one of the two ends.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription

PATIENCE: Final = timedelta(hours=1)
"""How long two orders may stand before they count as bought twice. Waffo's retries of a webhook end after about half."""

Pair = tuple[str, str]
"""The ids of two orders, the newer one first."""


def bought_twice(subscription: Subscription) -> frozenset[Pair]:
    """Return the pairs of orders that both stood an hour after the newer one began."""
    return frozenset(
        (newer.order_id, older.order_id)
        for newer, older in _rivals(subscription)
        if min(_stood_at(newer), _stood_at(older)) >= _waits_until(newer, older)
    )


def to_confirm(subscription: Subscription, now: datetime) -> frozenset[Pair]:
    """Return the pairs that may have been bought twice at ``now``, and that Waffo has to be asked about."""
    due = ((pair[0].order_id, pair[1].order_id) for pair in _rivals(subscription) if _waits_until(*pair) <= now)
    return frozenset(due) - bought_twice(subscription)


def _rivals(subscription: Subscription) -> Iterator[tuple[OrderFacts, OrderFacts]]:
    """Pairs of orders that stand as far as we know and grant one meter, the newer one first."""
    return (pair for pair in combinations(subscription.live_orders, 2) if _are_rivals(*pair))


def _are_rivals(left: OrderFacts, right: OrderFacts) -> bool:
    one, other = (order.paid.plan for order in (left, right) if order.paid)
    return one.is_rival_of(other) and not one.allowances.keys().isdisjoint(other.allowances)


def _waits_until(newer: OrderFacts, older: OrderFacts) -> datetime:
    return max(newer.began[1], older.began[1]) + PATIENCE


def _stood_at(order: OrderFacts) -> datetime:
    """The latest instant at which the order is known to have stood."""
    known = (order.status.at if order.status else None, order.paid.sold_at if order.paid else None, order.seen_at)
    return max(at for at in known if at is not None)
