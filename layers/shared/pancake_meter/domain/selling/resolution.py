"""What an operator says that a payment is which fits nothing."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pancake_meter.value import Value, replace

ResolvedAs = Literal["units", "checkout", "not_ours"]
"""``units``: it buys units of a meter. ``checkout``: it pays a checkout, whatever its amount. ``not_ours``: it is money for
something else, and counts nowhere.
"""


class Resolution(Value):
    """An operator's decision on one payment. ``id`` is the caller's, ``by`` names the API key.

    ``units`` has ``meter`` and ``quantity``; ``priority`` and ``expires_at`` are ``None`` where those of the meter's top-up
    hold. ``checkout`` has ``checkout_id``.
    """

    id: str
    kind: ResolvedAs
    reason: str
    at: datetime
    by: str | None = None
    meter: str | None = None
    quantity: Decimal | None = None
    priority: int | None = None
    expires_at: datetime | None = None
    checkout_id: str | None = None

    def decides_as(self, other: "Resolution") -> bool:
        """Whether both are one decision, asked for twice. The reason is for people, and decides nothing."""
        return replace(self, reason="", at=other.at, by=None) == replace(other, reason="", by=None)
