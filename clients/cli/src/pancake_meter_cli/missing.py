"""What Waffo has and the stack has not heard of. Only read: reconciliation heals it."""

import hashlib
import json
from typing import Any, Final

from pancake_meter.waffo.snapshots import LIVE_STATUSES
from pancake_meter_cli.api import customer, path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.failures import Failure

Json = dict[str, Any]

LOOKED_UP_MAX: Final = 20
"""Deliveries that are compared: the newest that Waffo gave up on."""

_FAILED: Final = """query ($storeId: String!, $limit: Int) {
  webhookDeliveries(storeId: $storeId, limit: $limit, filter: { status: { eq: "failed" } }) { id eventType payload }
}"""
_LIVE: Final = f"filter: {{ status: {{ in: {json.dumps(LIVE_STATUSES)} }} }}"
_ORDERS: Final = f"""query ($storeId: String!, $limit: Int, $offset: Int) {{
  subscriptionOrders(storeId: $storeId, limit: $limit, offset: $offset, {_LIVE}) {{
    id status merchantProvidedBuyerIdentity
  }}
}}"""


def lost_deliveries(cli: Cli) -> list[Json]:
    """Return the webhooks that Waffo gave up on and that the stack does not have. Raises ``Failure``."""
    failed = cli.waffo.query(_FAILED, storeId=cli.waffo.store_id, limit=LOOKED_UP_MAX)["webhookDeliveries"]
    found = [(each["eventType"], hashlib.sha256(each["payload"].encode()).hexdigest()) for each in failed]
    return [
        {"event_type": event_type, "delivery_id": delivery_id}
        for event_type, delivery_id in found
        if _asked(cli, path("deliveries", delivery_id), "delivery_not_found") is None
    ]


def unknown_orders(cli: Cli) -> list[Json]:
    """Return the subscriptions that Waffo calls live and that the stack does not have. Raises ``Failure``.

    One without a customer cannot be looked up, and is left out: a person has to say whose it is.
    """
    known: dict[str, set[str]] = {}
    found = []
    for order in cli.waffo.listed("subscriptionOrders", _ORDERS):
        customer_id = order["merchantProvidedBuyerIdentity"]
        if not customer_id:
            continue
        if customer_id not in known:
            answer = _asked(cli, customer(customer_id), "customer_not_found") or {"orders": []}
            known[customer_id] = {each["order_id"] for each in answer["orders"]}
        if order["id"] not in known[customer_id]:
            found.append({"order_id": order["id"], "status": order["status"], "customer_id": customer_id})
    return found


def _asked(cli: Cli, where: str, not_found: str) -> Json | None:
    try:
        return cli.api.get(where)
    except Failure as failure:
        if failure.code == not_found:
            return None
        raise
