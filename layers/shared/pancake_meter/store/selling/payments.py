"""Payments as items: one per payment id, versioned. With them go the revenue facts that they bring."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final

from pancake_meter.domain.errors import OrderTooLarge
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.reports.revenue import new_facts, withdrawn_facts
from pancake_meter.domain.selling.payment import (
    PAYMENT_STATUSES,
    Charge,
    Credit,
    LotTerms,
    Payment,
    PaymentStatus,
)
from pancake_meter.domain.selling.refund import NO_MARKS, Refund, RefundMarks
from pancake_meter.domain.selling.refund_request import RefundRequest
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.reports.revenue import revenue_writes
from pancake_meter.store.selling.overage_lines import line_key, line_key_item
from pancake_meter.store.table import READ_ITEMS_MAX, Item, Put, Table, Write

_ZERO = Decimal(0)
_PREFIX = "PAYMENT#"
_PAYMENT: Final = "PAYMENT"
_ORDER_PREFIX = "ORDER#"
_OPEN_REFUNDS: Final = "REFUNDS#open"
_ID_BYTES_MAX: Final = 1024
"""A key has 2,048 bytes."""

_PAYMENTS_PAGE = 100
_PAYMENTS_PAGES_MAX = 10
_FORMER_ID: Final = re.compile(r"(.*?)@(\d{4}-\d\d-\d\dT[0-9:.]+\+00:00)?(?:#(.*))?", re.DOTALL)
"""How an earlier version made a refund's id."""


def read_payment(table: Table, payment_id: str) -> Payment | None:
    """Return a payment, or ``None``: one read, and none for what is longer than any id of Waffo's."""
    if len(payment_id.encode()) > _ID_BYTES_MAX:
        return None
    item = table.get(_payment_key(payment_id))
    return _payment(item) if item is not None else None


def payment_keys(payment_ids: Iterable[str]) -> list[Key]:
    """Return the keys of payments; what is longer than any id of Waffo's has none."""
    return [_payment_key(each) for each in payment_ids if len(each.encode()) <= _ID_BYTES_MAX]


def payments_among(items: Iterable[Item]) -> dict[str, Payment]:
    """Return by their ids those of ``items`` that are payments."""
    found = (_payment(item) for item in items if item["SK"] == _PAYMENT)
    return {payment.payment_id: payment for payment in found}


def read_payments(table: Table, payment_ids: Collection[str]) -> dict[str, Payment]:
    """Return those of some payments that are known, by their ids: one request for each hundred."""
    keys = payment_keys(payment_ids)
    chunks = (keys[first : first + READ_ITEMS_MAX] for first in range(0, len(keys), READ_ITEMS_MAX))
    return payments_among(item for chunk in chunks for item in table.get_all(chunk))


def payment_writes(before: Payment, after: Payment) -> list[Write]:
    """Return the writes that carry a payment from what was read to what is known now, and count what is new of its money.

    The version guards them all: each payment and each refund is counted once, whatever told of it.
    """
    revenue = revenue_writes(new_facts(before, after), withdrawn_facts(before, after))
    return [_payment_put(after), Put(_pointer_item(after)), *revenue]


def payment_ids_of_order(table: Table, order_id: str) -> dict[str, int | None]:
    """Return the payments known of an order, each with its number among the order's charges: a query for each hundred.

    A payment that was written before orders listed their payments is missing until it is written again.

    Raises:
        OrderTooLarge: the order has more than 1,000.
    """
    items = table.each(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": f"{_ORDER_PREFIX}{order_id}", ":prefix": _PREFIX},
        page=_PAYMENTS_PAGE,
        pages_max=_PAYMENTS_PAGES_MAX,
        beyond=OrderTooLarge("the order has more payments than are looked through", order_id=order_id),
    )
    return {item["payment_id"]: int(item["number"]) if "number" in item else None for item in items}


def uncharged_payments(
    table: Table, *, limit: int, start: Mapping[str, Any] | None
) -> tuple[list[str], Mapping[str, Any] | None]:
    """Return a page of the ids of payments that were refunded and whose charge is not known, and the key after it."""
    items, following = table.query(
        "listing = :listing", {":listing": _listing("uncharged")}, limit=limit, index="listing", start=start
    )
    return [item["PK"].removeprefix(_PREFIX) for item in items], following


def list_payments(
    table: Table, status: PaymentStatus | None, *, limit: int, before: str | None = None
) -> tuple[list[Payment], str | None]:
    """Return a page of payments, the newest first, and the place before which the next one goes on; ``None`` at the end.

    One query of the index, or without a ``status`` one for each status. A payment that earlier code wrote is listed once it
    is written again.
    """
    found: list[Item] = []
    cut = ""
    for each in PAYMENT_STATUSES if status is None else (status,):
        condition, values = "listing = :listing", {":listing": _listing(each)}
        if before is not None:
            condition, values = f"{condition} AND listed_at < :before", {**values, ":before": before}
        items, following = table.query(condition, values, limit=limit, index="listing", forward=False)
        found += items
        # Where a list goes on, nothing older than its last payment may be shown from another list.
        if following is not None:
            cut = max(cut, following["listed_at"])
    newest = sorted((item for item in found if item["listed_at"] >= cut), key=lambda item: item["listed_at"])[::-1]
    page = newest[:limit]
    is_last = not cut and len(newest) <= limit
    return [_payment(item) for item in page], None if is_last or not page else page[-1]["listed_at"]


def requests_writes(payment: Payment) -> list[Write]:
    """Return the writes of a payment of which only the refunds that were asked for have changed.

    An item beside the payment lists it as long as Waffo has not answered for all of them.
    """
    item = {"PK": f"{_PREFIX}{payment.payment_id}", "SK": "REFUNDS"}
    if payment.open_requests:
        since = timestamp(payment.open_requests[0].at)
        item |= {"listing": _OPEN_REFUNDS, "listed_at": f"{since}#{payment.payment_id}"}
    return [payment_write(payment), Put(item)]


def payments_with_open_refunds(
    table: Table, *, limit: int, start: Mapping[str, Any] | None
) -> tuple[list[str], Mapping[str, Any] | None]:
    """Return a page of the ids of payments for whose refunds Waffo has not answered, the longest waiting first."""
    items, following = table.query(
        "listing = :listing", {":listing": _OPEN_REFUNDS}, limit=limit, index="listing", start=start
    )
    return [item["PK"].removeprefix(_PREFIX) for item in items], following


def list_payment(table: Table, payment_id: str) -> bool:
    """Put a payment that an earlier version wrote into the lists; return whether it was not there.

    Whoever writes it at the same time puts it there too.
    """
    item = table.get(_payment_key(payment_id))
    if item is None or "listing" in item:
        return False
    try:
        table.write(_payment_put(_payment(item)))
    except WriteRefused:
        return False
    return True


def payment_write(payment: Payment) -> Put:
    """Return the write of a payment of which nothing that counts has changed."""
    return _payment_put(payment)


def _payment_put(payment: Payment) -> Put:
    """Return the write of a grown payment; its ``version`` is the one that was read."""
    item: dict[str, Any] = {
        **_payment_key(payment.payment_id),
        "version": payment.version + 1,
        "order_id": payment.order_id,
        "customer_id": payment.customer_id,
        "refunds": {refund.id: _refund_item(refund) for refund in payment.refunds.values()},
        "credits": [_credit_item(credit) for credit in payment.credits],
    }
    if payment.remainder:
        item["remainder"] = payment.remainder
    if payment.charge is not None:
        item["charge"] = _charge_item(payment.charge)
    if payment.unmatched is not None:
        item["unmatched"] = _charge_item(payment.unmatched)
    optional = {"flag": payment.flag, "checkout_id": payment.checkout_id}
    item |= {name: value for name, value in optional.items() if value is not None}
    item |= _decided_item(payment)
    told = payment.told_charge
    listed = told.paid_at if told else min((refund.at for refund in payment.standing_refunds), default=None)
    if listed is not None:
        item |= {"listing": _listing(payment.status), "listed_at": f"{timestamp(listed)}#{payment.payment_id}"}
    if payment.version == 0:
        return Put(item, "attribute_not_exists(PK)")
    return Put(item, "version = :version", {":version": payment.version})


def _decided_item(payment: Payment) -> dict[str, Any]:
    """Return what operators decided. Their words stand apart, so that an erasure can take them away."""
    item: dict[str, Any] = {}
    words: dict[str, str] = {}
    if payment.resolution is not None:
        item["resolution"] = _resolution_item(payment.resolution)
        words["resolution"] = payment.resolution.reason
    if payment.requests:
        item["requests"] = {key: _request_item(request) for key, request in payment.requests.items()}
        words |= {f"refund#{key}": request.reason for key, request in payment.requests.items()}
    said = {name: text for name, text in words.items() if text}
    return {**item, "words": said} if said else item


def _resolution_item(resolution: Resolution) -> dict[str, Any]:
    item = {
        "id": resolution.id,
        "kind": resolution.kind,
        "at": to_ms(resolution.at),
        "by": resolution.by,
        "meter": resolution.meter,
        "quantity": resolution.quantity,
        "priority": resolution.priority,
        "until": to_ms(resolution.expires_at) if resolution.expires_at else None,
        "checkout_id": resolution.checkout_id,
    }
    return {name: value for name, value in item.items() if value is not None}


def _resolution(item: Mapping[str, Any], reason: str) -> Resolution:
    return Resolution(
        id=item["id"],
        kind=item["kind"],
        reason=reason,
        at=from_ms(item["at"]),
        by=item.get("by"),
        meter=item.get("meter"),
        quantity=item.get("quantity"),
        priority=int(item["priority"]) if "priority" in item else None,
        expires_at=_instant(item, "until"),
        checkout_id=item.get("checkout_id"),
    )


def _request_item(request: RefundRequest) -> dict[str, Any]:
    item = {
        "amount": request.amount,
        "at": to_ms(request.at),
        "reference": request.reference,
        "by": request.by,
        "ticket_id": request.ticket_id,
        "state": request.state,
        "refusal": request.refusal,
        "is_rest": request.is_rest or None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _request(request_id: str, item: Mapping[str, Any], reason: str) -> RefundRequest:
    return RefundRequest(
        id=request_id,
        amount=item["amount"],
        reason=reason,
        at=from_ms(item["at"]),
        reference=item["reference"],
        by=item.get("by"),
        ticket_id=item.get("ticket_id"),
        state=item["state"],
        refusal=item.get("refusal"),
        is_rest=item.get("is_rest", False),
    )


def _listing(status: PaymentStatus) -> str:
    return f"PAYMENTS#{status}"


def _pointer_item(payment: Payment) -> dict[str, Any]:
    """Return what lists a payment under its order. Whoever grows the payment writes the same or more."""
    number = payment.charge.number if payment.charge else None
    item = {
        "PK": f"{_ORDER_PREFIX}{payment.order_id}",
        "SK": f"{_PREFIX}{payment.payment_id}",
        "payment_id": payment.payment_id,
        "sold": payment.charge.sold if payment.charge else None,
        "number": number,
    }
    return {name: value for name, value in item.items() if value is not None}


def _payment_key(payment_id: str) -> Key:
    return {"PK": f"{_PREFIX}{payment_id}", "SK": _PAYMENT}


def _payment(item: Item) -> Payment:
    words: Mapping[str, str] = item.get("words", {})
    return Payment(
        payment_id=item["PK"].removeprefix(_PREFIX),
        order_id=item["order_id"],
        customer_id=item["customer_id"],
        charge=_charge(item["charge"]) if "charge" in item else None,
        refunds={
            refund_id: _refund(refund_id, refund, (item["order_id"], item["PK"].removeprefix(_PREFIX)))
            for refund_id, refund in item["refunds"].items()
        },
        credits=tuple(_credit(credit) for credit in item["credits"]),
        remainder=item.get("remainder", _ZERO),
        version=int(item["version"]),
        unmatched=_charge(item["unmatched"]) if "unmatched" in item else None,
        flag=item.get("flag"),
        checkout_id=item.get("checkout_id"),
        resolution=_resolution(item["resolution"], words.get("resolution", "")) if "resolution" in item else None,
        requests={
            request_id: _request(request_id, request, words.get(f"refund#{request_id}", ""))
            for request_id, request in item.get("requests", {}).items()
        },
    )


def _charge_item(charge: Charge) -> dict[str, Any]:
    item: dict[str, Any] = {
        "currency": charge.currency,
        "paid_at": to_ms(charge.paid_at),
        "sold": charge.sold,
    }
    optional = {
        "plan": charge.plan,
        "collected": charge.collected,
        "list_total": charge.list_total,
        "tax": charge.tax,
        "number": charge.number,
    }
    return item | {name: value for name, value in optional.items() if value is not None}


def _charge(item: Mapping[str, Any]) -> Charge:
    number = item.get("number")
    return Charge(
        currency=item["currency"],
        collected=item.get("collected"),
        list_total=item.get("list_total"),
        paid_at=from_ms(item["paid_at"]),
        number=None if number is None else int(number),
        sold=item["sold"],
        plan=item.get("plan"),
        tax=item.get("tax"),
    )


def _refund_item(refund: Refund) -> dict[str, Any]:
    marks = refund.marks
    optional = {
        "amount": refund.amount,
        "of": refund.of,
        "event_id": marks.event_id,
        "ticket": marks.ticket,
        "made_at": to_ms(marks.made_at) if marks.made_at else None,
        "made_on_day": marks.is_day or None,
        "succeeded_at": to_ms(refund.succeeded_at) if refund.succeeded_at else None,
        "failed_at": to_ms(refund.failed_at) if refund.failed_at else None,
    }
    return {"at": to_ms(refund.at), **{name: value for name, value in optional.items() if value is not None}}


def _refund(refund_id: str, item: Mapping[str, Any], not_its_own: Collection[str]) -> Refund:
    is_marked = "succeeded_at" in item or "failed_at" in item
    return Refund(
        id=refund_id,
        amount=item.get("amount"),
        of=item.get("of"),
        at=from_ms(item["at"]),
        marks=_marks(item) if is_marked else _marks_of_id(refund_id, item["amount"], not_its_own),
        succeeded_at=_instant(item, "succeeded_at"),
        failed_at=_instant(item, "failed_at"),
    )


def _marks(item: Mapping[str, Any]) -> RefundMarks:
    return RefundMarks(item.get("event_id"), item.get("ticket"), _instant(item, "made_at"), "made_on_day" in item)


def _marks_of_id(refund_id: str, amount: Decimal, not_its_own: Collection[str]) -> RefundMarks:
    """Return the marks of a refund that an earlier version kept: ``<event id>@<made at>``, and maybe a ticket or amount.

    A day was kept as its midnight.
    """
    found = _FORMER_ID.fullmatch(refund_id)
    if found is None:
        return NO_MARKS
    event_id, made, more = found.groups()
    made_at = datetime.fromisoformat(made) if made else None
    return RefundMarks(
        event_id=event_id if event_id not in not_its_own else None,
        ticket=more if more != f"{amount:f}" else None,
        made_at=made_at,
        is_day=made_at is not None and made_at.time() == time(0),
    )


def _instant(item: Mapping[str, Any], name: str) -> datetime | None:
    return from_ms(item[name]) if name in item else None


def _credit_item(credit: Credit) -> dict[str, Any]:
    item: dict[str, Any] = {
        "meter": credit.meter,
        "grant_id": credit.grant_id,
        "quantity": credit.quantity,
        "taken_back": credit.taken_back,
        # Earlier code reads it, and may run beside this one while a deployment is gradual.
        "shortfall": _ZERO,
    }
    if credit.line is not None:
        item["line"] = line_key_item(credit.line)
    if credit.terms is not None:
        item["terms"] = _terms_item(credit.terms)
    return item


def _credit(item: Mapping[str, Any]) -> Credit:
    return Credit(
        meter=item["meter"],
        grant_id=item["grant_id"],
        quantity=item["quantity"],
        taken_back=item["taken_back"],
        line=line_key(item["line"]) if "line" in item else None,
        terms=_terms(item["terms"]) if "terms" in item else None,
    )


def _terms_item(terms: LotTerms) -> dict[str, Any]:
    item = {"kind": terms.kind, "priority": terms.priority, "from": to_ms(terms.starts_at)}
    return item if terms.expires_at is None else {**item, "until": to_ms(terms.expires_at)}


def _terms(item: Mapping[str, Any]) -> LotTerms:
    return LotTerms(item["kind"], int(item["priority"]), from_ms(item["from"]), _instant(item, "until"))
