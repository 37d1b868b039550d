"""A payment as units: what a checkout's money settles and grants on a balance."""

from datetime import datetime, timedelta
from decimal import Decimal

from pancake_meter.domain.balance.adjust import add_grant, pay_overage
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY, Grant, GrantKind, lot_id
from pancake_meter.domain.selling.checkout import Checkout, CheckoutStatus, Flag
from pancake_meter.domain.selling.overage import Lines, SettledUnits
from pancake_meter.domain.selling.payment import BoughtKind, Credit, LotTerms
from pancake_meter.value import Value, replace


class PaidOrder(Value):
    """A paid one-time order as its event tells it.

    ``subtotal`` is the price before tax, ``total`` after it; ``None`` where not stated.
    """

    payment_id: str
    currency: str
    subtotal: Decimal | None
    total: Decimal | None = None


class Settlement(Value):
    """What a payment made of a checkout. ``settled`` units were owed, the rest became a ``grant``.

    ``remainder`` of the sale is carried to the customer's next one. Where not all that was sold was still owed, none is.
    """

    checkout: Checkout
    change: Change
    settled: tuple[SettledUnits, ...] = ()
    grant: Grant | None = None
    remainder: Decimal = ZERO


def bought_lot(
    kind: GrantKind, quantity: Decimal, priority: int, paid_at: datetime, expires_after: timedelta | None
) -> Grant:
    """Return what a payment buys, as units of its lot."""
    return lot(kind, quantity, priority, paid_at, paid_at + expires_after if expires_after else None)


def lot(kind: GrantKind, quantity: Decimal, priority: int, starts_at: datetime, expires_at: datetime | None) -> Grant:
    """Return units of the lot of this kind, priority and expiry, there since ``starts_at``."""
    return Grant(lot_id(kind, priority, expires_at), kind, quantity, quantity, priority, starts_at, expires_at)


def lot_credit(meter: str, grant: Grant) -> Credit:
    """Return what a payment's record says of a bought grant: enough to give it back."""
    kind: BoughtKind = "credit" if grant.kind == "credit" else "top_up"
    terms = LotTerms(kind, grant.priority, grant.starts_at, grant.expires_at)
    return Credit(meter, grant.id, grant.quantity, terms=terms)


def lot_of(credit: Credit, quantity: Decimal, paid_at: datetime) -> Grant:
    """Return ``quantity`` units of a credit as the grant that they were; ``paid_at`` is when, if no terms were kept."""
    terms = credit.terms or LotTerms("top_up", DEFAULT_PRIORITY["top_up"], paid_at, None)
    return Grant(credit.grant_id, terms.kind, quantity, quantity, terms.priority, terms.starts_at, terms.expires_at)


def settle_payment(checkout: Checkout, paid: PaidOrder, change: Change, lines: Lines, now: datetime) -> Settlement:
    """Credit a payment to the balance of the checkout's meter.

    The money must be what we asked for, in currency and in the price (``Checkout.asks_for``). Anything else is flagged and
    credits nothing, because a person has to look at it. Else what an overage checkout sold and is still owed is settled. The
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
    done = replace(seen, status=status, flag=flag)
    if rest == ZERO:
        return Settlement(done, change, settled, remainder=checkout.remainder)
    bought = bought_lot(kind, rest, checkout.priority, now, checkout.expires_after)
    return Settlement(done, add_grant(change, bought, now, lines), settled, bought)


def settle_as_told(
    checkout: Checkout, payment_id: str, change: Change, lines: Lines, paid_at: datetime, now: datetime
) -> Settlement:
    """Credit a payment as a checkout's own because a person says so, whatever its amount.

    What the checkout sold and is still owed is settled, the rest is a grant. It is there since ``paid_at``; its life is
    counted from ``now``, when it is given.

    Raises:
        TooManyGrants: the balance cannot carry another grant.
    """
    ids = checkout.payment_ids if payment_id in checkout.payment_ids else (*checkout.payment_ids, payment_id)
    done = replace(checkout, payment_ids=ids, status="paid", flag=None)
    change, settled = pay_overage(change, checkout.lines, lines)
    rest = checkout.quantity - sum((part.quantity for part in settled), ZERO)
    if rest == ZERO:
        return Settlement(done, change, settled, remainder=checkout.remainder)
    kind: GrantKind = "credit" if checkout.kind == "overage" else "top_up"
    expires_at = now + checkout.expires_after if checkout.expires_after else None
    grant = lot(kind, rest, checkout.priority, paid_at, expires_at)
    return Settlement(done, add_grant(change, grant, now, lines), settled, grant)


def _judge(checkout: Checkout, rest: Decimal) -> tuple[CheckoutStatus, Flag | None, GrantKind]:
    """Return status and flag after a payment in full that left ``rest`` to be granted, and the kind of that grant."""
    if checkout.payment_ids:
        return "flagged", "paid_twice", "credit"
    if checkout.kind != "overage":
        return "paid", None, "top_up"
    return ("paid", None, "credit") if rest == ZERO else ("flagged", "no_longer_owed", "credit")


def _difference(checkout: Checkout, paid: PaidOrder) -> Flag | None:
    """Return how the payment differs from what was asked, or ``None``."""
    if paid.currency != checkout.amount.currency:
        return "currency_differs"
    return None if checkout.asks_for(paid.subtotal, paid.total) else "amount_differs"
