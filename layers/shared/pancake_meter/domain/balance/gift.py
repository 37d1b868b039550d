"""Gifts: units that the operator gives by hand."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant
from pancake_meter.domain.balance.ledger import GIFT_PREFIX
from pancake_meter.domain.errors import InvalidGift
from pancake_meter.value import Value

GiftKind = Literal["promotion", "trial", "credit"]
"""``trial`` and ``promotion`` burn before the plan's units, in this order; ``credit`` burns after them."""

GIFT_ID_LENGTH_MAX: Final = 64

PRIORITY_MAX: Final = 1000
"""As that of packs in the catalog."""


class Gift(Value):
    """What is asked for: ``starts_at`` is ``None`` for units that start when they are given, ``expires_at`` for good.

    ``priority`` is ``None`` for that of the kind. ``reason`` is for people.
    """

    kind: GiftKind
    quantity: Decimal
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    priority: int | None = None
    reason: str | None = None

    def grant(self, gift_id: str, now: datetime) -> Grant:
        """Return the grant that gives the units.

        Raises:
            InvalidGift: nothing is given, or it would end before it starts or is given.
        """
        start = self.starts_at or now
        if self.quantity <= 0 or (self.expires_at is not None and self.expires_at <= max(start, now)):
            raise InvalidGift("a gift is of some units, and ends after it starts and is given")
        priority = DEFAULT_PRIORITY[self.kind] if self.priority is None else self.priority
        return Grant(
            f"{GIFT_PREFIX}{gift_id}", self.kind, self.quantity, self.quantity, priority, start, self.expires_at
        )


class Voided(Value):
    """The rest of a gift was taken back: ``quantity`` units, which nobody had used. ``by`` names the API key."""

    at: datetime
    quantity: Decimal
    by: str | None = None


class GivenUnits(Value):
    """A gift as it was given: what the first answer said, and what later ones repeat.

    ``remaining`` units were left once it had paid for overage that was there. ``by`` names the operator's API key.
    """

    id: str
    meter: str
    gift: Gift
    at: datetime
    remaining: Decimal
    by: str | None = None
    voided: Voided | None = None

    @property
    def grant_id(self) -> str:
        """Id of its grant on the balance."""
        return f"{GIFT_PREFIX}{self.id}"
