"""Payments: the receipt of each charge, what was refunded of it, and the units that it bought.

A payment too is a join: charge and refunds may become known in any order, and the same fact twice is one fact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from pancake_meter.domain.quantity import QUANTITY_DECIMAL_PLACES, normal_quantity
from pancake_meter.domain.selling.overage import LineKey

MAX_REFUNDS = 50
"""Refunds of one payment."""

SoldKind = Literal["subscription", "overage", "top_up"]
"""What a payment is for."""

_STEP = Decimal(1).scaleb(-QUANTITY_DECIMAL_PLACES)
_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Charge:
    """Money that came in. ``collected`` is what the channel collected, ``None`` when Waffo does not know.

    ``list_total`` is the order's price after tax, ``tax`` the tax in it. ``number`` counts a subscription's charges.
    ``plan`` is the tier that the money counts for: the one sold, or the one whose overage was; a top-up has none.
    """

    currency: str
    collected: Decimal | None
    list_total: Decimal | None
    paid_at: datetime
    sold: SoldKind
    plan: str | None = None
    number: int | None = None
    tax: Decimal | None = None

    @property
    def amount(self) -> Decimal | None:
        """The money: what was collected, else the price; ``None`` when neither is known."""
        return self.collected if self.collected is not None else self.list_total

    @property
    def is_subscription(self) -> bool:
        """Whether it pays for a period of a plan."""
        return self.sold == "subscription"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back at ``at``: ``amount`` of a payment that had collected ``of``, ``None`` when not stated."""

    id: str
    amount: Decimal
    of: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Credit:
    """Units that a payment bought. ``taken_back`` were refunded; ``shortfall`` of them were used already: a debt.

    With a ``line`` they are units of that overage line, which the payment settled; else they are a grant.
    """

    meter: str
    grant_id: str
    quantity: Decimal
    taken_back: Decimal = _ZERO
    shortfall: Decimal = _ZERO
    line: LineKey | None = None

    def due(self, share: Decimal) -> Decimal:
        """Units still to be taken back when ``share`` of the payment is refunded: absolute, so repeating it is nothing."""
        owed = normal_quantity((self.quantity * share).quantize(_STEP, rounding=ROUND_DOWN))
        return max(_ZERO, owed - self.taken_back)

    def took_back(self, quantity: Decimal, shortfall: Decimal) -> "Credit":
        """Return the credit after ``quantity`` units were claimed back, of which ``shortfall`` were not there any more."""
        return replace(self, taken_back=self.taken_back + quantity, shortfall=self.shortfall + shortfall)


@dataclass(frozen=True, slots=True)
class Payment:
    """All that is known of one payment. ``version`` counts the writes of the item; 0 means that it is not written yet."""

    payment_id: str
    order_id: str
    customer_id: str
    charge: Charge | None = None
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    credits: tuple[Credit, ...] = ()
    version: int = 0

    def with_charge(self, charge: Charge) -> "Payment":
        """Return the payment with its charge; the first statement of it stands."""
        return self if self.charge is not None else replace(self, charge=charge)

    def with_refund(self, refund: Refund) -> "Payment":
        """Return the payment with one more refund; one that is known changes nothing."""
        if refund.id in self.refunds or len(self.refunds) >= MAX_REFUNDS:
            return self
        return replace(self, refunds={**self.refunds, refund.id: refund})

    @property
    def paid_amount(self) -> Decimal | None:
        """The money that came in; ``None`` when neither the charge nor a refund states it."""
        return self._paid

    @property
    def refunded_amount(self) -> Decimal:
        """The money that went back, no more than came in."""
        refunded = sum((refund.amount for refund in self.refunds.values()), _ZERO)
        return refunded if self._paid is None else min(refunded, self._paid)

    @property
    def refunded_share(self) -> Decimal:
        """Share of the payment that went back, 0 to 1: refunds beyond what was paid count as all of it."""
        if not self.refunds:
            return _ZERO
        refunded = sum((refund.amount for refund in self.refunds.values()), _ZERO)
        paid = self._paid
        if refunded == _ZERO or paid is None:
            return _ZERO
        return min(_ONE, refunded / paid) if paid > _ZERO else _ONE

    @property
    def _paid(self) -> Decimal | None:
        stated = (refund.of for refund in self.refunds.values() if refund.of is not None)
        if self.charge is None:
            return max(stated, default=None)
        return self.charge.collected or max(stated, default=None) or self.charge.list_total
