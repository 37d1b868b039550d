"""What operators had Waffo do with a subscription, as items: who, when, why, and what Waffo answered.

``PK CUSTOMER#<customer> SK ORDER_ACTION#<order>#<action>#<id>``.
``PK CUSTOMER#<customer> SK LATEST_ACTIONS#<order>``: who wanted each action last, and before that, and when. An event of the
order finds it by its key. Of what an earlier version kept there is none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pancake_meter.domain.instant import from_ms, to_ms
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.table import Item, Put, Table
from pancake_meter.value import Value

_PREFIX: Final = "ORDER_ACTION#"
_LISTED_MAX: Final = 200
_ORDER_ID_BYTES_MAX: Final = 512
"""A sort key has 1,024 bytes."""

Action = Literal["cancel", "reactivate"]


class OrderAction(Value):
    """One wish about an order. ``status`` is what Waffo answered; ``None`` while no answer has arrived."""

    order_id: str
    action: Action
    id: str
    at: datetime
    by: str | None = None
    reason: str | None = None
    status: str | None = None
    ends_at: datetime | None = None


def read_action(table: Table, customer_id: str, order_id: str, action: Action, action_id: str) -> OrderAction | None:
    """Return what became of a wish, or ``None``: one read."""
    item = table.get(_key(customer_id, order_id, action, action_id))
    return _action(item) if item is not None else None


def list_actions(table: Table, customer_id: str, order_id: str = "") -> list[OrderAction]:
    """Return what was wished of a customer's orders, or of one, the latest first: one query.

    Of more than 200 those are missing whose keys come last.
    """
    prefix = f"{_PREFIX}{order_id}#" if order_id else _PREFIX
    values = {":partition": customer_partition(customer_id), ":prefix": prefix}
    items, _ = table.query("PK = :partition AND begins_with(SK, :prefix)", values, limit=_LISTED_MAX)
    return sorted(map(_action, items), key=lambda action: (action.at, action.id), reverse=True)


def action_write(customer_id: str, action: OrderAction) -> Put:
    """Return the write that keeps a wish as it stands."""
    item: dict[str, Any] = {
        **_key(customer_id, action.order_id, action.action, action.id),
        "at": to_ms(action.at),
        "by": action.by,
        "reason": action.reason,
        "status": action.status,
        "until": to_ms(action.ends_at) if action.ends_at else None,
    }
    return Put({name: value for name, value in item.items() if value is not None})


class Wished(Value):
    """That somebody wanted an action, and when. ``by`` names the API key, if any."""

    at: datetime
    by: str | None


def latest_wishes(table: Table, customer_id: str, order_id: str, action: Action) -> list[Wished]:
    """Return the last two who wanted an action of an order, the latest first: one read."""
    item: Item = next((table.get(key) or {} for key in latest_keys(customer_id, order_id)), {})
    kept = [item[name] for name in (action, _before(action)) if name in item]
    return [Wished(from_ms(each["at"]), each.get("by")) for each in kept]


def latest_write(table: Table, customer_id: str, action: OrderAction) -> Put:
    """Return the write that notes a new wish as the latest of its kind: one read. Made twice it would take two places.

    Of two wishes at the same moment the one may be noted in the place of the other; both are kept as actions.
    """
    key = _latest_key(customer_id, action.order_id)
    known = table.get(key) or {}
    wish: dict[str, Any] = {"at": to_ms(action.at), "by": action.by}
    wish = {name: value for name, value in wish.items() if value is not None}
    return Put({**known, **key, action.action: wish, _before(action.action): known.get(action.action, wish)})


def latest_keys(customer_id: str, order_id: str) -> list[Key]:
    """Return the key of who wanted something of an order last; what is longer than any id of Waffo's has none."""
    return [_latest_key(customer_id, order_id)] if len(order_id.encode()) <= _ORDER_ID_BYTES_MAX else []


def _latest_key(customer_id: str, order_id: str) -> Key:
    return {"PK": customer_partition(customer_id), "SK": f"LATEST_ACTIONS#{order_id}"}


def _before(action: Action) -> str:
    return f"{action}_before"


def _action(item: Mapping[str, Any]) -> OrderAction:
    # Neither an order's id nor an action has the sign that parts them; the caller's id comes last.
    order_id, action, action_id = item["SK"].removeprefix(_PREFIX).split("#", 2)
    return OrderAction(
        order_id,
        action,
        action_id,
        from_ms(item["at"]),
        item.get("by"),
        item.get("reason"),
        item.get("status"),
        from_ms(item["until"]) if "until" in item else None,
    )


def _key(customer_id: str, order_id: str, action: Action, action_id: str) -> Key:
    return {"PK": customer_partition(customer_id), "SK": f"{_PREFIX}{order_id}#{action}#{action_id}"}
