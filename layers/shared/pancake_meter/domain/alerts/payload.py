"""The payload of an alert as Standard Webhooks have it: a type, a timestamp, and data."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pancake_meter.domain.alerts.alert import JSON, Alert
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.quantity import json_number


def payload_of(alert: Alert) -> dict[str, Any]:
    """Return what receivers get of an alert: the same each time, in plain values that ``json.dumps`` takes."""
    data = {
        "schema_version": alert.schema_version,
        "customer_id": alert.customer_id,
        "meter": alert.meter,
        **alert.data,
    }
    return {"type": alert.type, "timestamp": timestamp(alert.occurred_at), "data": _plain(data)}


def identified_payload(alert: Alert) -> dict[str, Any]:
    """Return the payload with the alert's id, for lists and the bus: they have no header ``webhook-id``."""
    return {"id": alert.id, **payload_of(alert)}


def _plain(value: JSON) -> Any:
    match value:
        case Decimal():
            return json_number(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value
