"""Usage that was counted, as those who are told of it afterwards see it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CountedUsage:
    """``quantity`` units of a meter that a customer used at ``used_at``, and that were counted at ``counted_at``.

    Its identity is (customer, meter, event id).
    """

    customer_id: str
    meter: str
    event_id: str
    quantity: Decimal
    used_at: datetime
    counted_at: datetime
