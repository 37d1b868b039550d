"""Alerts as items: each put once under its meaning, listed newest first, forgotten after 400 days.

``PK CUSTOMER#<customer> SK ALERT#<time>#<alert id>``: the alert, in the list ``ALERTS`` of the ``listing`` index; where no
customer is known, ``PK ALERTS``. Its insert is what the stream tells.
``PK ALERT#<alert id> SK ALERT``: the mark that it has rung, in the list ``ALERTS#<type>``.
``PK CUSTOMER#<customer> SK REFUSED#<alert id>``: a refusal that a request has kept, for the stream reader to ring.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from pancake_meter.domain.alerts.alert import KEPT_FOR, Alert, AlertType, is_alert_id
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key, alert_key, alert_mark_key, alert_partition, alert_prefix, refusal_key
from pancake_meter.store.table import READ_ITEMS_MAX, Check, Item, Put, Table

LISTING: Final = "ALERTS"

_FILTERED_PAGES_MAX: Final = 10

Place = tuple[str | None, datetime, str]
"""Where a list goes on: after the alert of this customer, time and id."""


def put_alert(table: Table, alert: Alert, demands: Sequence[Check] = ()) -> bool:
    """Keep an alert, and so ring it, unless it has rung before or a demand does not hold; return whether it rings.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; the same may be put again.
    """
    mark = Put(_mark_item(alert), "attribute_not_exists(PK)")
    try:
        table.transact([mark, Put(alert_item(alert)), *demands])
    except WriteRefused:
        return False
    return True


def keep_refusal(table: Table, customer_id: str, alert: Alert, demands: Sequence[Check]) -> None:
    """Keep the alert of a refusal for the stream reader to ring, unless it was kept before or a demand does not hold.

    It rings after whatever changed the customer's balances before: the stream has them in this order.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble; the same may be kept again.
    """
    item = {**_content(alert), **refusal_key(customer_id, alert.id)}
    with suppress(WriteRefused):
        table.transact([Put(item, "attribute_not_exists(PK)"), *demands])


def has_refusal(table: Table, customer_id: str, alert_id: str) -> bool:
    """Return whether a refusal was kept before: one read."""
    return table.get(refusal_key(customer_id, alert_id)) is not None


def rung_already(table: Table, ids: Iterable[str]) -> set[str]:
    """Return those of the ids whose alerts have rung: one request for 100 of them.

    The reads are not strongly consistent: what they miss, ``put_alert`` finds.
    """
    keys = [alert_mark_key(each) for each in dict.fromkeys(ids)]
    chunks = [keys[first : first + READ_ITEMS_MAX] for first in range(0, len(keys), READ_ITEMS_MAX)]
    found = [item for chunk in chunks for item in table.get_all(chunk, consistent=False)]
    return {item["PK"].removeprefix(alert_prefix()) for item in found}


def read_alert(table: Table, alert_id: str) -> Alert | None:
    """Return an alert, or ``None``: two reads, none for what is no id."""
    mark = table.get(alert_mark_key(alert_id)) if is_alert_id(alert_id) else None
    item = table.get(_key_of(mark)) if mark is not None else None
    return alert_from_item(item) if item is not None else None


def list_alerts(
    table: Table,
    *,
    customer_id: str | None = None,
    kind: AlertType | None = None,
    limit: int,
    after: Place | None = None,
) -> tuple[list[Alert], Place | None]:
    """Return a page of alerts, newest first, and where the next one starts.

    Those of a customer are one query, or with a ``kind`` at most ten: then a page may be short and have a next one.
    Those of a kind are one query of the index and one read. The index lags behind by moments.
    """
    if customer_id is not None:
        return _of_customer(table, customer_id, kind, limit, after)
    listing = LISTING if kind is None else f"{LISTING}#{kind}"
    start = None
    if after is not None:
        key = alert_key(*after) if kind is None else alert_mark_key(after[2])
        start = {**key, "listing": listing, "listed_at": _listed_at(after[1], after[2])}
    items, following = table.query(
        "listing = :listing", {":listing": listing}, limit=limit, index="listing", forward=False, start=start
    )
    if kind is None:
        alerts = [alert_from_item(item) for item in items]
        return alerts, _place(alerts[-1]) if following is not None else None
    found = {item["SK"]: item for item in table.get_all([_key_of(item) for item in items])} if items else {}
    alerts = [alert_from_item(found[key["SK"]]) for key in map(_key_of, items) if key["SK"] in found]
    last = items[-1] if following is not None else None
    return alerts, (last.get("customer_id"), from_ms(last["at"]), _id_of_mark(last)) if last is not None else None


def _of_customer(
    table: Table, customer_id: str, kind: AlertType | None, limit: int, after: Place | None
) -> tuple[list[Alert], Place | None]:
    start: Mapping[str, Any] | None = alert_key(*after) if after is not None else None
    values = {":partition": alert_partition(customer_id), ":prefix": alert_prefix()}
    found: list[Alert] = []
    for _ in range(_FILTERED_PAGES_MAX):
        items, start = table.query(
            "PK = :partition AND begins_with(SK, :prefix)", values, limit=limit, forward=False, start=start
        )
        for alert in map(alert_from_item, items):
            if kind in (None, alert.type):
                found.append(alert)
            if len(found) == limit:
                is_last = start is None and _key_of_alert(alert)["SK"] == items[-1]["SK"]
                return found, None if is_last else _place(alert)
        if start is None:
            return found, None
    return found, _place(alert_from_item(items[-1]))


def alert_from_item(item: Item) -> Alert:
    """Return the alert of an item."""
    return Alert(
        meaning=item["meaning"],
        type=item["type"],
        customer_id=item.get("customer_id"),
        meter=item.get("meter"),
        occurred_at=from_ms(item["at"]),
        data=item["data"],
        schema_version=int(item["schema_version"]),
    )


def alert_item(alert: Alert) -> Item:
    """Return the item of an alert."""
    listed = {"listing": LISTING, "listed_at": _listed_at(alert.occurred_at, alert.id)}
    return {**_key_of_alert(alert), **_content(alert), **listed}


def _content(alert: Alert) -> Item:
    content = {
        "meaning": alert.meaning,
        "type": alert.type,
        "customer_id": alert.customer_id,
        "meter": alert.meter,
        "at": to_ms(alert.occurred_at),
        "data": alert.data,
        "schema_version": alert.schema_version,
        "expires_at": _expires_at(alert),
    }
    return {name: value for name, value in content.items() if value is not None}


def _mark_item(alert: Alert) -> Item:
    item = {
        **alert_mark_key(alert.id),
        "customer_id": alert.customer_id,
        "at": to_ms(alert.occurred_at),
        "listing": f"{LISTING}#{alert.type}",
        "listed_at": _listed_at(alert.occurred_at, alert.id),
        "expires_at": _expires_at(alert),
    }
    return {name: value for name, value in item.items() if value is not None}


def _key_of_alert(alert: Alert) -> Key:
    return alert_key(alert.customer_id, alert.occurred_at, alert.id)


def _key_of(mark: Item) -> Key:
    return alert_key(mark.get("customer_id"), from_ms(mark["at"]), _id_of_mark(mark))


def _id_of_mark(mark: Item) -> str:
    return str(mark["PK"]).removeprefix(alert_prefix())


def _place(alert: Alert) -> Place:
    return alert.customer_id, alert.occurred_at, alert.id


def _listed_at(at: datetime, alert_id: str) -> str:
    return f"{timestamp(at)}#{alert_id}"


def _expires_at(alert: Alert) -> int:
    return to_ms(alert.occurred_at + KEPT_FOR) // 1000
