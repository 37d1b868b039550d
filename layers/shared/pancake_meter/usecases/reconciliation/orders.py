"""The passes over subscription orders: those that Waffo calls live, and those that only we hold for live."""

from typing import Final

from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.store.standing.subscriptions import live_subscriptions, read_subscription
from pancake_meter.store.webhooks.deliveries import read_order_customer
from pancake_meter.usecases.reconciliation.confirm_orders import confirm_orders
from pancake_meter.usecases.reconciliation.run import Judged, Run, Tally, gravest
from pancake_meter.usecases.reconciliation.snapshot_events import missing_events, snapshot_body
from pancake_meter.waffo.pinning import check_snapshot_pinned
from pancake_meter.waffo.snapshots import Page, SubscriptionOrderSnapshot

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 20
HELD_PAGE_SIZE: Final = 50
HELD_PAGES_MAX: Final = 20


def reconcile_orders(run: Run) -> tuple[Tally, frozenset[str] | None]:
    """Compare what Waffo calls live with what we know; return also the ids seen, ``None`` when it was not the whole list.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    reconciling = run.reconciling
    seen: set[str] = set()
    offsets: list[int] = []

    def heal(snapshot: SubscriptionOrderSnapshot) -> Judged:
        seen.add(snapshot.id)
        return _heal(run, snapshot)

    def fetch(offset: int) -> Page[SubscriptionOrderSnapshot]:
        offsets.append(offset)
        return reconciling.waffo.subscription_orders(reconciling.store_id, limit=PAGE_SIZE, offset=offset)

    tally = run.walk_waffo(
        "orders", fetch, heal, of=lambda snapshot: snapshot.id, page_size=PAGE_SIZE, pages_max=PAGES_MAX
    )
    is_whole = offsets[:1] == [0] and not tally.is_left and not tally.failed_pages
    return tally, frozenset(seen) if is_whole else None


def reconcile_held_orders(run: Run, seen: frozenset[str] | None) -> Tally:
    """Ask Waffo about orders that we hold for live and did not see there, and about those that may be bought twice.

    Where not every live order was ``seen``, only those are asked about whose paid period is over: they should have been
    renewed, or have ended.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    waffo = run.reconciling.waffo

    def heal(subscription: Subscription) -> Judged:
        results: list[Judged] = ["unchanged"]
        for order in subscription.live_orders:
            if not _is_suspect(order, seen, run):
                continue
            snapshot = waffo.subscription_order(order.order_id)
            if snapshot is not None:
                results.append(_heal(run, snapshot))
        confirmed = confirm_orders(run, subscription, lambda snapshot: _heal(run, snapshot))
        table = run.reconciling.metering.table
        fresh = read_subscription(table, subscription.customer_id) if confirmed else subscription
        run.note_bought_twice(fresh or subscription, is_new="flagged" in confirmed)
        return gravest([*results, *confirmed])

    return run.walk_ours(
        "held_orders",
        lambda place: live_subscriptions(run.reconciling.metering.table, limit=HELD_PAGE_SIZE, start=place),
        heal,
        of=lambda subscription: subscription.customer_id,
        pages_max=HELD_PAGES_MAX,
    )


def _is_suspect(order: OrderFacts, seen: frozenset[str] | None, run: Run) -> bool:
    if seen is not None:
        return order.order_id not in seen
    return order.paid is not None and order.paid.period.ends_at <= run.now


def _heal(run: Run, snapshot: SubscriptionOrderSnapshot) -> Judged:
    """Apply what leads from what we know of the order to what the snapshot says: two reads when nothing does."""
    reconciling = run.reconciling
    check_snapshot_pinned(snapshot, reconciling.mode, reconciling.store_id)
    results: list[Judged] = ["unchanged"]
    for event in missing_events(snapshot, _known(run, snapshot.id), _plan(run, snapshot)):
        if event.is_proved or _is_paid(run, snapshot):
            body = snapshot_body(snapshot, event, reconciling.mode, reconciling.store_id)
            results.append(run.take(body, is_made=True))
    return gravest(results)


def _known(run: Run, order_id: str) -> OrderFacts | None:
    customer_id = read_order_customer(run.reconciling.metering.table, order_id)
    subscription = read_subscription(run.reconciling.metering.table, customer_id) if customer_id else None
    return subscription.order(order_id) if subscription else None


def _plan(run: Run, snapshot: SubscriptionOrderSnapshot) -> Plan | None:
    catalog = run.reconciling.metering.catalog
    resolved = catalog.resolve_plan(snapshot.product_metadata, snapshot.metadata, snapshot.product_name or "")
    return resolved.plan if resolved else None


def _is_paid(run: Run, snapshot: SubscriptionOrderSnapshot) -> bool:
    """Whether a charge succeeded for the very period that the snapshot states."""
    return snapshot.period_number in run.reconciling.waffo.paid_period_numbers(snapshot.id)
