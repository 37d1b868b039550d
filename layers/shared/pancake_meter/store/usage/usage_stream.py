"""The table's stream, as far as it tells of usage: what was counted, read from the items that say so."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pancake_meter.domain.instant import from_ms
from pancake_meter.domain.usage.usage_event import CountedUsage
from pancake_meter.store.attribute_values import read_item
from pancake_meter.store.item_format import readable
from pancake_meter.store.keys import usage_event_of

_SOURCE = "aws:dynamodb"


def read_usage(event: Mapping[str, Any]) -> list[CountedUsage]:
    """Return the usage that a Lambda event of the stream tells of, oldest first. The template's filter lets in no other.

    Raises:
        NewerFormat: a later version has written of it.
    """
    return [_read(record["dynamodb"]) for record in event["Records"] if record.get("eventSource") == _SOURCE]


def _read(change: Mapping[str, Any]) -> CountedUsage:
    item = readable(read_item(change["NewImage"]))
    customer_id, meter, event_id = usage_event_of(item["PK"])
    counted_at = datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC)
    return CountedUsage(customer_id, meter, event_id, item["quantity"], from_ms(item["used_at"]), counted_at)
