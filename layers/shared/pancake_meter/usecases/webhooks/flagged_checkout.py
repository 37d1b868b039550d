"""A checkout is flagged while a person has to look at one of its payments, and no longer."""

from typing import Final, cast, get_args

from pancake_meter.domain.selling.checkout import CheckoutStatus, Flag
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.store.selling.checkouts import read_checkout, settled_write
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import Table, Write
from pancake_meter.value import replace

_FLAGS: Final = frozenset(get_args(Flag))


def checkout_writes(table: Table, known: Payment, grown: Payment) -> tuple[Write, ...]:
    """Return the write of the checkout that a payment named, where nobody has to look at the payment any more, or again.

    A payment that is said to be for something else leaves the checkout. What is left decides: it is flagged while one of its
    payments is, else paid if one of them paid for it, else superseded: it can be sold again.
    """
    if known.checkout_id is None or (known.status == "flagged") == (grown.status == "flagged"):
        return ()
    checkout = read_checkout(table, known.checkout_id)
    if checkout is None or known.payment_id not in checkout.payment_ids:
        return ()
    is_its_own = grown.checkout_id == checkout.id and not _is_for_else(grown)
    ids = tuple(each for each in checkout.payment_ids if is_its_own or each != known.payment_id)
    others = [read_payment(table, each) for each in ids if each != known.payment_id]
    payments = [payment for payment in (*others, grown if is_its_own else None) if payment is not None]
    flags = [payment.flag for payment in payments if payment.status == "flagged" and payment.flag in _FLAGS]
    flag = cast("Flag", flags[-1]) if flags else None
    status: CheckoutStatus = "flagged" if flag else "paid" if any(each.credits for each in payments) else "superseded"
    after = replace(checkout, payment_ids=ids, status=status, flag=flag)
    return (settled_write(checkout, after),) if after != checkout else ()


def _is_for_else(payment: Payment) -> bool:
    return payment.resolution is not None and payment.resolution.kind != "checkout"
