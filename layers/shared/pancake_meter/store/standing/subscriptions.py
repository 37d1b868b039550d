"""The subscription as an item: one per customer, versioned, written only together with the balances that follow it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.errors import SubscriptionTooLarge
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.lifecycle import Bound, PeriodKey, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts, PendingChange, Status
from pancake_meter.domain.standing.paid_period import Charged, PaidPeriod, Sale
from pancake_meter.domain.standing.subscription import Subscription
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.store.keys import customer_of, customer_partition, subscription_key
from pancake_meter.store.selling.plan_item import plan_from_item, plan_item
from pancake_meter.store.standing.first_format import order_of_first_format, uses_of_first_format
from pancake_meter.store.table import ITEM_BYTES_MAX, Check, Item, Put, Table, stored_bytes

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
    """Return the write of a grown subscription; its ``version`` is the one that was read.

    Raises:
        SubscriptionTooLarge: DynamoDB would not take the item.
    """
    item = subscription_item(subscription)
    if (size := stored_bytes(item)) > ITEM_BYTES_MAX:
        raise SubscriptionTooLarge("the customer's orders and their plans are more than can be kept", bytes=size)
    if subscription.version == 0:
        return Put(item, "attribute_not_exists(PK)")
    return Put(item, "version = :version", {":version": subscription.version})


def subscription_item(subscription: Subscription) -> dict[str, Any]:
    """Return the item of a grown subscription."""
    item: dict[str, Any] = {
        **subscription_key(subscription.customer_id),
        "version": subscription.version + 1,
        "orders": [_order_item(order) for order in subscription.orders],
        "uses": {meter: [_use_item(use) for use in uses] for meter, uses in subscription.uses.items()},
        **_listed(subscription),
    }
    if subscription.blocked is not None:
        item["blocked"] = subscription.blocked
    if pairs := bought_twice(subscription):
        # For whoever looks at the item; it follows from the orders and is never read back.
        item["bought_twice"] = sorted({order_id for pair in pairs for order_id in pair})
    return item


def live_subscriptions(
    table: Table, *, limit: int, start: Mapping[str, Any] | None = None
) -> tuple[list[Subscription], Mapping[str, Any] | None]:
    """Return a page of the subscriptions with a live order, the one whose paid period ends first first, and its end.

    The listing lags behind by moments: it says which are worth a look, not how they stand.
    """
    items, following = table.query(
        "listing = :listing", {":listing": _LIVE_LISTING}, limit=limit, index="listing", start=start
    )
    return [subscription_from_item(item) for item in items], following


def subscription_from_item(item: Item) -> Subscription:
    """Return the subscription of an item."""
    return _subscription(customer_of(item["PK"]), item)


def _listed(subscription: Subscription) -> dict[str, str]:
    ends = [order.paid.period.ends_at for order in subscription.live_orders if order.paid]
    if not ends:
        return {}
    return {"listing": _LIVE_LISTING, "listed_at": f"{timestamp(min(ends))}#{subscription.customer_id}"}


def _subscription(customer_id: str, item: Item) -> Subscription:
    is_first = "carried" in item
    orders = tuple((order_of_first_format if is_first else _order)(order) for order in item["orders"])
    if is_first:
        uses = uses_of_first_format(item, orders)
    else:
        uses = {meter: tuple(_use(use) for use in uses) for meter, uses in item["uses"].items()}
    return Subscription(customer_id, orders, uses, item.get("blocked"), version=int(item["version"]))


def _order_item(order: OrderFacts) -> dict[str, Any]:
    plans: list[Plan] = []
    item: dict[str, Any] = {
        "id": order.order_id,
        "began": [to_ms(instant) for instant in order.began],
        "is_plan_change": order.is_plan_change,
        "periods": [_period_item(paid, plans) for paid in order.periods],
        "charges": {payment_id: _charge_item(charge) for payment_id, charge in order.charges.items()},
        # Each plan once, however many periods it was sold in.
        "plans": [plan_item(plan) for plan in plans],
        "changed_at": _ms(order.changed_at),
        "replaces": sorted(order.replaces) or None,
        "seen_at": _ms(order.seen_at),
        "billing_period": order.billing_period,
        "currency": order.currency,
        "status": _status_item(order.status) if order.status else None,
        "ended_at": _ms(order.ended_at),
        "pending": _pending_item(order.pending) if order.pending else None,
    }
    return _present(item)


def _order(item: Mapping[str, Any]) -> OrderFacts:
    start, at = item["began"]
    plans = [plan_from_item(plan) for plan in item["plans"]]
    return OrderFacts(
        order_id=item["id"],
        began=(from_ms(start), from_ms(at)),
        periods=tuple(_period(period, plans) for period in item["periods"]),
        status=_status(item["status"]) if "status" in item else None,
        ended_at=_instant(item, "ended_at"),
        is_plan_change=item["is_plan_change"],
        changed_at=_instant(item, "changed_at"),
        pending=_pending(item["pending"]) if "pending" in item else None,
        charges={payment_id: _charge(charge) for payment_id, charge in item["charges"].items()},
        replaces=frozenset(item.get("replaces", ())),
        seen_at=_instant(item, "seen_at"),
        billing_period=item.get("billing_period"),
        currency=item.get("currency"),
    )


def _period_item(paid: PaidPeriod, plans: list[Plan]) -> dict[str, Any]:
    return {
        "start": _bound_item(paid.period.start),
        "end": _bound_item(paid.period.end),
        "number": paid.period.number,
        "numbers": sorted(paid.numbers),
        "sold": [_sale_item(sale, plans) for sale in paid.statements],
    }


def _period(item: Mapping[str, Any], plans: Sequence[Plan]) -> PaidPeriod:
    period = StatedPeriod(_bound(item["start"]), _bound(item["end"]), int(item["number"]))
    statements = tuple(_sale(sale, plans) for sale in item["sold"])
    return PaidPeriod(period, statements, frozenset(int(number) for number in item["numbers"]))


def _sale_item(sale: Sale, plans: list[Plan]) -> dict[str, Any]:
    if sale.plan not in plans:
        plans.append(sale.plan)
    item = {"plan": plans.index(sale.plan), "at": to_ms(sale.sold_at), "price": sale.price, "trial": sale.is_trial}
    return _present(item)


def _sale(item: Mapping[str, Any], plans: Sequence[Plan]) -> Sale:
    return Sale(plans[int(item["plan"])], from_ms(item["at"]), item.get("trial"), item.get("price"))


def _charge_item(charge: Charged) -> dict[str, Any]:
    item = {
        "charged": charge.charged,
        "refunded": charge.refunded,
        "paid_at": to_ms(charge.paid_at),
        "number": charge.number,
        "plan": charge.plan,
        "price": charge.price,
        "refunded_at": _ms(charge.refunded_at),
        "facts": charge.revision,
    }
    return _present(item)


def _charge(item: Mapping[str, Any]) -> Charged:
    return Charged(
        charged=item["charged"],
        refunded=item["refunded"],
        paid_at=from_ms(item["paid_at"]),
        number=int(item["number"]) if "number" in item else None,
        plan=item.get("plan"),
        price=item.get("price"),
        refunded_at=_instant(item, "refunded_at"),
        revision=int(item["facts"]),
    )


def _use_item(use: PeriodUse) -> dict[str, Any]:
    return {
        "order": use.order_id,
        "period": _key_item(use.key),
        "sold_at": to_ms(use.sold_at),
        "window": [to_ms(use.window.start), to_ms(use.window.end)],
        "until": to_ms(use.until),
        "gone": use.gone,
        "rolled": use.rolled,
    }


def _use(item: Mapping[str, Any]) -> PeriodUse:
    start, end = item["window"]
    return PeriodUse(
        order_id=item["order"],
        key=_key(item["period"]),
        sold_at=from_ms(item["sold_at"]),
        window=Period(from_ms(start), from_ms(end)),
        until=from_ms(item["until"]),
        gone=item["gone"],
        rolled=item["rolled"],
    )


def _pending_item(pending: PendingChange) -> dict[str, Any]:
    return _present({"at": to_ms(pending.at), "is_scheduled": pending.is_scheduled, "plan": pending.plan_key})


def _pending(item: Mapping[str, Any]) -> PendingChange:
    return PendingChange(from_ms(item["at"]), item["is_scheduled"], item.get("plan"))


def _status_item(status: Status) -> dict[str, Any]:
    item = {"kind": status.kind, "period": _key_item(status.key), "at": to_ms(status.at), "until": _ms(status.until)}
    return _present(item)


def _status(item: Mapping[str, Any]) -> Status:
    return Status(item["kind"], _key(item["period"]), from_ms(item["at"]), _instant(item, "until"))


def _key_item(key: PeriodKey) -> list[int]:
    start, number = key
    return [to_ms(start), number]


def _key(item: Sequence[int]) -> PeriodKey:
    start, number = item
    return from_ms(start), int(number)


def _bound_item(bound: Bound) -> dict[str, Any]:
    return {"at": to_ms(bound.at), "is_day": bound.is_day}


def _bound(item: Mapping[str, Any]) -> Bound:
    return Bound(from_ms(item["at"]), item["is_day"])


def _present(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}


def _ms(instant: datetime | None) -> int | None:
    return to_ms(instant) if instant is not None else None


def _instant(item: Mapping[str, Any], name: str) -> datetime | None:
    return from_ms(item[name]) if name in item else None


def is_known_customer(table: Table, customer_id: str) -> bool:
    """Whether anything is kept under this id: usage, a subscription, or a purchase."""
    items, _ = table.query("PK = :partition", {":partition": customer_partition(customer_id)}, limit=1)
    return bool(items)
