"""Payments: the receipt of each charge, what was refunded of it, and the units that it bought.

A payment too is a join: charge and refunds may become known in any order, and the same fact twice is one fact.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pancake_meter.domain.quantity import part_of
from pancake_meter.domain.selling.overage import LineKey
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.domain.selling.refund_request import RefundRequest, RefundState
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.value import Value, field, replace

MAX_REFUNDS = 50
"""Refunds of one payment that succeeded, and as many that only failed: its item must hold them."""

SoldKind = Literal["subscription", "overage", "top_up"]
"""What a payment is for."""

PaymentStatus = Literal["applied", "flagged", "resolved", "not_ours", "refunded", "uncharged"]
"""``applied``: it did what it was for. ``flagged``: a person has to say what it is for. ``resolved``, ``not_ours``: a person
did. ``refunded``: all of it went back. ``uncharged``: a refund of it is known, and the payment itself is not.
"""

PAYMENT_STATUSES: tuple[PaymentStatus, ...] = ("applied", "flagged", "resolved", "not_ours", "refunded", "uncharged")

FITS_NOTHING = "fits_nothing"
"""Flag of a payment that gave nothing, of which no other reason is kept."""

BoughtKind = Literal["top_up", "credit"]
"""The kinds of grants that money buys: a top-up, and what a payment had no other use for."""

_CARRIED_PLACES = 18
"""Decimal places of what is carried: those of a price of a unit, times those of a quantity."""

_ZERO = Decimal(0)


class Charge(Value):
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


class LotTerms(Value):
    """How bought units are kept as a grant: what it takes to give them back after a refund that failed."""

    kind: BoughtKind
    priority: int
    starts_at: datetime
    expires_at: datetime | None


class Credit(Value):
    """Units that a payment bought; ``taken_back`` of them were refunded.

    With a ``line`` they are units of that overage line, which the payment settled. Else they are a grant, kept under
    ``terms``: ``None`` in what earlier versions stored.
    """

    meter: str
    grant_id: str
    quantity: Decimal
    taken_back: Decimal = _ZERO
    line: LineKey | None = None
    terms: LotTerms | None = None

    @property
    def is_whole(self) -> bool:
        """Whether whole units were bought."""
        return self.quantity == self.quantity.to_integral_value()

    def refunded(self, share: Fraction) -> Decimal:
        """Units that go back with ``share`` of the payment: rounded down, to whole units where whole ones were sold."""
        return part_of(self.quantity, share)


class Payment(Value):
    """All that is known of one payment. ``version`` counts the writes of the item; 0 means that it is not written yet.

    ``remainder`` is that of its sale of overage: what the exact price exceeds the amount by. ``flag`` says why a person has
    to look at it, ``checkout_id`` is the checkout that it names, ``resolution`` what an operator decided, ``requests`` are
    the refunds that an operator asked for, by their ids.

    ``unmatched`` is the charge of a payment of which nobody knows what it is for: it counts nowhere until somebody does.
    """

    payment_id: str
    order_id: str
    customer_id: str
    charge: Charge | None = None
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    credits: tuple[Credit, ...] = ()
    remainder: Decimal = _ZERO
    version: int = 0
    unmatched: Charge | None = None
    flag: str | None = None
    checkout_id: str | None = None
    resolution: Resolution | None = None
    requests: Mapping[str, RefundRequest] = field(default_factory=dict)

    def with_charge(self, charge: Charge) -> "Payment":
        """Return the payment with its charge; the first statement of it stands."""
        return self if self.charge is not None else replace(self, charge=charge, unmatched=None, flag=None)

    @property
    def told_charge(self) -> Charge | None:
        """The charge, whether or not it is known what it is for."""
        return self.charge or self.unmatched

    @property
    def is_not_ours(self) -> bool:
        """Whether an operator said that it is money for something else."""
        return self.resolution is not None and self.resolution.kind == "not_ours"

    @property
    def why_flagged(self) -> str | None:
        """Why a person has to say what it is for, or had to; ``None`` of a payment that did what it was for.

        A one-time payment that gave nothing fits nothing. An earlier version did not keep why.
        """
        charge = self.told_charge
        if self.flag is not None or charge is None or charge.is_subscription or self.credits:
            return self.flag
        return FITS_NOTHING

    @property
    def status(self) -> PaymentStatus:
        """What became of it. A subscription's charge is followed by its order, and needs nobody's word."""
        charge = self.told_charge
        if self.is_not_ours:
            return "not_ours"
        if charge is None:
            return "uncharged"
        if self.refunded_share == 1:
            return "refunded"
        if self.resolution is not None:
            return "resolved"
        return "flagged" if self.why_flagged is not None and not charge.is_subscription else "applied"

    def with_request(self, request: RefundRequest) -> "Payment":
        """Return the payment with a refund that was asked for, new or as Waffo answered it."""
        return replace(self, requests={**self.requests, request.id: request})

    def refund_of(self, request: RefundRequest) -> Refund | None:
        """Return the refund that came of a request, once Waffo's webhook told of it."""
        return next((each for each in self.refunds.values() if each.marks.ticket == request.reference), None)

    def state_of(self, request: RefundRequest) -> RefundState:
        """Return how far a refund is. Waffo's webhook alone says that it succeeded."""
        refund = self.refund_of(request)
        if refund is None:
            return request.state
        return "succeeded" if refund.stands else "failed"

    @property
    def open_requests(self) -> tuple[RefundRequest, ...]:
        """Refunds that were asked for and of which Waffo has not said what becomes of them, the oldest first."""
        waiting = [each for each in self.requests.values() if self.state_of(each) == "requested"]
        return tuple(sorted(waiting, key=lambda each: (each.at, each.id)))

    @property
    def refundable(self) -> Decimal | None:
        """Money that may yet be asked for: what was paid, less what went back and what is asked for; ``None``: unknown."""
        if self.told_charge is None or self.paid_amount is None:
            return None
        asked = (each.amount for each in self.requests.values() if self.state_of(each) in ("requested", "approved"))
        return max(_ZERO, self.paid_amount - self.refunded_amount - sum(asked, _ZERO))

    def with_refund(self, told: Refund, known: Refund | None = None) -> "Payment":
        """Return the payment with what an event says of a refund: a new one, or one that is ``known``."""
        joined = told.join(known) if known is not None else told
        return replace(self, refunds={**self._besides(known), joined.id: joined})

    def has_place_for(self, told: Refund, known: Refund | None = None) -> bool:
        """Whether the payment can keep it: ``MAX_REFUNDS`` that succeeded, and as many that only failed."""
        joined = told.join(known) if known is not None else told
        like = [each for each in self._besides(known).values() if (each.done_at is None) == (joined.done_at is None)]
        return len(like) < MAX_REFUNDS

    def _besides(self, known: Refund | None) -> dict[str, Refund]:
        return {key: refund for key, refund in self.refunds.items() if known is None or key != known.id}

    @property
    def standing_refunds(self) -> tuple[Refund, ...]:
        """Refunds of which the last word is that the money went back."""
        return tuple(refund for refund in self.refunds.values() if refund.stands)

    @property
    def refunded_amount(self) -> Decimal:
        """Money that went back: the refunds that stand, never more than was paid."""
        refunded = sum((refund.amount for refund in self.standing_refunds if refund.amount is not None), _ZERO)
        paid = self.paid_amount
        return refunded if paid is None else min(paid, refunded)

    @property
    def paid_amount(self) -> Decimal | None:
        """Money that came in, of which refunds are parts; ``None`` while nobody says how much."""
        stated = (refund.of for refund in self.refunds.values() if refund.of is not None)
        charge = self.told_charge
        if charge is None:
            return max(stated, default=None)
        return charge.collected or max(stated, default=None) or charge.list_total

    @property
    def refunded_share(self) -> Fraction:
        """Share of the payment that went back, 0 to 1: refunds beyond what was paid count as all of it."""
        paid = self.paid_amount
        has_gone_back = any(refund.amount for refund in self.standing_refunds)
        if paid is None or not has_gone_back:
            return Fraction(0)
        return Fraction(self.refunded_amount) / Fraction(paid) if paid > _ZERO else Fraction(1)

    @property
    def refunded_units(self) -> tuple[Decimal, ...]:
        """Units of each of the credits that go back with the refunds that stand.

        Each gives its share. What rounding each of them down leaves out of the share of all whole units of a meter is given
        by one unit each, the last bought first. So half of 60 lines of one unit is 30 units.
        """
        units = [credit.refunded(self.refunded_share) for credit in self.credits]
        for meter in {credit.meter for credit in self.credits}:
            exact = {
                index: Fraction(credit.quantity) * self.refunded_share
                for index, credit in enumerate(self.credits)
                if credit.meter == meter and credit.is_whole
            }
            left_out = sum(exact.values()) // 1 - sum(share // 1 for share in exact.values())
            rounded_down = [index for index, share in exact.items() if share % 1]
            for index in rounded_down[::-1][:left_out]:
                units[index] += 1
        return tuple(units)

    @property
    def carried(self) -> Decimal:
        """What of the remainder is carried to the customer's next sale: the share of the units that are still settled.

        Units that are owed again are priced again, so what rounding left out of them goes with them.
        """
        settled = [credit for credit in self.credits if credit.line is not None]
        sold = sum(credit.quantity for credit in settled)
        owed_again = sum(credit.taken_back for credit in settled)
        if owed_again == sold:
            return _ZERO
        left = Fraction(self.remainder) * (1 - Fraction(owed_again) / Fraction(sold))
        return Decimal(round(left * 10**_CARRIED_PLACES)).scaleb(-_CARRIED_PLACES).normalize()

    @property
    def refunds_rank(self) -> int:
        """Grows with every word on its refunds: of two states of one payment, the greater knows more."""
        return sum(refund.rank for refund in self.refunds.values())
