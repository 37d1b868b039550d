"""Revenue: what payments and refunds came to, as facts that never change; a refund that failed after all withdraws its own.

A payment's facts begin with its charge. A refund that is told of first waits for it: only the charge says what was sold.
Amounts are as Waffo states them, tax included, and are never rounded; only the tax in a part of a payment is.
"""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal

from pancake_meter.domain.selling.money import CURRENCY_EXPONENTS
from pancake_meter.domain.selling.payment import Charge, Payment, SoldKind
from pancake_meter.domain.selling.refund import Refund
from pancake_meter.value import Value

FactKind = Literal["payment", "refund"]

_ZERO = Decimal(0)
_USUAL_EXPONENT: Final = 2


class RevenueFact(Value):
    """Money that moved. ``amount`` includes ``tax``; it is ``None`` where nobody said how much it was.

    ``sold`` and ``plan`` say what for. ``id`` is the payment's or the refund's.
    """

    kind: FactKind
    id: str
    payment_id: str
    order_id: str
    customer_id: str
    sold: SoldKind
    plan: str | None
    currency: str
    amount: Decimal | None
    tax: Decimal
    at: datetime


class RevenueTotal(Value):
    """A sum of facts in one currency: ``received`` and ``refunded`` include their tax.

    ``unstated`` counts payments of which nobody said how much they were: they are in ``payments``, with nothing received.
    """

    received: Decimal = _ZERO
    tax: Decimal = _ZERO
    refunded: Decimal = _ZERO
    refunded_tax: Decimal = _ZERO
    payments: int = 0
    refunds: int = 0
    unstated: int = 0

    @classmethod
    def of(cls, fact: RevenueFact) -> "RevenueTotal":
        """Return the total of one fact."""
        amount = fact.amount or _ZERO
        if fact.kind == "refund":
            return cls(refunded=amount, refunded_tax=fact.tax, refunds=1)
        return cls(received=amount, tax=fact.tax, payments=1, unstated=int(fact.amount is None))

    def plus(self, more: "RevenueTotal") -> "RevenueTotal":
        """Return the sum; the caller sees to it that both are in one currency."""
        return RevenueTotal(
            received=self.received + more.received,
            tax=self.tax + more.tax,
            refunded=self.refunded + more.refunded,
            refunded_tax=self.refunded_tax + more.refunded_tax,
            payments=self.payments + more.payments,
            refunds=self.refunds + more.refunds,
            unstated=self.unstated + more.unstated,
        )

    def minus(self, less: "RevenueTotal") -> "RevenueTotal":
        """Return the difference; the caller sees to it that both are in one currency."""
        return RevenueTotal(**{name: getattr(self, name) - getattr(less, name) for name in self.__struct_fields__})

    @property
    def net(self) -> Decimal:
        """What is left after refunds and tax."""
        return self.received - self.tax - (self.refunded - self.refunded_tax)


def revenue_facts(payment: Payment) -> tuple[RevenueFact, ...]:
    """Return every fact that is known of a payment, the payment's own first; none of one that is not ours."""
    charge = payment.charge
    if charge is None or payment.is_not_ours:
        return ()
    amount, tax = charge.amount, _tax(charge)
    received = _fact(payment, charge, "payment", payment.payment_id, amount, tax, charge.paid_at)
    refunds = sorted(payment.standing_refunds, key=lambda refund: refund.id)
    return (received, *(_refund_fact(payment, charge, refund, amount, tax) for refund in refunds))


def new_facts(before: Payment, after: Payment) -> tuple[RevenueFact, ...]:
    """Return what ``after`` knows and ``before`` did not."""
    known = revenue_facts(before)
    return tuple(fact for fact in revenue_facts(after) if fact not in known)


def withdrawn_facts(before: Payment, after: Payment) -> tuple[RevenueFact, ...]:
    """Return the facts that stand no more: refunds of which the last word now is that they failed."""
    return new_facts(after, before)


def _refund_fact(payment: Payment, charge: Charge, refund: Refund, amount: Decimal | None, tax: Decimal) -> RevenueFact:
    part = _part(tax, refund.amount or _ZERO, amount, charge.currency)
    return _fact(payment, charge, "refund", refund.id, refund.amount, part, refund.at)


def _fact(
    payment: Payment, charge: Charge, kind: FactKind, fact_id: str, amount: Decimal | None, tax: Decimal, at: datetime
) -> RevenueFact:
    return RevenueFact(
        kind=kind,
        id=fact_id,
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        customer_id=payment.customer_id,
        sold=charge.sold,
        plan=charge.plan,
        currency=charge.currency,
        amount=amount,
        tax=tax,
        at=at,
    )


def _tax(charge: Charge) -> Decimal:
    """Return the tax in what was collected: that of the price, or its part where something else was collected."""
    if charge.tax is None or charge.amount is None:
        return _ZERO
    return _part(charge.tax, charge.amount, charge.list_total, charge.currency)


def _part(tax: Decimal, amount: Decimal, whole: Decimal | None, currency: str) -> Decimal:
    """Return the tax in ``amount`` of a ``whole`` that has ``tax`` in it, rounded half up; never more than ``tax``."""
    if whole is None or amount >= whole:
        return tax
    step = Decimal(1).scaleb(-CURRENCY_EXPONENTS.get(currency, _USUAL_EXPONENT))
    return min(tax, (tax * amount / whole).quantize(step, rounding=ROUND_HALF_UP))
