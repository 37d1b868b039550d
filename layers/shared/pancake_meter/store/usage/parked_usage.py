"""Parked usage: what a source sent and no meter could count, kept with its reason until it can be.

An item is known by the SHA-256 of its source and content, so that a batch sent again parks nothing twice. It carries what
counting needs and nothing that was said to a model.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal, cast

from pancake_meter.domain.instant import from_ms, timestamp, to_ms
from pancake_meter.domain.usage.usage_event import RETENTION
from pancake_meter.store.errors import WriteRefused
from pancake_meter.store.keys import Key
from pancake_meter.store.table import READ_ITEMS_MAX, Check, Item, Put, Table, Update
from pancake_meter.value import Value

UsageSource = Literal["litellm", "openmeter", "bulk"]
CONTENT_LENGTH_MAX = 150_000
"""Characters of ASCII: well within DynamoDB's 400 KB an item."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LISTING = "PARKED_USAGE"
_PARTITION = "PARKED#"
_DISMISSED_LISTING = "PARKED_USAGE_DISMISSED"
_PLAIN_EXPONENT_MAX = 40
_DIGEST_IN_LISTING = 16


class ParkedUsage(Value):
    """``content`` is JSON; ``code`` and ``detail`` say why it was parked, in the words of a problem.

    ``customer_id`` is whose it is, as far as the source says that in a way that is trusted. ``kept_as`` is the id of one
    whose content is no more what the source sent.
    """

    source: UsageSource
    content: str
    code: str
    detail: str
    parked_at: datetime
    customer_id: str | None = None
    kept_as: str | None = None
    counted_at: datetime | None = None
    dismissed_at: datetime | None = None
    dismissed_reason: str | None = None
    dismissed_by: str | None = None
    counted_by: str | None = None

    @property
    def digest(self) -> str:
        """Its id."""
        return self.kept_as or sha256(f"{self.source}\n{self.content}".encode()).hexdigest()

    def is_over(self, now: datetime) -> bool:
        """Return whether it is kept no more: DynamoDB takes items away some days late."""
        return self.parked_at + RETENTION <= now


def content_of(item: object) -> str:
    """Return an item as the one text under which it is kept: the same item is the same text, in ASCII.

    A number that is no integer becomes the text that counting reads as the same number.
    """
    return json.dumps(item, default=_number, sort_keys=True)


def park(table: Table, parked: ParkedUsage, demands: Sequence[Check] = ()) -> None:
    """Keep what could not be counted.

    Raises:
        WriteRefused: it is kept already, or a demand does not hold.
    """
    table.transact([Put(_item(parked), "attribute_not_exists(PK)"), *demands])


def rename(table: Table, parked: ParkedUsage, before: ParkedUsage) -> None:
    """Keep other content of a parked item, unless it was changed meanwhile; what is gone stays gone."""
    with suppress(WriteRefused):
        table.write(
            Update(
                _key(before.digest),
                "SET content = :content",
                "content = :before",
                {":content": parked.content, ":before": before.content},
                is_made=lambda item: item["content"] == parked.content,
            )
        )


def parked_already(table: Table, digests: Sequence[str]) -> set[str]:
    """Return those of the ids under which an item is kept: one request for 100 of them.

    The reads are not strongly consistent: what they miss, ``park`` finds.
    """
    distinct = list(dict.fromkeys(digests))
    chunks = [distinct[first : first + READ_ITEMS_MAX] for first in range(0, len(distinct), READ_ITEMS_MAX)]
    found = [item for chunk in chunks for item in table.get_all([_key(each) for each in chunk], consistent=False)]
    return {item["PK"].removeprefix(_PARTITION) for item in found}


def read_parked(table: Table, digest: str, now: datetime | None = None) -> ParkedUsage | None:
    """Return a parked item, or ``None``; with ``now`` also of one that is kept no more. One read, none for what is no id."""
    if _DIGEST.fullmatch(digest) is None:
        return None
    item = table.get(_key(digest))
    parked = parked_from_item(item) if item is not None else None
    return None if parked is None or (now is not None and parked.is_over(now)) else parked


def parked_usage(
    table: Table, now: datetime, *, limit: int, after: tuple[datetime, str] | None = None, dismissed: bool = False
) -> tuple[list[ParkedUsage], bool]:
    """Return a page of what is still parked, the latest first, and whether there is more: one query of the index.

    What was ``dismissed`` is listed by itself.
    """
    listing = _DISMISSED_LISTING if dismissed else _LISTING
    start = None
    if after is not None:
        start = {**_key(after[1]), "listing": listing, "listed_at": _listed_at(*after)}
    items, following = table.query(
        "listing = :listing", {":listing": listing}, limit=limit, index="listing", forward=False, start=start
    )
    parked = [parked_from_item(item) for item in items]
    kept = [each for each in parked if not each.is_over(now)]
    # The latest come first: after one that is over, all are.
    return kept, following is not None and len(kept) == len(parked)


def count_parked(table: Table, *, limit: int) -> int:
    """Return how many items are still parked, counted up to ``limit`` or 1 MB of them: one query of the index."""
    return table.count("listing = :listing", {":listing": _LISTING}, limit=limit, index="listing")


def mark_counted(table: Table, digest: str, now: datetime, *, by: str | None = None) -> None:
    """Take an item that is counted now off the list; it is forgotten when the ids of usage are.

    ``by`` names the API key of the operator. Who had it counted first stands.
    """
    named = ", counted_by = if_not_exists(counted_by, :by)" if by is not None else ""
    table.write(
        Update(
            _key(digest),
            f"SET counted_at = if_not_exists(counted_at, :now){named} REMOVE listing, listed_at",
            "attribute_exists(PK)",
            {":now": to_ms(now)} | ({":by": by} if by is not None else {}),
        )
    )


def dismiss(table: Table, digest: str, reason: str, now: datetime, *, by: str | None = None) -> ParkedUsage | None:
    """Take an item off the list of open ones, with a reason; return it, or ``None`` where nothing is parked under that id.

    ``by`` names the API key of the operator. What was dismissed before keeps its first time and reason. What was
    counted has no place on a list any more.
    """
    if _DIGEST.fullmatch(digest) is None:
        return None
    update = Update(
        _key(digest),
        "SET listing = :dismissed, dismissed_at = :now, dismissed_reason = :reason"
        + (", dismissed_by = :by" if by is not None else ""),
        "expires_at > :now_seconds AND attribute_not_exists(dismissed_at) AND attribute_not_exists(counted_at)",
        {":dismissed": _DISMISSED_LISTING, ":now": to_ms(now), ":now_seconds": to_ms(now) // 1000, ":reason": reason}
        | ({":by": by} if by is not None else {}),
        is_made=lambda item: "dismissed_at" in item,
    )
    try:
        return parked_from_item(table.write(update))
    except WriteRefused:
        return read_parked(table, digest, now)


def _number(number: object) -> str:
    if isinstance(number, Decimal) and number.is_finite() and abs(number.adjusted()) <= _PLAIN_EXPONENT_MAX:
        return format(number, "f")
    return str(number)


def _key(digest: str) -> Key:
    return {"PK": f"{_PARTITION}{digest}", "SK": "USAGE"}


def _listed_at(at: datetime, digest: str) -> str:
    return f"{timestamp(at)}#{digest[:_DIGEST_IN_LISTING]}"


def _item(parked: ParkedUsage) -> dict[str, Any]:
    return {
        **_key(parked.digest),
        "listing": _LISTING,
        "listed_at": _listed_at(parked.parked_at, parked.digest),
        "source": parked.source,
        "content": parked.content,
        "code": parked.code,
        "detail": parked.detail,
        "parked_at": to_ms(parked.parked_at),
        "expires_at": to_ms(parked.parked_at + RETENTION) // 1000,
        **({"customer_id": parked.customer_id} if parked.customer_id is not None else {}),
    }


def parked_from_item(item: Item) -> ParkedUsage:
    """Read a stored item."""
    return ParkedUsage(
        source=cast("UsageSource", item["source"]),
        content=item["content"],
        code=item["code"],
        detail=item["detail"],
        parked_at=from_ms(item["parked_at"]),
        customer_id=item.get("customer_id"),
        kept_as=item["PK"].removeprefix(_PARTITION),
        counted_at=from_ms(item["counted_at"]) if "counted_at" in item else None,
        dismissed_at=from_ms(item["dismissed_at"]) if "dismissed_at" in item else None,
        dismissed_reason=item.get("dismissed_reason"),
        dismissed_by=item.get("dismissed_by"),
        counted_by=item.get("counted_by"),
    )
