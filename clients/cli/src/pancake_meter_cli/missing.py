"""What Waffo has and the stack has not heard of. Only read: reconciliation heals it."""

import hashlib
from typing import Any, Final

from pancake_meter_cli.api import path
from pancake_meter_cli.cli import Cli
from pancake_meter_cli.failures import Failure

Json = dict[str, Any]

LOOKED_UP_MAX: Final = 20
"""Deliveries that are compared: the newest that Waffo gave up on."""

_FAILED: Final = """query ($storeId: String!, $limit: Int) {
  webhookDeliveries(storeId: $storeId, limit: $limit, filter: { status: { eq: "failed" } }) { id eventType payload }
}"""


def lost_deliveries(cli: Cli) -> list[Json]:
    """Return the webhooks that Waffo gave up on and that the stack does not have. Raises ``Failure``."""
    failed = cli.waffo.query(_FAILED, storeId=cli.waffo.store_id, limit=LOOKED_UP_MAX)["webhookDeliveries"]
    found = [(each["eventType"], hashlib.sha256(each["payload"].encode()).hexdigest()) for each in failed]
    return [
        {"event_type": event_type, "delivery_id": delivery_id}
        for event_type, delivery_id in found
        if _asked(cli, path("deliveries", delivery_id), "delivery_not_found") is None
    ]


def _asked(cli: Cli, where: str, not_found: str) -> Json | None:
    try:
        return cli.api.get(where)
    except Failure as failure:
        if failure.code == not_found:
            return None
        raise
