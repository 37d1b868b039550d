"""Checkouts: the item of each, and the slot that keeps a customer to one open checkout per kind and subject.

``PK CHECKOUT#<id> SK CHECKOUT``, listed by customer in the ``listing`` index, newest first.
``PK CUSTOMER#<customer> SK CHECKOUT_SLOT#<kind>#<subject>``: the latest checkout of that kind, and when it was made.
``PK CHECKOUT#<id> SK WATCHED``: a checkout of units that may still be paid, listed for reconciliation, gone by itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pancake_meter.domain.customer import key_part
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout, CheckoutKind, CheckoutStatus
from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import SoldLine
from pancake_meter.store.errors import CorruptItem, WriteRefused
from pancake_meter.store.keys import Key, customer_partition
from pancake_meter.store.selling.overage_lines import line_key, line_key_item
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Put, Table, Update, Write
from pancake_meter.value import Value

_ID = re.compile(r"chk_[0-9a-z_]{1,64}")
_WATCHED = "WATCHED_CHECKOUTS"
_WATCHED_BEFORE = "CHECKOUTS#watched"
"""Where they were listed once: among the checkouts of a customer named ``watched``. Those still there go by themselves."""

_CHECKOUT = "CHECKOUT"
_WATCHED_SORT = "WATCHED"
_SLOT_PAGES_MAX = 20
_OVER_AFTER = timedelta(days=8)
"""After so long no page of a checkout can be paid: its session is made within a day, and none lives longer than seven."""

_WATCHED_AFTER_EXPIRY = timedelta(days=7)
"""A session may be made some time after its checkout, and paid at its very end: Waffo lets none live longer than this."""


class Slot(Value):
    """The latest checkout of a kind and subject, not read. An earlier version did not keep ``made_at``."""

    checkout_id: str
    made_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        """Whether no page of the checkout can be paid any more, whatever became of it."""
        return self.made_at is not None and self.made_at + _OVER_AFTER <= now


def read_checkout(table: Table, checkout_id: str) -> Checkout | None:
    """Return a checkout, or ``None``: one read, and none for what cannot be an id."""
    if _ID.fullmatch(checkout_id) is None:
        return None
    item = table.get(_key(checkout_id))
    return checkout_from_item(item) if item is not None else None


def checkout_keys(checkout_ids: Iterable[str]) -> list[Key]:
    """Return the keys of checkouts; what cannot be an id has none."""
    return [_key(each) for each in checkout_ids if _ID.fullmatch(each) is not None]


def read_slot(table: Table, customer_id: str, kind: CheckoutKind, subject: str) -> Checkout | None:
    """Return the latest checkout of a kind and subject, whatever its status, or ``None``."""
    slot = latest_slot(table, customer_id, kind, subject)
    return read_checkout(table, slot.checkout_id) if slot is not None else None


def latest_slot(table: Table, customer_id: str, kind: CheckoutKind, subject: str) -> Slot | None:
    """Return what the slot of a kind and subject says of its checkout, or ``None``: one read."""
    item = table.get(slot_key(customer_id, kind, subject))
    if item is None:
        return None
    return Slot(item["checkout_id"], from_ms(item["made_at"]) if "made_at" in item else None)


def write_new_checkout(
    table: Table,
    checkout: Checkout,
    replaced: Checkout | Slot | None,
    demands: Sequence[Write] = (),
) -> bool:
    """Take the slot for a new checkout, in place of ``replaced``; return whether nobody else was faster.

    ``demands`` are further writes of the same transaction; one that is refused counts as somebody faster.

    ``replaced`` is as it was read: one that is still open is retired, as expired or superseded. Of one that is over the slot
    is enough.
    """
    before = replaced.checkout_id if isinstance(replaced, Slot) else replaced.id if replaced is not None else None
    slot = Put(
        _slot_item(checkout),
        "attribute_not_exists(PK)" if before is None else "checkout_id = :replaced",
        {} if before is None else {":replaced": before},
    )
    put = Put(_item(checkout), "attribute_not_exists(PK)")
    watched = [Put(_watched_item(checkout))] if checkout.kind in UNIT_KINDS else []
    opened = replaced if isinstance(replaced, Checkout) and replaced.status == "open" else None
    retired = [_retire(opened, checkout.created_at)] if opened is not None else []
    try:
        table.transact([put, slot, *watched, *retired, *demands])
    except WriteRefused:
        return False
    return True


def write_session(table: Table, checkout: Checkout) -> None:
    """Keep the session that Waffo has made; the same session kept twice is the same."""
    update = Update(
        _key(checkout.id),
        "SET session_id = :session_id, #url = :url, expires_at_ms = :expires",
        "attribute_exists(PK)",
        {":session_id": checkout.session_id, ":url": checkout.url, ":expires": to_ms(checkout.expires_at)},
        {"#url": "url"},
    )
    table.write(update)


def settled_write(before: Checkout, after: Checkout) -> Write:
    """Return the write that settles a checkout, unless another payment settled it meanwhile."""
    values: dict[str, object] = {
        ":payments": list(after.payment_ids),
        ":status": after.status,
        ":seen": list(before.payment_ids),
    }
    expression = "SET payment_ids = :payments, #status = :status"
    if after.flag is not None:
        expression += ", flag = :flag"
        values[":flag"] = after.flag
    elif before.flag is not None:
        expression += " REMOVE flag"
    return Update(_key(before.id), expression, "payment_ids = :seen", values, {"#status": "status"})


def list_checkouts(
    table: Table, customer_id: str, *, limit: int, after: tuple[str, str] | None = None
) -> tuple[list[Checkout], tuple[str, str] | None]:
    """Return a page of a customer's checkouts, newest first, and where the next one starts.

    The place is (listed_at, checkout id) of the last checkout of a page.
    """
    listing = _listing(customer_id)
    start = {**_key(after[1]), "listing": listing, "listed_at": after[0]} if after is not None else None
    items, following = table.query(
        "listing = :listing", {":listing": listing}, limit=limit, index="listing", forward=False, start=start
    )
    page = [checkout_from_item(item) for item in items if item["SK"] == _CHECKOUT]
    return page, (following["listed_at"], following["PK"].removeprefix("CHECKOUT#")) if following else None


def watched_checkouts(
    table: Table, *, limit: int, start: Mapping[str, Any] | None = None
) -> tuple[list[str], Mapping[str, Any] | None]:
    """Return a page of the ids of checkouts that may have been paid, oldest first, and its end."""
    if start is not None and start["listing"] == _WATCHED:
        return _watched_page(table, _WATCHED, limit, start)
    before, following = _watched_page(table, _WATCHED_BEFORE, limit, start)
    if following is not None:
        return before, following
    ids, following = _watched_page(table, _WATCHED, limit, None)
    return [*before, *ids], following


def _watched_page(
    table: Table, listing: str, limit: int, start: Mapping[str, Any] | None
) -> tuple[list[str], Mapping[str, Any] | None]:
    items, following = table.query(
        "listing = :listing", {":listing": listing}, limit=limit, index="listing", start=start
    )
    watched = [item["PK"].removeprefix("CHECKOUT#") for item in items if item["SK"] == _WATCHED_SORT]
    return watched, following


def _watched_item(checkout: Checkout) -> dict[str, Any]:
    return {
        "PK": f"CHECKOUT#{checkout.id}",
        "SK": _WATCHED_SORT,
        "listing": _WATCHED,
        "listed_at": f"{timestamp(checkout.created_at)}#{checkout.id}",
        "expires_at": to_ms(checkout.expires_at + _WATCHED_AFTER_EXPIRY) // 1000,
    }


def _retire(checkout: Checkout, now: datetime) -> Update:
    """Return the write that retires an open checkout; one that has been paid meanwhile stays paid."""
    status: CheckoutStatus = "expired" if checkout.status_at(now) == "expired" else "superseded"
    return Update(
        _key(checkout.id),
        "SET #status = :status",
        "#status = :open",
        {":status": status, ":open": "open"},
        {"#status": "status"},
    )


def _key(checkout_id: str) -> Key:
    return {"PK": f"CHECKOUT#{checkout_id}", "SK": _CHECKOUT}


def slot_key(customer_id: str, kind: CheckoutKind, subject: str) -> Key:
    """Return the key of a customer's slot for checkouts of a kind and subject."""
    return {"PK": customer_partition(customer_id), "SK": f"CHECKOUT_SLOT#{kind}#{subject}"}


def _slot_item(checkout: Checkout) -> dict[str, Any]:
    key = slot_key(checkout.customer_id, checkout.kind, checkout.subject)
    return {**key, "checkout_id": checkout.id, "made_at": to_ms(checkout.created_at)}


def _listing(customer_id: str) -> str:
    return f"CHECKOUTS#{key_part(customer_id)}"


def _item(checkout: Checkout) -> dict[str, Any]:
    item: dict[str, Any] = {
        **_key(checkout.id),
        "listing": _listing(checkout.customer_id),
        "listed_at": f"{timestamp(checkout.created_at)}#{checkout.id}",
        "customer_id": checkout.customer_id,
        "kind": checkout.kind,
        "quantity": checkout.quantity,
        "amount": checkout.amount.display,
        "currency": checkout.amount.currency,
        "status": checkout.status,
        "created_at_ms": to_ms(checkout.created_at),
        "expires_at_ms": to_ms(checkout.expires_at),
        "priority": checkout.priority,
        "payment_ids": list(checkout.payment_ids),
    }
    optional = {
        "lines": [_sold_item(part) for part in checkout.lines] or None,
        "meter": checkout.meter,
        "plan": checkout.plan,
        "timing": checkout.timing,
        "origin_order_id": checkout.origin_order_id,
        "session_id": checkout.session_id,
        "url": checkout.url,
        "flag": checkout.flag,
        "expires_after_days": checkout.expires_after.days if checkout.expires_after else None,
        "tax": checkout.tax if checkout.tax != "exclusive" else None,
    }
    return item | {name: value for name, value in optional.items() if value is not None}


def checkout_from_item(item: Item) -> Checkout:
    """Return the checkout of an item."""
    days = item.get("expires_after_days")
    return Checkout(
        id=item["PK"].removeprefix("CHECKOUT#"),
        customer_id=item["customer_id"],
        kind=item["kind"],
        meter=item.get("meter"),
        plan=item.get("plan"),
        quantity=item["quantity"],
        amount=Money(Decimal(item["amount"]), item["currency"]),
        status=item["status"],
        created_at=from_ms(item["created_at_ms"]),
        expires_at=from_ms(item["expires_at_ms"]),
        priority=int(item["priority"]),
        expires_after=timedelta(days=int(days)) if days is not None else None,
        lines=tuple(_sold(part, item["currency"]) for part in item.get("lines", ())),
        timing=item.get("timing"),
        origin_order_id=item.get("origin_order_id"),
        session_id=item.get("session_id"),
        url=item.get("url"),
        payment_ids=tuple(item["payment_ids"]),
        flag=item.get("flag"),
        tax=item.get("tax", "exclusive"),
    )


def _sold_item(part: SoldLine) -> dict[str, Any]:
    """The price is text: it may have more digits than a number of DynamoDB's."""
    return {
        "line": line_key_item(part.key),
        "start": part.start,
        "end": part.end,
        "amount": part.amount.display,
        "price": format(part.price, "f"),
    }


def _sold(item: Mapping[str, Any], currency: str) -> SoldLine:
    """Earlier code rounded each line by itself, and kept no exact price: there the amount is the price."""
    amount = Money(Decimal(item["amount"]), currency)
    price = Decimal(item["price"]) if "price" in item else amount.amount
    return SoldLine(line_key(item["line"]), item["start"], item["end"], amount, price)


def latest_checkouts(table: Table, customer_id: str) -> list[Checkout]:
    """Return the latest checkout of each kind and subject, whatever its status: reads of the customer's own items.

    An open one is always the latest of its kind and subject.
    """
    slots = table.each(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": customer_partition(customer_id), ":prefix": "CHECKOUT_SLOT#"},
        page=READ_ITEMS_MAX,
        pages_max=_SLOT_PAGES_MAX,
        beyond=CorruptItem("a customer has more slots of checkouts than there are things to sell"),
    )
    keys = [_key(slot["checkout_id"]) for slot in slots]
    chunks = (keys[first : first + READ_ITEMS_MAX] for first in range(0, len(keys), READ_ITEMS_MAX))
    found = [checkout_from_item(item) for chunk in chunks for item in table.get_all(chunk)]
    return sorted(found, key=lambda checkout: (checkout.created_at, checkout.id), reverse=True)
