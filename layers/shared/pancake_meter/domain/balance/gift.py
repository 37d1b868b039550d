"""Gifts: units that the operator gives by hand."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant
from pancake_meter.domain.balance.ledger import GIFT_PREFIX
from pancake_meter.domain.errors import InvalidGift

GiftKind = Literal["promotion", "credit"]
"""``promotion`` burns before the plan's units, ``credit`` after them."""


@dataclass(frozen=True, slots=True)
class Gift:
    """What is asked for: ``starts_at`` is ``None`` for units that start when they are given, ``expires_at`` for good."""

    kind: GiftKind
    quantity: Decimal
    starts_at: datetime | None = None
    expires_at: datetime | None = None

    def grant(self, gift_id: str, now: datetime) -> Grant:
        """Return the grant that gives the units.

        Raises:
            InvalidGift: nothing is given, or it would end before it starts or is given.
        """
        start = self.starts_at or now
        if self.quantity <= 0 or (self.expires_at is not None and self.expires_at <= max(start, now)):
            raise InvalidGift("a gift is of some units, and ends after it starts and is given")
        priority = DEFAULT_PRIORITY[self.kind]
        return Grant(
            f"{GIFT_PREFIX}{gift_id}", self.kind, self.quantity, self.quantity, priority, start, self.expires_at
        )
