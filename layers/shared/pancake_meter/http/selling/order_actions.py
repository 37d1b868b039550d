"""Cancelling and reactivating a subscription, on the wire; and what is answered where Waffo does not do as it is asked."""

from http import HTTPStatus
from typing import Annotated, Final

from pydantic import StringConstraints
from typing_extensions import TypedDict

from pancake_meter.domain.instant import timestamp
from pancake_meter.http.fields import Reason, Timestamp, WireModel
from pancake_meter.http.idempotency import KEY_PATTERN
from pancake_meter.http.problem import Problem
from pancake_meter.store.selling.order_actions import Action
from pancake_meter.usecases.selling.act_on_order import Acted
from pancake_meter.waffo.errors import WaffoApiError, WaffoRejected

_RETRY_SECONDS: Final = 2


class OrderActionRequest(WireModel):
    """Body of ``POST .../subscriptions/{order_id}/cancel`` and ``.../reactivate``; it may be left out.

    ``id`` is the caller's: a repeat with it gets the first answer. The header ``Idempotency-Key`` may stand in its
    place. Without both the state of the order decides.
    """

    id: Annotated[str, StringConstraints(pattern=KEY_PATTERN)] | None = None
    reason: Reason | None = None


class OrderActionBody(TypedDict):
    """What Waffo answered. ``status`` is that of the order at Waffo; the standing here changes with Waffo's webhook.

    ``ends_at`` is the end of the paid period, of an order that is ``canceling``. ``replayed``: nothing was done now.
    """

    id: str
    customer_id: str
    order_id: str
    action: Action
    status: str
    ends_at: Timestamp | None
    reason: str | None
    requested_at: Timestamp
    requested_by: str | None
    replayed: bool


def order_action_body(customer_id: str, acted: Acted) -> OrderActionBody:
    """Return what became of a wish about an order."""
    action = acted.action
    return {
        "id": action.id,
        "customer_id": customer_id,
        "order_id": action.order_id,
        "action": action.action,
        "status": action.status or "",
        "ends_at": timestamp(action.ends_at) if action.ends_at else None,
        "reason": action.reason,
        "requested_at": timestamp(action.at),
        "requested_by": action.by,
        "replayed": acted.is_replay,
    }


def problem_of_action(error: WaffoApiError) -> Problem:
    """Return the problem of an action that Waffo may or may not have done: 503; or does not let us do: 502."""
    if isinstance(error, WaffoRejected):
        detail = "The payment provider refused the call; the log of this request says why."
        return Problem(HTTPStatus.BAD_GATEWAY, "waffo_refused", detail)
    detail = "The payment provider did not answer. Repeat the same request: it is done once."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "waffo_unavailable", detail, retry_after_seconds=_RETRY_SECONDS)
