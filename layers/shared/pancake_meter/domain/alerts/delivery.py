"""Alerts of a webhook delivery that nobody could apply yet."""

from datetime import datetime
from typing import Literal

from pancake_meter.domain.alerts.alert import Alert, AlertType

OpenVerdict = Literal["parked", "failed"]


def delivery_alert(
    digest: str,
    verdict: OpenVerdict,
    customer_id: str | None,
    now: datetime,
    *,
    event_type: str,
    order_id: str | None,
    reason: str | None,
) -> Alert:
    """Return the alert of a delivery that is parked or failed: once for each delivery and verdict."""
    kind: AlertType = "delivery.parked" if verdict == "parked" else "delivery.failed"
    data = {"delivery_id": digest, "event_type": event_type, "order_id": order_id, "reason": reason}
    return Alert(f"{kind}#{digest}", kind, customer_id, None, now, data)
