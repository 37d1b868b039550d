"""Orders that may have been bought twice: Waffo is asked whether both still stand, and the answer is kept as a fact.

``domain/standing/bought_twice.py`` decides from the facts. No webhook tells that an order goes on as before, so between two
renewals this is the only source.
"""

from collections.abc import Callable, Mapping
from typing import Final

from pancake_meter.domain.standing.bought_twice import Pair, bought_twice, to_confirm
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.usecases.reconciliation.run import Judged, Run
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.value import replace
from pancake_meter.waffo.snapshots import SubscriptionOrderSnapshot

ATTEMPTS_MAX: Final = 3
_STANDING: Final = frozenset({"active", "trialing", "past_due", "canceling"})
_CAUSE: Final = "reconciliation:orders_confirmed"

Snapshots = Mapping[str, SubscriptionOrderSnapshot]


def confirm_orders(
    run: Run, subscription: Subscription, heal: Callable[[SubscriptionOrderSnapshot], Judged]
) -> list[Judged]:
    """Confirm what may be bought twice; ``flagged`` where it is, and was not known to be.

    ``heal`` applies what a snapshot says of an order beyond what we know: that it has ended, for example.

    Raises:
        WaffoApiError: Waffo did not answer; the next run asks again.
        StoreBusy, StoreUnavailable: passing trouble.
    """
    pairs = to_confirm(subscription, run.now)
    if not pairs:
        return []
    snapshots: dict[str, SubscriptionOrderSnapshot] = {}
    results: list[Judged] = []
    for order_id in sorted({order_id for pair in pairs for order_id in pair}):
        snapshot = run.reconciling.waffo.subscription_order(order_id)
        if snapshot is not None:
            results.append(heal(snapshot))
            snapshots[order_id] = snapshot
    return [*results, _keep(run, subscription.customer_id, snapshots)]


def _keep(run: Run, customer_id: str, snapshots: Snapshots) -> Judged:
    """Keep what the snapshots say of the orders that still are a pair; say whether one is bought twice by that."""
    metering = run.reconciling.metering
    for _ in range(ATTEMPTS_MAX):
        books = CustomerBooks.read(metering, customer_id, run.now)
        before = books.learned
        for facts in _facts(before, to_confirm(before, run.now), snapshots, run):
            books = books.learn(facts)
        if books.learned == before:
            return "unchanged"
        try:
            metering.table.transact(books.writes(_CAUSE, None))
        except WriteRefused:
            continue
        return "flagged" if bought_twice(books.learned) - bought_twice(before) else "unchanged"
    raise StoreBusy("the customer's orders kept changing")


def _facts(known: Subscription, pairs: frozenset[Pair], snapshots: Snapshots, run: Run) -> list[OrderFacts]:
    """Return what the snapshots say: which order took the place of which, and of the other pairs that both stand."""
    facts = []
    for order in known.orders:
        replaced = {other.id for other in snapshots.values() if other.superseded_by_order_id == order.order_id}
        snapshot = snapshots.get(order.order_id)
        if snapshot is not None and snapshot.origin_order_id is not None:
            replaced.add(snapshot.origin_order_id)
        if replaced:
            facts.append(replace(order, replaces=order.replaces | replaced))
    told = {order_id for order in facts for order_id in order.replaces}
    for ids in sorted(pairs):
        orders, seen = [known.order(order_id) for order_id in ids], [snapshots.get(order_id) for order_id in ids]
        if told.isdisjoint(ids) and all(snapshot is not None and _stands(snapshot) for snapshot in seen):
            facts += [replace(order, seen_at=run.now) for order in orders if order is not None]
    return facts


def _stands(snapshot: SubscriptionOrderSnapshot) -> bool:
    return snapshot.status in _STANDING and snapshot.superseded_by_order_id is None
