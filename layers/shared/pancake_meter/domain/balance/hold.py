"""Holds: units reserved before the work, and the handle a caller carries until it settles them."""

import base64
import hashlib
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Self

from pancake_meter.domain.errors import InvalidHoldId
from pancake_meter.domain.quantity import SMALLEST_QUANTITY, format_quantity, parse_quantity
from pancake_meter.value import Value

EXPIRED_HOLDS_MAX: Final = 7
"""Expired holds that a balance may carry along: a hold that is placed beside more of them ends them."""

MAX_HOLDS = 100
"""Live holds of one balance: they are part of its item, which every hot write rewrites."""

DEFAULT_HOLD_TTL = timedelta(minutes=5)
MAX_HOLD_TTL = timedelta(hours=24)

HOLD_ID_PATTERN: Final = r"^[A-Za-z0-9_.:-]{1,64}$"

SHORT_NAME_MARK: Final = "~"
"""Begins the short name of a hold. No id has this character."""

SHORT_NAME_LENGTH: Final = 8
"""Characters of a short name: 48 bits, so that two of 100 live holds share one about once in 10**11 times."""

PLAIN_NAME_MAX: Final = 16
"""Characters of the longest id that is its own name."""

_SHORT_NAME = re.compile(rf"{SHORT_NAME_MARK}[A-Za-z0-9_-]{{{SHORT_NAME_LENGTH}}}")
_ID = re.compile(HOLD_ID_PATTERN[1:-1])
_HANDLE = re.compile(r"(?P<meter>[a-z][a-z0-9_]{0,31})~(?P<quantity>[0-9.]{1,23})~(?P<id>.+)")


class Hold(Value):
    """``quantity`` units reserved until ``expires_at``."""

    quantity: Decimal
    expires_at: datetime


class HoldHandle(Value):
    """What names a hold in a URL: ``<meter>~<quantity>~<id>``.

    It carries the meter and the quantity so that settling is one conditional write with no read before it. Nothing trusts
    it: the write's condition compares it with the stored hold.
    """

    meter: str
    quantity: Decimal
    id: str

    def __str__(self) -> str:
        """Return the handle as callers see it; every character is URL-safe."""
        return f"{self.meter}~{format_quantity(self.quantity)}~{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the handle, or ``None`` when ``text`` has another form (a bare hold id).

        Raises:
            InvalidHoldId: it has the form of a handle, but the id in it cannot be one.
            InvalidQuantity: it has the form of a handle, but the quantity in it cannot be one.
        """
        match = _HANDLE.fullmatch(text)
        if match is None:
            return None
        return cls(match["meter"], parse_quantity(match["quantity"]), check_hold_id(match["id"]))

    @classmethod
    def named(cls, name: str, meter: str) -> Self:
        """Return the hold of ``meter`` that ``name`` means: its handle, or its id, whose quantity a first try finds out.

        Raises:
            InvalidHoldId, InvalidQuantity: it is neither a handle nor an id.
        """
        return cls.parse(name) or cls(meter, SMALLEST_QUANTITY, check_hold_id(name))


class CustomerHold(Value):
    """A hold and whose it is."""

    customer_id: str
    handle: HoldHandle


def check_hold_id(text: str) -> str:
    """Return ``text`` when it can name a hold: 1 to 64 of ``A-Za-z0-9_.:-``.

    Raises:
        InvalidHoldId: it cannot.
    """
    if _ID.fullmatch(text) is None:
        raise InvalidHoldId("a hold id is 1 to 64 characters of A-Z a-z 0-9 _ . : -")
    return text


def is_short_name(text: str) -> bool:
    """Whether ``text`` is a short name as ``hold_name`` makes it: what lists show of a hold with a longer id."""
    return _SHORT_NAME.fullmatch(text) is not None


def hold_name(hold_id: str) -> str:
    """Return the name under which a balance has a hold: a short id itself, of a longer one ``~`` and 8 characters.

    These are the first 8 of its SHA-256 in base64url: each hold in flight is paid for with each write of its balance, and a
    UUID alone takes 36 bytes. A short name is its own name.
    """
    if len(hold_id) <= PLAIN_NAME_MAX or hold_id.startswith(SHORT_NAME_MARK):
        return hold_id
    digest = base64.urlsafe_b64encode(hashlib.sha256(hold_id.encode()).digest()).decode()
    return f"{SHORT_NAME_MARK}{digest[:SHORT_NAME_LENGTH]}"
