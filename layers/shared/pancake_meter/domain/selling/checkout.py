"""Checkouts: one hosted Waffo payment that we asked for, from the offer to the money.

A checkout is a *request* to pay: Waffo cannot charge off session. So it may be paid late, twice, or never. Paid units always
end somewhere: overage that is still owed is settled, and everything else is a grant.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from pancake_meter.domain.selling.money import Money
from pancake_meter.domain.selling.overage import SoldLine, exact_sum
from pancake_meter.value import Value

CheckoutKind = Literal["overage", "top_up", "subscription", "plan_change"]
UsageKind = Literal["overage", "top_up"]
"""Kinds that sell units of a meter."""

WantedKind = CheckoutKind | Literal["plan"]
"""What may be asked for. ``plan``: a subscription or a plan change, by the customer's orders at the time of the sale."""

CheckoutStatus = Literal["open", "paid", "expired", "superseded", "flagged"]
ChangeTiming = Literal["immediate", "next_period"]
Flag = Literal["amount_differs", "currency_differs", "paid_twice", "no_longer_owed"]
Tax = Literal["exclusive", "inclusive"]
"""Whether tax comes on top of a price, as Waffo takes it, or is inside it."""

UNIT_KINDS: frozenset[CheckoutKind] = frozenset({"overage", "top_up"})
"""Kinds that sell units of a meter; the others sell a plan, which its own webhooks bring into force."""


TOP_UP_PRIORITY: Final = 90
"""What was bought burns last, unless the catalog says otherwise."""


class Checkout(Value):
    """One checkout. ``id`` is also Waffo's ``orderMerchantExternalId`` and the root of the idempotency key.

    ``quantity`` units of ``meter`` for ``amount``; a plan's checkout has no quantity, and its product's price.
    ``lines`` are what an overage checkout sells, line by line. ``timing`` is when a plan change is to happen; ``None``
    leaves it to Waffo: upgrades now, downgrades with the next period. ``origin_order_id`` is the order that it changes.
    ``session_id`` and ``url`` are there once Waffo has made the session. ``expires_after`` is the life of the bought grant.
    ``tax`` says whether tax is inside the amount.
    """

    id: str
    customer_id: str
    kind: CheckoutKind
    meter: str | None
    plan: str | None
    quantity: Decimal
    amount: Money
    status: CheckoutStatus
    created_at: datetime
    expires_at: datetime
    priority: int = TOP_UP_PRIORITY
    expires_after: timedelta | None = None
    lines: tuple[SoldLine, ...] = ()
    timing: ChangeTiming | None = None
    origin_order_id: str | None = None
    session_id: str | None = None
    url: str | None = None
    payment_ids: tuple[str, ...] = ()
    flag: Flag | None = None
    tax: Tax = "exclusive"

    def asks_for(self, subtotal: Decimal | None, total: Decimal | None) -> bool:
        """Whether a payment in the checkout's currency is the money that was asked for; so is one that states nothing.

        ``subtotal`` is its price before tax, ``total`` after it. A price that may have tax inside it is met by either: where
        tax came on top of it all the same, the seller has what was asked for.
        """
        if subtotal is None and total is None:
            return True
        return self.amount.amount in ((subtotal, total) if self.tax == "inclusive" else (subtotal,))

    @property
    def remainder(self) -> Decimal:
        """What the exact price of the lines exceeds the amount by; negative where it falls short. Zero of other kinds."""
        if not self.lines:
            return Decimal(0)
        return exact_sum(-self.amount.amount, *(part.price for part in self.lines))

    def sells_as(self, other: "Checkout") -> bool:
        """Whether both sell the same for the same money."""
        return self.offer == other.offer

    @property
    def offer(self) -> tuple[object, ...]:
        """What is sold, of what, for how much, in whose place and when, and whether tax is inside the amount."""
        what = self.kind, self.subject, self.quantity, self.amount, self.lines, self.timing, self.origin_order_id
        return *what, self.tax

    @property
    def subject(self) -> str:
        """What is sold: units of a meter, or a plan. A customer has one open checkout per kind and subject."""
        return (self.meter if self.kind in UNIT_KINDS else self.plan) or ""

    def status_at(self, now: datetime) -> CheckoutStatus:
        """Return the status at ``now``: an open checkout expires by itself."""
        return "expired" if self.status == "open" and self.expires_at <= now else self.status
