"""How subscriptions come to stand: overdue, about to end, ended, given back."""

from datetime import datetime, timedelta

from local.demo.acts import Act
from local.demo.world import World

GRACE_DAYS = 14
OVERDUE = ("quartz-media", "willow-retail", "atlas-freight")
"""Customers whose first renewal in the month is not paid."""

_JUST_BEFORE = timedelta(minutes=1)


def live_until(world: World, to: datetime) -> None:
    """Let time pass. A renewal of those who will not pay fails on the way."""
    state = world.waffo_state()
    now = datetime.fromisoformat(state["now"])
    failing = [
        (datetime.fromisoformat(order["period_end"]), order["id"])
        for order in state["orders"]
        if order["buyer_identity"] in OVERDUE and order["status"] == "active" and order["period_number"] == 1
    ]
    for ends, order_id in sorted(failing):
        if now < ends <= to:
            world.move_clock(ends - _JUST_BEFORE)
            world.simulate(f"orders/{order_id}/past-due", grace_days=GRACE_DAYS)
    # The clock of a month that is over is not turned back.
    if to > now:
        world.move_clock(to)


def _end_at_once(world: World, customer: str) -> None:
    order = world.order_of(customer)
    if order["status"] != "canceled":
        world.simulate(f"orders/{order['id']}/cancel", immediately=True)


def _end_later(world: World) -> None:
    order = world.order_of("iris-design")
    world.post(
        f"/v1/customers/iris-design/subscriptions/{order['id']}/cancel",
        {"id": "demo-iris-design-cancel", "reason": "Asked for by mail"},
    )
    world.simulate("flush")


def _give_subscription_back(world: World) -> None:
    """Refund the last charge in full, and end the subscription."""
    order, state = world.order_of("delta-foods"), world.waffo_state()
    payment = next(each for each in reversed(state["payments"]) if each["order_id"] == order["id"])
    if not any(refund["payment_id"] == payment["id"] for refund in state["refunds"]):
        world.simulate(f"payments/{payment['id']}/refund", reason="not_as_expected", external_id="demo-delta-foods")
    _end_at_once(world, "delta-foods")


def _give_pack_back(world: World) -> None:
    """Refund a pack, as an operator does."""
    paid = world.get("/v1/customers/lumen-school/checkouts")["checkouts"][0]
    world.post(
        f"/v1/payments/{paid['payment_ids'][0]}/refund", {"id": "demo-lumen-school", "reason": "Bought by mistake"}
    )
    world.simulate("flush")


STANDING = (
    Act(8, "lumen-school", "lumen-school gets its pack refunded", _give_pack_back),
    Act(12, "delta-foods", "delta-foods gets its subscription refunded, and ends it", _give_subscription_back),
    Act(18, "juniper-news", "juniper-news ends its subscription", lambda world: _end_at_once(world, "juniper-news")),
    Act(22, "iris-design", "iris-design will not renew", _end_later),
)
