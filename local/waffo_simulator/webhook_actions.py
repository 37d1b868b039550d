"""Webhooks of a store that are there: changed, taken away."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from local.waffo_simulator.body import Body, parse
from local.waffo_simulator.clock import wire
from local.waffo_simulator.envelope import Answer, ApiError, Json
from local.waffo_simulator.gateway import Action, Call
from local.waffo_simulator.model import EVENT_TYPES, Webhook
from local.waffo_simulator.simulator import Simulator


def update_webhook(simulator: Simulator, call: Call) -> Answer:
    """Change where a webhook leads, or what it is told of."""
    body, webhook = _own_webhook(simulator, call)
    url = body.text("url") or webhook.url
    if url != webhook.url and not url.startswith("https://"):
        raise body.refuse("Invalid url: expected an https URL")
    webhook.events = body.texts("events", EVENT_TYPES) or webhook.events
    webhook.url = url
    return Answer({"webhook": webhook_detail(webhook, simulator.config.store_id)})


def remove_webhook(simulator: Simulator, call: Call) -> Answer:
    """Take a webhook away. What was delivered stays on the record."""
    _, webhook = _own_webhook(simulator, call)
    del simulator.state.webhooks[webhook.id]
    return Answer({"webhook": webhook_detail(webhook, simulator.config.store_id)})


def _own_webhook(simulator: Simulator, call: Call) -> tuple[Body, Webhook]:
    call.demand_merchant()
    body = parse(call.content, "store")
    webhook = simulator.state.webhooks.get(body.required("id"))
    if webhook is None:
        raise ApiError(404, "Webhook not found", "store")
    return body, webhook


def webhook_detail(webhook: Webhook, store_id: str) -> Json:
    """A webhook as the API answers it."""
    stamp = wire(webhook.created_at)
    return {
        "id": webhook.id,
        "storeId": store_id,
        "channel": webhook.channel,
        "url": webhook.url,
        "events": list(webhook.events),
        "testMode": webhook.test_mode,
        "secret": None,
        "createdAt": stamp,
        "updatedAt": stamp,
    }


WEBHOOK_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "/v1/actions/store/update-webhook": update_webhook,
        "/v1/actions/store/remove-webhook": remove_webhook,
    }
)
"""What is done to webhooks that are there."""
