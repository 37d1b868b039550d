"""Deliveries: every webhook request as it came, what was made of it, and the orders that they are about.

A delivery is known by the SHA-256 of its raw body. Its mark is written in the transaction that has its effects, so the two
are never apart. A pointer under the order, without the body, lists the deliveries of one order; the ``listing`` index lists
them by verdict. The ``due`` index has those whose body ages: ``BODIES``, by the time at which they were received. A delivery
that is open is not among them: its body is what it will be applied from.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal

from pancake_meter.domain.errors import OrderTooLarge
from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.standing.lifecycle import ToldBy
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import Item, Put, Table, Update, Write
from pancake_meter.value import Value, field, replace

Mode = Literal["test", "prod"]

Verdict = Literal["applied", "ignored", "parked", "failed", "dismissed"]
"""``parked``: cannot be resolved yet. ``failed``: cannot be applied as things stand. Both are open: replayed until they are
done, or ``dismissed`` by an operator, for a reason. What is dismissed may still be replayed.
"""

VERDICTS: tuple[Verdict, ...] = ("applied", "ignored", "parked", "failed", "dismissed")

OPEN_VERDICTS: tuple[Verdict, ...] = ("parked", "failed")
DONE_VERDICTS: tuple[Verdict, ...] = ("applied", "ignored", "dismissed")

BodyEncoding = Literal["utf-8", "base64"]

_OF_ORDER_PAGE_SIZE: Final = 100
_OF_ORDER_PAGES_MAX: Final = 50
_READ_AT_ONCE: Final = 10

Place = tuple[datetime, str]
"""Where a page goes on: after the delivery with this place and digest."""

_SHOWN: Final = (
    "event_type",
    "event_id",
    "order_id",
    "customer_id",
    "verdict",
    "reason",
    "occurred_at",
    "received_at",
    "judged_at",
    "attempts",
    "judged_with",
    "redacted",
)
"""Attributes of a delivery that lists show."""

_MARK = "DELIVERY"
_BODIES = "BODIES"
_DIGEST_IN_LISTING = 16


class Pin(Value):
    """The mode and the store of the stack that received a body which does not say its own, or cannot be read."""

    mode: Mode
    store_id: str


class Dismissal(Value):
    """An operator's decision that nothing is to be done about a delivery, in the operator's words."""

    reason: str
    at: datetime


class Delivery(Value):
    """One webhook request. ``headers`` are those that matter, ``reason`` says why for every verdict but ``applied``.

    ``body`` has the bytes as received, of a body that is too large to keep only its beginning; ``body_size`` is its length.
    ``duplicates`` counts later arrivals of the same body, ``attempts`` how often it was tried to apply. ``told_by``: no
    request brought a delivery that reconciliation found; its body is the payload that Waffo kept, or one made of a snapshot.

    ``pin`` is there while the body has not been read as an event: mode and store are checked when it is. ``detail`` says
    what cannot be read, without quoting it. ``decided_by`` names the API key of the operator who had it judged again or
    dismissed it last. ``judged_with`` stands for the code and the catalog that judged it; it is empty for deliveries that
    were judged before it was kept. ``body_removed_at``: body and headers are gone, and the mark stays. ``is_redacted``: of
    the body of a customer who was erased, what is about money is left, under the pseudonym.
    """

    digest: str
    body: bytes
    headers: Mapping[str, str]
    received_at: datetime
    event_type: str
    event_id: str
    waffo_id: str
    occurred_at: datetime
    order_id: str | None
    verdict: Verdict
    judged_at: datetime
    reason: str | None = None
    customer_id: str | None = None
    attempts: int = 1
    duplicates: int = 0
    last_duplicate_at: datetime | None = None
    told_by: ToldBy = "webhook"
    body_size: int | None = None
    pin: Pin | None = None
    detail: str | None = None
    judged_with: str = ""
    dismissal: Dismissal | None = None
    decided_by: str | None = None
    body_removed_at: datetime | None = None
    is_redacted: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it waits to be applied."""
        return self.verdict in OPEN_VERDICTS

    @property
    def may_be_replayed(self) -> bool:
        """Whether an operator may have it judged again. What is not ours may turn out to be ours after all."""
        return self.is_open or self.verdict == "dismissed" or (self.verdict == "ignored" and self.reason == "not_ours")

    @property
    def needs_body(self) -> bool:
        """Whether its body may yet be applied: what of a body is only its beginning never can."""
        return self.is_open and self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether all of the body is kept."""
        return self.body_removed_at is None and (self.body_size is None or self.body_size == len(self.body))

    def without_body(self, now: datetime) -> "Delivery":
        """Return the delivery as it is once its body is gone: the mark, and what lists show."""
        size = len(self.body) if self.body_size is None else self.body_size
        return replace(self, body=b"", headers={}, body_size=size, body_removed_at=now)

    @property
    def body_text(self) -> tuple[str, BodyEncoding]:
        """The body as text: itself where it is UTF-8, else in base64."""
        try:
            return self.body.decode(), "utf-8"
        except UnicodeDecodeError:
            return base64.b64encode(self.body).decode("ascii"), "base64"


class Listed(Value):
    """A delivery as lists show it: all but what was received and how often. ``place`` is its position in the list.

    ``body`` is there while it is open, in lists by verdict and of all.
    """

    digest: str
    event_type: str
    event_id: str
    order_id: str | None
    customer_id: str | None
    verdict: Verdict
    reason: str | None
    occurred_at: datetime
    received_at: datetime
    judged_at: datetime
    attempts: int
    place: datetime
    judged_with: str = ""
    is_redacted: bool = False
    body: bytes | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits to be applied."""
        return self.verdict in OPEN_VERDICTS


class Page(Value):
    """Deliveries, and the (place, digest) after which the next page goes on; ``None`` at the end."""

    deliveries: list[Listed] = field(default_factory=list)
    following: Place | None = None


def read_delivery(table: Table, digest: str) -> Delivery | None:
    """Return a delivery, or ``None``: one read."""
    item = table.get(delivery_key(digest))
    return delivery_from_item(item) if item is not None else None


def read_deliveries(table: Table, digests: Sequence[str]) -> list[Delivery]:
    """Return those of some deliveries that are there, in the order of ``digests``: one request for each ten.

    Their bodies may be large.
    """
    chunks = (digests[first : first + _READ_AT_ONCE] for first in range(0, len(digests), _READ_AT_ONCE))
    items = (item for chunk in chunks for item in table.get_all([delivery_key(each) for each in chunk]))
    found = {delivery.digest: delivery for delivery in map(delivery_from_item, items)}
    return [found[digest] for digest in digests if digest in found]


def delivery_writes(delivery: Delivery, before: Delivery | None) -> list[Write]:
    """Return the writes that keep a delivery, which is ``before`` as it was read, ``None``: not there.

    The first is the mark: refused when something else came of the delivery in between.
    """
    item = _delivery_item(delivery)
    if before is None:
        mark = Put(item, "attribute_not_exists(PK)")
    else:
        values = {":verdict": before.verdict, ":attempts": before.attempts}
        mark = Put(item, "verdict = :verdict AND attempts = :attempts", values)
    return [mark] if delivery.order_id is None else [mark, Put(_pointer_item(delivery, delivery.order_id))]


def count_duplicate(table: Table, digest: str, now: datetime) -> None:
    """Count one more arrival of a delivery that is known: once, also where the store's answer is lost."""
    counted = Update(
        delivery_key(digest),
        "SET duplicates = duplicates + :one, last_duplicate_at = :now",
        "attribute_exists(PK)",
        {":one": 1, ":now": to_ms(now)},
    )
    table.transact([counted])


def deliveries_by_verdict(table: Table, verdict: Verdict, *, limit: int, after: Place | None = None) -> Page:
    """Return a page of the deliveries with a verdict, the latest received first: one query of the index.

    Bodies are sent of those that are open.
    """
    listing = _listing(verdict)
    start = {**delivery_key(after[1]), "listing": listing, "listed_at": _listed_at(*after)} if after else None
    shown = (*_SHOWN, "body", "body_encoding") if verdict in OPEN_VERDICTS else _SHOWN
    items, following = table.query(
        "listing = :listing",
        {":listing": listing},
        limit=limit,
        index="listing",
        forward=False,
        start=start,
        attributes=shown,
    )
    return _page([_listed(item, place="received_at") for item in items], is_last=following is None)


def latest_deliveries(table: Table, *, limit: int, after: Place | None = None) -> Page:
    """Return a page of all deliveries, the latest received first: a query of the index for each verdict.

    A query ends early where bodies are large. Nothing is shown that is older than the end of such a query.
    """
    pages = [deliveries_by_verdict(table, verdict, limit=limit, after=after) for verdict in VERDICTS]
    seen_until = max((_listed_order(page.deliveries[-1]) for page in pages if page.following is not None), default="")
    found = (each for page in pages for each in page.deliveries if _listed_order(each) >= seen_until)
    newest = sorted(found, key=_listed_order, reverse=True)
    return _page(newest[:limit], is_last=len(newest) <= limit and not seen_until)


def count_deliveries(table: Table, verdict: Verdict, *, limit: int) -> int:
    """Return how many deliveries have a verdict, counted up to ``limit`` or 1 MB of them: one query of the index."""
    return table.count("listing = :listing", {":listing": _listing(verdict)}, limit=limit, index="listing")


def deliveries_of_order(table: Table, order_id: str, *, limit: int, after: Place | None = None) -> Page:
    """Return a page of the deliveries about an order, the latest event first: one query of small items."""
    start = {"PK": _order_partition(order_id), "SK": _pointer_sort(*after)} if after else None
    items, following = table.query(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": _order_partition(order_id), ":prefix": f"{_MARK}#"},
        limit=limit,
        forward=False,
        start=start,
    )
    return _page([_listed(item, place="occurred_at") for item in items], is_last=following is None)


def each_of_order(table: Table, order_id: str) -> Iterator[Listed]:
    """Yield the deliveries about an order, the oldest event first: one consistent query for each hundred.

    Raises:
        OrderTooLarge: the order has more than 5,000, and whoever asks has not found what it looks for among these. The
            schedule finds what is open by its verdict (``open_deliveries``), however many deliveries an order has.
    """
    items = table.each(
        "PK = :partition AND begins_with(SK, :prefix)",
        {":partition": _order_partition(order_id), ":prefix": f"{_MARK}#"},
        page=_OF_ORDER_PAGE_SIZE,
        pages_max=_OF_ORDER_PAGES_MAX,
        beyond=OrderTooLarge("the order has more deliveries than are looked through", order_id=order_id),
    )
    yield from (_listed(item, place="occurred_at") for item in items)


def open_deliveries(
    table: Table, verdict: Verdict, *, limit: int, start: Mapping[str, Any] | None
) -> tuple[list[Listed], Mapping[str, Any] | None]:
    """Return a page of the deliveries with a verdict, the earliest received first, and the key after it; no bodies."""
    items, following = table.query(
        "listing = :listing",
        {":listing": _listing(verdict)},
        limit=limit,
        index="listing",
        start=start,
        attributes=_SHOWN,
    )
    return [_listed(item, place="received_at") for item in items], following


def aged_bodies(table: Table, received_before: datetime, *, limit: int) -> list[str]:
    """Return up to ``limit`` digests of deliveries that are done, have a body, and were received by then; oldest first.

    One query of keys. A delivery leaves the list when its body is removed.
    """
    items, _ = table.query(
        "due_shard = :bodies AND valid_until <= :before",
        {":bodies": _BODIES, ":before": to_ms(received_before)},
        limit=limit,
        index="due",
    )
    return [_digest(item) for item in items]


def undated_bodies(
    table: Table, verdict: Verdict, *, limit: int, start: Mapping[str, Any] | None
) -> tuple[list[str], Mapping[str, Any] | None]:
    """Return those of a page of deliveries with a verdict whose body never ages, and the key of the page's last delivery.

    Earlier code wrote them. They are in order of receipt, the earliest first.
    """
    items, following = table.query(
        "listing = :listing", {":listing": _listing(verdict)}, limit=limit, index="listing", start=start
    )
    last = following or ({name: items[-1][name] for name in ("PK", "SK", "listing", "listed_at")} if items else start)
    return [_digest(item) for item in items if "due_shard" not in item and item["body"]], last


def date_body(table: Table, digest: str, verdict: Verdict) -> None:
    """Let the body of a delivery age that earlier code has written; one that was judged anew meanwhile ages by itself."""
    dated = Update(
        delivery_key(digest),
        "SET due_shard = :bodies, valid_until = received_at",
        "verdict = :verdict AND attribute_not_exists(due_shard)",
        {":bodies": _BODIES, ":verdict": verdict},
        is_made=lambda item: "due_shard" in item,
    )
    with suppress(WriteRefused):
        table.write(dated)


def dismissed(delivery: Delivery, reason: str, now: datetime, by: str | None = None) -> Delivery:
    """Return a delivery that an operator has dismissed. Why it was open stays on it."""
    return replace(
        delivery,
        verdict="dismissed",
        judged_at=now,
        dismissal=Dismissal(reason, now),
        decided_by=by or delivery.decided_by,
    )


def read_order_customer(table: Table, order_id: str) -> str | None:
    """Return the customer that an order is known to belong to, or ``None``: one read."""
    item = table.get(order_key(order_id))
    return item["customer_id"] if item is not None else None


def read_order_learned_at(table: Table, order_id: str) -> datetime | None:
    """Return when an event of the order was last applied or found to be no news, or ``None``: one read.

    It is ``None`` too for an order of which nothing was learned since an earlier version wrote it.
    """
    item = table.get(order_key(order_id))
    return from_ms(item["learned_at"]) if item is not None and "learned_at" in item else None


def order_write(order_id: str, customer_id: str, now: datetime) -> Put:
    """Bind an order to its customer, and note that something was learned of it; refused when it belongs to another."""
    return Put(
        {**order_key(order_id), "customer_id": customer_id, "learned_at": to_ms(now)},
        "attribute_not_exists(PK) OR customer_id = :customer",
        {":customer": customer_id},
    )


def delivery_key(digest: str) -> Key:
    """Return the key of a delivery."""
    return {"PK": f"{_MARK}#{digest}", "SK": _MARK}


def order_key(order_id: str) -> Key:
    """Return the key of what an order is known to belong to."""
    return {"PK": _order_partition(order_id), "SK": "ORDER"}


def _digest(item: Item) -> str:
    return str(item["PK"]).removeprefix(f"{_MARK}#")


def _order_partition(order_id: str) -> str:
    return f"ORDER#{order_id}"


def _listing(verdict: Verdict) -> str:
    return f"DELIVERIES#{verdict}"


def _delivery_item(delivery: Delivery) -> dict[str, Any]:
    body, encoding = delivery.body_text
    item: dict[str, Any] = {
        **delivery_key(delivery.digest),
        "listing": _listing(delivery.verdict),
        "listed_at": _listed_at(delivery.received_at, delivery.digest),
        "body": body,
        "headers": dict(delivery.headers),
        "received_at": to_ms(delivery.received_at),
        "event_type": delivery.event_type,
        "event_id": delivery.event_id,
        "waffo_id": delivery.waffo_id,
        "occurred_at": to_ms(delivery.occurred_at),
        "verdict": delivery.verdict,
        "judged_at": to_ms(delivery.judged_at),
        "attempts": delivery.attempts,
        "duplicates": delivery.duplicates,
    }
    optional = {
        "order_id": delivery.order_id,
        "reason": delivery.reason,
        "customer_id": delivery.customer_id,
        "last_duplicate_at": to_ms(delivery.last_duplicate_at) if delivery.last_duplicate_at else None,
        "body_encoding": encoding if encoding != "utf-8" else None,
        "body_size": delivery.body_size,
        "pin": {"mode": delivery.pin.mode, "store_id": delivery.pin.store_id} if delivery.pin else None,
        "detail": delivery.detail,
        "judged_with": delivery.judged_with or None,
        "decided_by": delivery.decided_by,
        "dismissal": {"reason": delivery.dismissal.reason, "at": to_ms(delivery.dismissal.at)}
        if delivery.dismissal
        else None,
        "body_removed_at": to_ms(delivery.body_removed_at) if delivery.body_removed_at else None,
    }
    if delivery.body and not delivery.needs_body:
        item |= {"due_shard": _BODIES, "valid_until": to_ms(delivery.received_at)}
    if delivery.is_redacted:
        item["redacted"] = True
    if delivery.told_by != "webhook":
        item["told_by"] = delivery.told_by
    return item | {name: value for name, value in optional.items() if value is not None}


def delivery_from_item(item: Item) -> Delivery:
    """Return the delivery of an item."""
    pin, dismissal = item.get("pin"), item.get("dismissal")
    return Delivery(
        digest=_digest(item),
        body=_body(item),
        headers=dict(item["headers"]),
        received_at=from_ms(item["received_at"]),
        event_type=item["event_type"],
        event_id=item["event_id"],
        waffo_id=item["waffo_id"],
        occurred_at=from_ms(item["occurred_at"]),
        order_id=item.get("order_id"),
        verdict=item["verdict"],
        judged_at=from_ms(item["judged_at"]),
        reason=item.get("reason"),
        customer_id=item.get("customer_id"),
        attempts=int(item["attempts"]),
        duplicates=int(item["duplicates"]),
        last_duplicate_at=from_ms(item["last_duplicate_at"]) if "last_duplicate_at" in item else None,
        told_by=item.get("told_by", "webhook"),
        body_size=int(item["body_size"]) if "body_size" in item else None,
        pin=Pin(pin["mode"], pin["store_id"]) if pin else None,
        detail=item.get("detail"),
        judged_with=item.get("judged_with", ""),
        dismissal=Dismissal(dismissal["reason"], from_ms(dismissal["at"])) if dismissal else None,
        decided_by=item.get("decided_by"),
        body_removed_at=from_ms(item["body_removed_at"]) if "body_removed_at" in item else None,
        is_redacted="redacted" in item,
    )


def _pointer_item(delivery: Delivery, order_id: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "PK": _order_partition(order_id),
        "SK": _pointer_sort(delivery.occurred_at, delivery.digest),
        "digest": delivery.digest,
        "verdict": delivery.verdict,
        "event_type": delivery.event_type,
        "event_id": delivery.event_id,
        "order_id": order_id,
        "occurred_at": to_ms(delivery.occurred_at),
        "received_at": to_ms(delivery.received_at),
        "judged_at": to_ms(delivery.judged_at),
        "attempts": delivery.attempts,
    }
    optional = {
        "reason": delivery.reason,
        "customer_id": delivery.customer_id,
        "redacted": delivery.is_redacted or None,
    }
    return item | {name: value for name, value in optional.items() if value is not None}


def _page(deliveries: list[Listed], *, is_last: bool) -> Page:
    return Page(deliveries, None if is_last or not deliveries else (deliveries[-1].place, deliveries[-1].digest))


def _listed(item: Item, *, place: Literal["received_at", "occurred_at"]) -> Listed:
    """Read what lists show, from a delivery or from the pointer under its order."""
    return Listed(
        digest=item.get("digest") or _digest(item),
        event_type=item["event_type"],
        event_id=item["event_id"],
        order_id=item.get("order_id"),
        customer_id=item.get("customer_id"),
        verdict=item["verdict"],
        reason=item.get("reason"),
        occurred_at=from_ms(item["occurred_at"]),
        received_at=from_ms(item["received_at"]),
        judged_at=from_ms(item["judged_at"]),
        attempts=int(item["attempts"]),
        place=from_ms(item[place]),
        judged_with=item.get("judged_with", ""),
        is_redacted="redacted" in item,
        body=_body(item) if "body" in item and item["verdict"] in OPEN_VERDICTS else None,
    )


def _body(item: Item) -> bytes:
    return base64.b64decode(item["body"]) if item.get("body_encoding") == "base64" else str(item["body"]).encode()


def _listed_order(listed: Listed) -> str:
    return _listed_at(listed.place, listed.digest)


def _listed_at(received_at: datetime, digest: str) -> str:
    return f"{timestamp(received_at)}#{digest[:_DIGEST_IN_LISTING]}"


def _pointer_sort(occurred_at: datetime, digest: str) -> str:
    return f"{_MARK}#{timestamp(occurred_at)}#{digest}"
