"""Subscriptions of format 1, read as what they say in the present one.

They knew the latest period with its plan and of earlier ones only the bounds, refunds as shares of a payment, and what was
gone of a period under four names. A customer in the middle of a period keeps what was counted in it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pancake_meter.domain.balance.period import Period
from pancake_meter.domain.instant import from_ms
from pancake_meter.domain.selling.plan import Plan
from pancake_meter.domain.standing.lifecycle import Bound, PeriodKey, StatedPeriod
from pancake_meter.domain.standing.order import OrderFacts, PendingChange, Status
from pancake_meter.domain.standing.paid_period import Charged, PaidPeriod, Sale
from pancake_meter.domain.standing.use import PeriodUse
from pancake_meter.store.selling.plan_item import plan_from_item
from pancake_meter.value import replace


def order_of_first_format(item: Mapping[str, Any]) -> OrderFacts:
    """Return an order of format 1."""
    start, at = item["began"]
    latest = _latest(item["paid"]) if "paid" in item else None
    earlier = [_earlier(period, latest.plan) for period in item.get("earlier", ())] if latest else []
    return OrderFacts(
        order_id=item["id"],
        began=(from_ms(start), from_ms(at)),
        periods=(latest, *earlier) if latest else (),
        status=_status(item["status"]) if "status" in item else None,
        ended_at=_instant(item, "ended_at"),
        is_plan_change=item["is_plan_change"],
        changed_at=_instant(item, "changed_at"),
        pending=_pending(item["pending"]) if "pending" in item else None,
        charges={payment_id: _refund(refund) for payment_id, refund in item["refunds"].items()},
        replaces=frozenset(item.get("replaces", ())),
        seen_at=_instant(item, "seen_at"),
    )


def uses_of_first_format(item: Mapping[str, Any], orders: Sequence[OrderFacts]) -> dict[str, tuple[PeriodUse, ...]]:
    """Return by meter what was gone of the periods that balances left, and of the one that is open."""
    uses: dict[str, list[PeriodUse]] = {}
    periods = {(order.order_id, paid.key[0]): paid for order in orders for paid in order.periods}
    for meter, left in item.get("left", {}).items():
        for period in left:
            paid = periods.get((period["order"], from_ms(period["start"])))
            if paid is not None:
                use = _use(period["order"], paid, period["gone"], rolled=period["rolled"])
                uses.setdefault(meter, []).append(use)
    for meter, carried in item["carried"].items():
        order = next((order for order in orders if order.ended_at is None and order.periods), None)
        gone = carried["inherited"] + carried["own"]
        if order is not None and "window_start" in carried and gone:
            window = Period(from_ms(carried["window_start"]), from_ms(carried["ends_at"]))
            uses.setdefault(meter, []).append(_use(order.order_id, order.periods[0], gone, window=window))
    return {meter: tuple(filed) for meter, filed in uses.items()}


def _use(
    order_id: str, paid: PaidPeriod, gone: Decimal, *, rolled: Decimal = Decimal(0), window: Period | None = None
) -> PeriodUse:
    span = window or Period(paid.period.start.at, paid.period.ends_at)
    return PeriodUse(order_id, paid.key, paid.sold_at, span, span.end, gone, rolled)


def _latest(item: Mapping[str, Any]) -> PaidPeriod:
    period = StatedPeriod(_bound(item["start"]), _bound(item["end"]), int(item["number"]))
    return PaidPeriod.of(period, Sale(plan_from_item(item["plan"]), from_ms(item["sold_at"])))


def _earlier(item: Mapping[str, Any], latest: Plan) -> PaidPeriod:
    """Return an earlier period. Of another plan only the key was kept: nothing of it rolls over."""
    start, number = from_ms(item["period"][0]), int(item["number"])
    plan = latest if item["plan"] == latest.key else replace(latest, key=item["plan"], allowances={})
    period = StatedPeriod(Bound(start, is_day=_is_midnight(start)), Bound(from_ms(item["ends_at"])), number)
    return PaidPeriod.of(period, Sale(plan, from_ms(item["sold_at"])))


def _refund(item: Mapping[str, Any]) -> Charged:
    """Return a refunded payment: only the share of it was kept. The newer code's own word on the payment replaces it."""
    number = item.get("number")
    charged = Decimal(1)
    return Charged(
        charged, item["share"], from_ms(item["paid_at"]), None if number is None else int(number), revision=0
    )


def _pending(item: Mapping[str, Any]) -> PendingChange:
    return PendingChange(from_ms(item["at"]), item["is_scheduled"], item.get("plan"))


def _status(item: Mapping[str, Any]) -> Status:
    start, number = item["period"]
    key: PeriodKey = (from_ms(start), int(number))
    return Status(item["kind"], key, from_ms(item["at"]), _instant(item, "until"))


def _bound(item: Mapping[str, Any]) -> Bound:
    return Bound(from_ms(item["at"]), item["is_day"])


def _is_midnight(instant: datetime) -> bool:
    at = instant.astimezone(UTC)
    return (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)


def _instant(item: Mapping[str, Any], name: str) -> datetime | None:
    return from_ms(item[name]) if name in item else None
