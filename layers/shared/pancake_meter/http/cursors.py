"""Cursors: how a list in pages says where its next page goes on.

A cursor begins with a digest of its place and of the list that it is of: the route, whose it is, and what else the query
asked for. So no list takes the cursor of another one, which would pass over entries, or name a place in another customer's
data; and none takes a text that was changed. The digest has no key: it finds mistakes. What a caller may see, routes decide.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, WithJsonSchema

from pancake_meter.domain.instant import parse_instant, timestamp
from pancake_meter.http.fields import WireModel
from pancake_meter.http.foreign_cursor import ForeignCursor
from pancake_meter.value import Value

CURSOR_LENGTH_MAX: Final = 6_000
"""The place of an export has the two keys of an item: at most 3 KB, in base64."""

NO_CURSOR: Final = f"must be the next_cursor of the page before, of at most {CURSOR_LENGTH_MAX:,} characters"

_DIGEST_BYTES: Final = 16

T = TypeVar("T")


class Pages(Value):
    """A list that is answered in pages: ``name`` has all that says which list it is. A place in it is some texts."""

    name: Sequence[Any]

    def cursor(self, place: Sequence[str] | None) -> str | None:
        """Return the cursor of a place, ``None`` of none."""
        if place is None:
            return None
        content = _json(list(place))
        digest = sha256(_json(list(self.name)) + content).digest()[:_DIGEST_BYTES]
        return base64.urlsafe_b64encode(digest + content).decode().rstrip("=")

    def place(self, cursor: str | None, read: Callable[..., T]) -> T | None:
        """Return the place of a cursor, as ``read`` makes it of its texts; ``None`` of none.

        Raises:
            ForeignCursor: the cursor is not of this list.
        """
        if cursor is None:
            return None
        try:
            decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            texts = json.loads(decoded[_DIGEST_BYTES:])
            if (
                isinstance(texts, list)
                and all(isinstance(text, str) for text in texts)
                and self.cursor(texts) == cursor
            ):
                return read(*texts)
        except (binascii.Error, RecursionError, TypeError, ValueError) as error:
            raise ForeignCursor(NO_CURSOR) from error
        raise ForeignCursor(NO_CURSOR)


def _cursor(value: object) -> object:
    if not isinstance(value, str) or len(value) > CURSOR_LENGTH_MAX:
        raise ValueError(NO_CURSOR)
    return value


class PageQuery(WireModel):
    """Base of the queries of lists in pages. ``cursor`` is what the page before gave."""

    cursor: (
        Annotated[
            str,
            BeforeValidator(_cursor),
            WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{24,}$", "maxLength": CURSOR_LENGTH_MAX}),
        ]
        | None
    ) = None

    def pages(self, customer_id: str | None = None) -> Pages:
        """Return the list that is asked for: that of the customer in the path, where there is one."""
        asked = self.model_dump(mode="json", exclude={"cursor", "limit"})
        return Pages((type(self).__name__, customer_id, asked))


def dated(at: datetime, name: str) -> tuple[str, str]:
    """Return the place of an entry by its instant and its name."""
    return timestamp(at), name


def read_dated(at: str, name: str) -> tuple[datetime, str]:
    """Return the instant and the name of a place. Raises ``ValueError`` for what is none."""
    return parse_instant(at), name


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
