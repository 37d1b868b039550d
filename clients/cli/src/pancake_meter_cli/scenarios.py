"""What has to happen in the Waffo simulator for each type of event: real orders, payments and refunds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from pancake_meter_cli.api import Api, customer
from pancake_meter_cli.failures import refused
from pancake_meter_cli.simulator import Simulator

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an event is to happen: for whom, with which product, or to which order."""

    simulator: Simulator
    api: Callable[[], Api]
    customer_id: str
    product: str | None = None
    order_id: str | None = None

    def subscription(self) -> Json:
        """Return the order that is named, or begin a subscription. Raises ``Failure``."""
        if self.order_id is not None:
            orders = self.simulator.get("state")["orders"]
            found = next((order for order in orders if order["id"] == self.order_id), None)
            if found is None:
                raise refused("no_such_order", f"the simulator has no order {self.order_id}")
            return dict(found)
        product = self.product or self._products()[0]["name"]
        return self.simulator.post("subscriptions", {"product": product, "buyer_identity": self.customer_id})

    def on_order(self, what: str, **body: object) -> str:
        """Let something happen to a subscription; return its order's id."""
        order_id = str(self.subscription()["id"])
        self.simulator.post(f"orders/{order_id}/{what}", body)
        return order_id

    def plan_change(self, **body: object) -> str:
        """Move a subscription to another product; return the id of the order that it began with."""
        order = self.subscription()
        other = next((each["name"] for each in self._products() if each["id"] != order["product_id"]), None)
        if other is None:
            raise refused("no_other_product", "the store has one subscription product: there is none to change to")
        self.simulator.post("plan-change", {"order_id": order["id"], "product": other, **body})
        return str(order["id"])

    def refund(self, *, fail: bool) -> str:
        """Give a payment of a subscription back, or fail to."""
        order_id = str(self.subscription()["id"])
        payments = self.simulator.get("state")["payments"]
        payment = next((each for each in reversed(payments) if each["order_id"] == order_id), None)
        if payment is None:
            raise refused("no_payment", f"the order {order_id} has no payment to refund")
        self.simulator.post(f"payments/{payment['id']}/refund", {"fail": fail})
        return order_id

    def pack(self) -> str:
        """Buy a pack of units as the customer would: by a checkout of the stack."""
        packs = self.api().get("/v1/plans", customer_id=self.customer_id)["top_ups"]
        if not packs:
            raise refused("nothing_for_sale", "the catalog sells no pack, so nothing completes a one-time order")
        wanted = {"kind": "top_up", "meter": packs[0]["meter"]}
        url = self.api().post(customer(self.customer_id, "checkouts"), wanted)["url"]
        session_id = urlsplit(url).path.rsplit("/", 1)[-1]
        token = urlsplit(url).fragment.removeprefix("token=")
        return str(self.simulator.post(f"checkout/{session_id}/pay", {"token": token})["id"])

    def _products(self) -> list[Json]:
        products = [each for each in self.simulator.get("state")["products"] if each["kind"] == "subscription"]
        if not products:
            raise refused(
                "no_products", "the simulated store has no subscription product", "pancake-meter catalog push"
            )
        return products


def _begun(scene: Scene) -> str:
    return str(scene.subscription()["id"])


def _recovered(scene: Scene) -> str:
    order_id = scene.on_order("past-due")
    scene.simulator.post(f"orders/{order_id}/recover")
    return order_id


def _change_failed(scene: Scene) -> str:
    order_id = str(scene.subscription()["id"])
    scene.simulator.post("plan-change", {"order_id": order_id, "fail": True})
    return order_id


def _uncanceled(scene: Scene) -> str:
    order_id = scene.on_order("cancel")
    scene.simulator.post(f"orders/{order_id}/uncancel")
    return order_id


SCENARIOS: Final[Mapping[str, Callable[[Scene], str]]] = MappingProxyType(
    {
        "order.completed": Scene.pack,
        "subscription.activated": _begun,
        "subscription.payment_succeeded": _begun,
        "subscription.renewed": lambda scene: scene.on_order("renew"),
        "subscription.recovered": _recovered,
        "subscription.plan_changed": lambda scene: scene.plan_change(timing="immediate"),
        "subscription.plan_change_scheduled": lambda scene: scene.plan_change(timing="next_period"),
        "subscription.plan_change_failed": _change_failed,
        "subscription.canceling": lambda scene: scene.on_order("cancel"),
        "subscription.uncanceled": _uncanceled,
        "subscription.canceled": lambda scene: scene.on_order("cancel", immediately=True),
        "subscription.past_due": lambda scene: scene.on_order("past-due"),
        "refund.succeeded": lambda scene: scene.refund(fail=False),
        "refund.failed": lambda scene: scene.refund(fail=True),
    }
)
"""By event type: what is done. Each answers the id of the order that it happened to."""
