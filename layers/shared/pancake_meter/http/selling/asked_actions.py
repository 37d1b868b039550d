"""What was asked of a subscription, on the wire. Whoever shows it asks Waffo nothing: nothing here knows the client."""

from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import Timestamp
from pancake_meter.store.selling.order_actions import Action, OrderAction


class AskedActionBody(TypedDict):
    """What an operator, or the customer in the portal, had Waffo do with an order. ``requested_by`` names the API key.

    ``status`` is that of the order as Waffo answered; null where no answer has arrived. ``ends_at`` is the end of the paid
    period, of an order that is ``canceling``.
    """

    id: str
    action: Action
    status: str | None
    ends_at: Timestamp | None
    reason: str | None
    requested_at: Timestamp
    requested_by: str | None


def asked_action_body(action: OrderAction) -> AskedActionBody:
    """Return what was asked of an order."""
    return {
        "id": action.id,
        "action": action.action,
        "status": action.status,
        "ends_at": timestamp(action.ends_at) if action.ends_at else None,
        "reason": action.reason,
        "requested_at": timestamp(action.at),
        "requested_by": action.by,
    }
