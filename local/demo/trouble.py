"""What needs a person: deliveries and usage that fit nobody, or nothing."""

from datetime import timedelta
from typing import Any

from local.demo.acts import Act
from local.demo.world import World


def _park_delivery(world: World) -> None:
    """Sell a subscription of which nobody knows whose it is."""
    names = {order["external_id"] for order in world.waffo_state()["orders"]}
    if "demo-nobody" not in names:
        world.simulate("subscriptions", product="Starter", buyer_email="anna@example.com", external_id="demo-nobody")


def _fail_delivery(world: World) -> None:
    """Have Waffo send something that no one can read."""
    state = world.waffo_state()
    envelope: dict[str, Any] = {
        "id": "demo-unreadable",
        "timestamp": state["now"],
        "eventType": "order.completed",
        "eventId": "demo-unreadable",
        "storeId": state["store_id"],
        "storeName": "Demo",
        "mode": state["mode"],
        "data": {"orderId": "ORD_demoUnreadable", "currency": "USD", "amount": "not a number"},
    }
    world.simulate("events", event=envelope)


def _park_usage(world: World) -> None:
    """Tell of calls of which nobody knows whose they are, or how much they used."""
    at = world.at(23) - timedelta(minutes=40)
    call = {"status": "success", "startTime": at.timestamp() - 3, "endTime": at.timestamp(), "model": "openai/gpt-4o"}
    usage = {"prompt_tokens": 900, "completion_tokens": 150, "total_tokens": 1_050}
    contradicts_itself = {
        "prompt_tokens": 900,
        "prompt_tokens_details": {"cached_tokens": 5_000},
        "completion_tokens": 1,
    }
    world.post(
        "/v1/usage/litellm",
        [
            {**call, "litellm_call_id": "demo-nobody", "metadata": {"usage_object": usage}},
            {
                **call,
                "litellm_call_id": "demo-contradiction",
                "metadata": {"user_api_key_team_id": "harbor-legal", "usage_object": contradicts_itself},
            },
        ],
    )


TROUBLE = (
    Act(13, None, "a subscription is sold to nobody: its deliveries are parked", _park_delivery),
    Act(21, None, "a delivery cannot be read: it fails", _fail_delivery),
    Act(23, None, "two model calls cannot be counted: they are parked", _park_usage),
)
