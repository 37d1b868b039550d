"""The subscription as an item: one per customer, versioned, written only together with the balances that follow it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.lifecycle import Bound, StatedPeriod
from pancake_meter.domain.standing.subscription import (
    Carried,
    EarlierPeriod,
    LeftPeriod,
    OrderFacts,
    PaidPeriod,
    PendingChange,
    PeriodKey,
    RefundedShare,
    Status,
    Subscription,
)
from pancake_meter.store.keys import customer_of, customer_partition, subscription_key
from pancake_meter.store.selling.plan_item import plan_from_item, plan_item
from pancake_meter.store.table import Check, Item, Put, Table

_LIVE_LISTING = "SUBSCRIPTIONS#live"


def read_subscription(table: Table, customer_id: str) -> Subscription | None:
    """Return what is known of a customer's orders, or ``None``: one read."""
    item = table.get(subscription_key(customer_id))
    return _subscription(customer_id, item) if item is not None else None


def subscription_unchanged(customer_id: str, subscription: Subscription | None) -> Check:
    """Return the demand that the subscription is as it was read."""
    if subscription is None:
        return Check(subscription_key(customer_id), "attribute_not_exists(PK)")
    return Check(subscription_key(customer_id), "version = :version", {":version": subscription.version})


def subscription_write(subscription: Subscription) -> Put:
    """Return the write of a grown subscription; its ``version`` is the one that was read."""
    item: dict[str, Any] = {
        **subscription_key(subscription.customer_id),
        "version": subscription.version + 1,
        "orders": [_order_item(order) for order in subscription.orders],
        "entered": {order_id: [_key_item(key) for key in keys] for order_id, keys in subscription.entered.items()},
        "carried": {meter: _carried_item(carried) for meter, carried in subscription.carried.items()},
        **_listed(subscription),
    }
    if subscription.left:
        item["left"] = {meter: [_left_item(period) for period in left] for meter, left in subscription.left.items()}
    if pairs := bought_twice(subscription):
        # For whoever looks at the item; it follows from the orders and is never read back.
        item["bought_twice"] = sorted({order_id for pair in pairs for order_id in pair})
    if subscription.version == 0:
        return Put(item, "attribute_not_exists(PK)")
    return Put(item, "version = :version", {":version": subscription.version})


def live_subscriptions(
    table: Table, *, limit: int, start: Mapping[str, Any] | None = None
) -> tuple[list[Subscription], Mapping[str, Any] | None]:
    """Return a page of the subscriptions with a live order, the one whose paid period ends first first, and its end.

    The listing lags behind by moments: it says which are worth a look, not how they stand.
    """
    items, following = table.query(
        "listing = :listing", {":listing": _LIVE_LISTING}, limit=limit, index="listing", start=start
    )
    return [_subscription(customer_of(item["PK"]), item) for item in items], following


def _listed(subscription: Subscription) -> dict[str, str]:
    ends = [order.paid.period.ends_at for order in subscription.live_orders if order.paid]
    if not ends:
        return {}
    return {"listing": _LIVE_LISTING, "listed_at": f"{timestamp(min(ends))}#{subscription.customer_id}"}


def _subscription(customer_id: str, item: Item) -> Subscription:
    return Subscription(
        customer_id=customer_id,
        orders=tuple(_order(order) for order in item["orders"]),
        carried={meter: _carried(carried) for meter, carried in item["carried"].items()},
        entered={order_id: tuple(_key(key) for key in keys) for order_id, keys in item["entered"].items()},
        left={meter: tuple(_left(period) for period in left) for meter, left in item.get("left", {}).items()},
        version=int(item["version"]),
    )


def _left_item(period: LeftPeriod) -> dict[str, Any]:
    start = to_ms(period.period_start)
    return {"order": period.order_id, "start": start, "gone": period.gone, "rolled": period.rolled}


def _left(item: Mapping[str, Any]) -> LeftPeriod:
    return LeftPeriod(item["order"], from_ms(item["start"]), item["gone"], item["rolled"])


def _order_item(order: OrderFacts) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": order.order_id,
        "began": [to_ms(instant) for instant in order.began],
        "is_plan_change": order.is_plan_change,
        "refunds": {payment_id: _refund_item(refund) for payment_id, refund in order.refunds.items()},
    }
    if order.paid is not None:
        item["paid"] = {
            "start": _bound_item(order.paid.period.start),
            "end": _bound_item(order.paid.period.end),
            "number": order.paid.period.number,
            "plan": plan_item(order.paid.plan),
            "sold_at": to_ms(order.paid.sold_at),
        }
    if order.changed_at is not None:
        item["changed_at"] = to_ms(order.changed_at)
    if order.replaces:
        item["replaces"] = sorted(order.replaces)
    if order.seen_at is not None:
        item["seen_at"] = to_ms(order.seen_at)
    if order.earlier:
        item["earlier"] = [_earlier_item(period) for period in order.earlier]
    if order.status is not None:
        item["status"] = _status_item(order.status)
    if order.ended_at is not None:
        item["ended_at"] = to_ms(order.ended_at)
    if order.pending is not None:
        pending = {"at": to_ms(order.pending.at), "is_scheduled": order.pending.is_scheduled}
        item["pending"] = pending if order.pending.plan_key is None else {**pending, "plan": order.pending.plan_key}
    return item


def _order(item: Mapping[str, Any]) -> OrderFacts:
    start, at = item["began"]
    return OrderFacts(
        order_id=item["id"],
        began=(from_ms(start), from_ms(at)),
        paid=_paid(item["paid"]) if "paid" in item else None,
        earlier=tuple(_earlier(period) for period in item.get("earlier", ())),
        status=_status(item["status"]) if "status" in item else None,
        ended_at=_instant(item, "ended_at"),
        is_plan_change=item["is_plan_change"],
        changed_at=_instant(item, "changed_at"),
        pending=_pending(item["pending"]) if "pending" in item else None,
        refunds={payment_id: _refund(refund) for payment_id, refund in item["refunds"].items()},
        replaces=frozenset(item.get("replaces", ())),
        seen_at=_instant(item, "seen_at"),
    )


def _paid(item: Mapping[str, Any]) -> PaidPeriod:
    period = StatedPeriod(_bound(item["start"]), _bound(item["end"]), int(item["number"]))
    return PaidPeriod(period, plan_from_item(item["plan"]), from_ms(item["sold_at"]))


def _pending(item: Mapping[str, Any]) -> PendingChange:
    return PendingChange(from_ms(item["at"]), item["is_scheduled"], item.get("plan"))


def _status_item(status: Status) -> dict[str, Any]:
    item = {"kind": status.kind, "period": _key_item(status.key), "at": to_ms(status.at)}
    return item if status.until is None else {**item, "until": to_ms(status.until)}


def _status(item: Mapping[str, Any]) -> Status:
    return Status(item["kind"], _key(item["period"]), from_ms(item["at"]), _instant(item, "until"))


def _earlier_item(period: EarlierPeriod) -> dict[str, Any]:
    return {
        "period": _key_item(period.key),
        "ends_at": to_ms(period.ends_at),
        "number": period.number,
        "plan": period.plan_key,
        "sold_at": to_ms(period.sold_at),
    }


def _earlier(item: Mapping[str, Any]) -> EarlierPeriod:
    return EarlierPeriod(
        _key(item["period"]), from_ms(item["ends_at"]), int(item["number"]), item["plan"], from_ms(item["sold_at"])
    )


def _key_item(key: PeriodKey) -> list[int]:
    start, number = key
    return [to_ms(start), number]


def _key(item: Sequence[int]) -> PeriodKey:
    start, number = item
    return from_ms(start), int(number)


def _refund_item(refund: RefundedShare) -> dict[str, Any]:
    item = {"share": refund.share, "paid_at": to_ms(refund.paid_at)}
    optional = {"number": refund.number, "rank": refund.rank or None}
    return item | {name: value for name, value in optional.items() if value is not None}


def _refund(item: Mapping[str, Any]) -> RefundedShare:
    number = item.get("number")
    paid_at, rank = from_ms(item["paid_at"]), int(item.get("rank", 0))
    return RefundedShare(item["share"], paid_at, None if number is None else int(number), rank)


def _carried_item(carried: Carried) -> dict[str, Any]:
    item = {"inherited": carried.inherited, "own": carried.own, "ends_at": to_ms(carried.ends_at)}
    return item if carried.window_start is None else {**item, "window_start": to_ms(carried.window_start)}


def _carried(item: Mapping[str, Any]) -> Carried:
    return Carried(item["inherited"], from_ms(item["ends_at"]), item["own"], _instant(item, "window_start"))


def _bound_item(bound: Bound) -> dict[str, Any]:
    return {"at": to_ms(bound.at), "is_day": bound.is_day}


def _bound(item: Mapping[str, Any]) -> Bound:
    return Bound(from_ms(item["at"]), item["is_day"])


def _instant(item: Mapping[str, Any], name: str) -> datetime | None:
    return from_ms(item[name]) if name in item else None


def is_known_customer(table: Table, customer_id: str) -> bool:
    """Whether anything is kept under this id: usage, a subscription, or a purchase."""
    items, _ = table.query("PK = :partition", {":partition": customer_partition(customer_id)}, limit=1)
    return bool(items)
