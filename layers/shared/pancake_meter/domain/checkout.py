"""Checkouts: one hosted Waffo payment that we asked for, from the offer to the money.

A checkout is a *request* to pay: Waffo cannot charge off session. So it may be paid late, twice, or never. Paid units always
end somewhere: overage that is still owed is settled, and everything else is a grant.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.adjust import add_grant, pay_overage
from pancake_meter.domain.balance import ZERO
from pancake_meter.domain.change import Change
from pancake_meter.domain.grant import DEFAULT_PRIORITY, Grant, GrantKind
from pancake_meter.domain.money import Money
from pancake_meter.domain.overage import Lines, SettledUnits, SoldLine

CheckoutKind = Literal["overage", "top_up", "subscription", "plan_change"]
WantedKind = CheckoutKind | Literal["plan"]
"""What may be asked for. ``plan``: a subscription or a plan change, by the customer's orders at the time of the sale."""

CheckoutStatus = Literal["open", "paid", "expired", "superseded", "flagged"]
ChangeTiming = Literal["immediate", "next_period"]
Flag = Literal["amount_differs", "currency_differs", "paid_twice", "no_longer_owed"]

UNIT_KINDS: frozenset[CheckoutKind] = frozenset({"overage", "top_up"})
"""Kinds that sell units of a meter; the others sell a plan, which its own webhooks bring into force."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """One checkout. ``id`` is also Waffo's ``orderMerchantExternalId`` and the root of the idempotency key.

    ``quantity`` units of ``meter`` for ``amount`` before tax; a plan's checkout has no quantity, and its product's price.
    ``lines`` are what an overage checkout sells, line by line. ``timing`` is when a plan change is to happen; ``None``
    leaves it to Waffo: upgrades now, downgrades with the next period. ``origin_order_id`` is the order that it changes.
    ``session_id`` and ``url`` are there once Waffo has made the session. ``expires_after`` is the life of the bought grant.
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
    priority: int = DEFAULT_PRIORITY["top_up"]
    expires_after: timedelta | None = None
    lines: tuple[SoldLine, ...] = ()
    timing: ChangeTiming | None = None
    origin_order_id: str | None = None
    session_id: str | None = None
    url: str | None = None
    payment_ids: tuple[str, ...] = ()
    flag: Flag | None = None

    def sells_as(self, other: "Checkout") -> bool:
        """Whether both sell the same for the same money."""
        return self.offer == other.offer

    @property
    def offer(self) -> tuple[object, ...]:
        """What is sold, of what, for how much, in whose place and when."""
        return self.kind, self.subject, self.quantity, self.amount, self.lines, self.timing, self.origin_order_id

    @property
    def subject(self) -> str:
        """What is sold: units of a meter, or a plan. A customer has one open checkout per kind and subject."""
        return (self.meter if self.kind in UNIT_KINDS else self.plan) or ""

    def status_at(self, now: datetime) -> CheckoutStatus:
        """Return the status at ``now``: an open checkout expires by itself."""
        return "expired" if self.status == "open" and self.expires_at <= now else self.status


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """A paid one-time order as its event tells it. ``subtotal`` is the price before tax, ``None`` when not stated."""

    payment_id: str
    currency: str
    subtotal: Decimal | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a payment made of a checkout. ``settled`` units were owed, ``granted`` ones became a grant."""

    checkout: Checkout
    change: Change
    settled: tuple[SettledUnits, ...] = ()
    granted: Decimal = ZERO


def payment_grant_id(payment_id: str) -> str:
    """Return the id of the grant that a payment buys: one payment, one grant."""
    return f"payment:{payment_id}"


def settle_payment(checkout: Checkout, paid: PaidOrder, change: Change, lines: Lines, now: datetime) -> Settlement:
    """Credit a payment to the balance of the checkout's meter.

    The money must be what we asked for, in currency and in the price before tax: anything else is flagged and credits
    nothing, because a person has to look at it. Else what an overage checkout sold and is still owed is settled, and the
    rest is credit and flagged, be it the second payment of one checkout or the late one of an expired or superseded one.

    ``lines`` are the overage lines that it sold, and those with units due, as they are kept.

    Raises:
        TooManyGrants: the balance cannot carry another grant.
    """
    if paid.payment_id in checkout.payment_ids:
        return Settlement(checkout, change)
    seen = replace(checkout, payment_ids=(*checkout.payment_ids, paid.payment_id))
    difference = _difference(checkout, paid)
    if difference is not None:
        return Settlement(replace(seen, status="flagged", flag=difference), change)
    change, settled = pay_overage(change, checkout.lines, lines)
    rest = checkout.quantity - sum((part.quantity for part in settled), ZERO)
    status, flag, kind = _judge(checkout, rest)
    if rest != ZERO:
        change = add_grant(change, _grant(checkout, paid, kind, rest, now), now, lines)
    return Settlement(replace(seen, status=status, flag=flag), change, settled, rest)


def _judge(checkout: Checkout, rest: Decimal) -> tuple[CheckoutStatus, Flag | None, GrantKind]:
    """Return status and flag after a payment in full that left ``rest`` to be granted, and the kind of that grant."""
    if checkout.payment_ids:
        return "flagged", "paid_twice", "credit"
    if checkout.kind != "overage":
        return "paid", None, "top_up"
    return ("paid", None, "credit") if rest == ZERO else ("flagged", "no_longer_owed", "credit")


def _difference(checkout: Checkout, paid: PaidOrder) -> Flag | None:
    """Return how the payment differs from what was asked, or ``None``; a price that is not stated cannot differ."""
    if paid.currency != checkout.amount.currency:
        return "currency_differs"
    if paid.subtotal is not None and paid.subtotal != checkout.amount.amount:
        return "amount_differs"
    return None


def _grant(checkout: Checkout, paid: PaidOrder, kind: GrantKind, quantity: Decimal, now: datetime) -> Grant:
    return Grant(
        id=payment_grant_id(paid.payment_id),
        kind=kind,
        quantity=quantity,
        remaining=quantity,
        priority=checkout.priority,
        starts_at=now,
        expires_at=now + checkout.expires_after if checkout.expires_after else None,
    )
