"""A payment as units: what a checkout's money settles and grants on a balance."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from pancake_meter.domain.balance.adjust import add_grant, pay_overage
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import GrantKind, bought_grant
from pancake_meter.domain.selling.checkout import Checkout, CheckoutStatus, Flag
from pancake_meter.domain.selling.overage import Lines, SettledUnits


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """A paid one-time order as its event tells it. ``subtotal`` is the price before tax, ``None`` when not stated."""

    payment_id: str
    currency: str
    subtotal: Decimal | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a payment made of a checkout. ``settled`` units were owed, ``granted`` ones became a grant.

    ``remainder`` of the sale is carried to the customer's next one. Where not all that was sold was still owed, none is.
    """

    checkout: Checkout
    change: Change
    settled: tuple[SettledUnits, ...] = ()
    granted: Decimal = ZERO
    remainder: Decimal = ZERO


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
        grant_id = payment_grant_id(paid.payment_id)
        grant = bought_grant(grant_id, kind, rest, checkout.priority, now, checkout.expires_after)
        change = add_grant(change, grant, now, lines)
    remainder = checkout.remainder if rest == ZERO else ZERO
    return Settlement(replace(seen, status=status, flag=flag), change, settled, rest, remainder)


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
