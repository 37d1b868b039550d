"""What an OpenMeter is told of usage that we counted: one CloudEvent each."""

from typing import Any, Final

from pancake_meter.domain.customer import key_part
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.quantity import format_quantity
from pancake_meter.domain.usage.usage_event import CountedUsage

SOURCE: Final = "pancake-meter"


def outgoing_event(usage: CountedUsage) -> dict[str, Any]:
    """Return the CloudEvent of counted usage.

    OpenMeter knows an event by (source, id), and we know it by (customer, meter, id): all three are in the id. A ``#`` of
    the customer id is escaped and no meter has one, so no two are alike. The same usage gives the same event, however often
    it is sent.
    """
    return {
        "specversion": "1.0",
        "id": f"{key_part(usage.customer_id)}#{usage.meter}#{usage.event_id}",
        "source": SOURCE,
        "type": usage.meter,
        "subject": usage.customer_id,
        "time": timestamp(usage.used_at),
        "datacontenttype": "application/json",
        "data": {"quantity": format_quantity(usage.quantity)},
    }
