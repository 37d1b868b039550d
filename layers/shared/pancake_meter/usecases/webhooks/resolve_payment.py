"""Resolving a payment that fits nothing: an operator says what it is, and it is credited, counted and refunded as that."""

from datetime import datetime

from pancake_meter.domain.access.pseudonym import is_pseudonym
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY
from pancake_meter.domain.balance.ledger import OwnCause
from pancake_meter.domain.errors import (
    CheckoutNotFound,
    CheckoutOfNoUnits,
    CustomerErased,
    InvalidGift,
    PaymentNotFlagged,
    PaymentNotFound,
    ResolutionConflict,
    TooManyLines,
)
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.payment import Charge, Payment
from pancake_meter.domain.selling.resolution import Resolution
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.errors import StoreBusy, WriteRefused
from pancake_meter.store.selling.checkouts import read_checkout
from pancake_meter.store.selling.payments import read_payment
from pancake_meter.store.table import TRANSACTION_WRITES_MAX, Write
from pancake_meter.usecases.balance.metering import ATTEMPTS_MAX, Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.decision import order_bound
from pancake_meter.usecases.webhooks.judge import retry_order
from pancake_meter.usecases.webhooks.purchase import Purchase, Sold, buy_as_told, buy_units
from pancake_meter.usecases.webhooks.refund import settled, take_back
from pancake_meter.value import Value, replace

CAUSE: OwnCause = "payment_resolved"
"""What the ledger calls it."""


class Resolved(Value):
    """A payment of which it is decided what it is for, now or by an earlier request (``is_replay``)."""

    payment: Payment
    is_replay: bool


def resolve_payment(metering: Metering, payment_id: str, wanted: Resolution, now: datetime) -> Resolved:
    """Credit a flagged payment as an operator says, once for each payment; whatever it gave before is taken back.

    Money that was refunded takes its share back at once, and later refunds do as from any payment. What waits for the
    payment's order is tried again: the delivery that could not be matched is done.

    Raises:
        PaymentNotFound: no payment has that id.
        PaymentNotFlagged: there is nothing to decide, or it is decided already.
        ResolutionConflict: the id was used for another decision.
        UnknownMeter, InvalidGift, CheckoutNotFound, CheckoutOfNoUnits: what it is said to be is not there.
        TooManyGrants, TooManyLines: the balance cannot carry it.
        CustomerErased: the customer was erased.
        StoreBusy, StoreUnavailable: passing trouble; the same request is safe to repeat.
    """
    for _ in range(ATTEMPTS_MAX):
        known = read_payment(metering.table, payment_id)
        if known is None:
            raise PaymentNotFound("no payment has that id")
        if _is_decided(known, wanted):
            return Resolved(known, is_replay=True)
        resolved, writes = _decide(metering, known, wanted, now)
        demands = metering.unless_erased(known.customer_id)
        if len(writes) + len(demands) > TRANSACTION_WRITES_MAX:
            _bring_current(metering, known.customer_id, now)
            continue
        try:
            metering.table.transact([*writes, *demands])
        except WriteRefused:
            metering.check_not_erased(known.customer_id)
            continue
        retry_order(metering, known.order_id, now, by=wanted.by)
        return Resolved(resolved, is_replay=False)
    raise StoreBusy("the payment or the customer's balance kept changing")


def _is_decided(known: Payment, wanted: Resolution) -> bool:
    """Whether just this was decided before.

    Raises:
        PaymentNotFlagged, ResolutionConflict, CustomerErased: it cannot be decided now.
    """
    made = known.resolution
    if made is not None and made.id == wanted.id:
        if made.decides_as(wanted):
            return True
        raise ResolutionConflict("the id was used for another decision on this payment", decided_as=made.kind)
    if known.status != "flagged":
        raise PaymentNotFlagged(
            f"the payment is {known.status}: there is nothing to decide", payment_status=known.status
        )
    if is_pseudonym(known.customer_id):
        raise CustomerErased("the customer was erased: nothing is credited any more")
    return False


def _decide(metering: Metering, known: Payment, wanted: Resolution, now: datetime) -> tuple[Payment, tuple[Write, ...]]:
    charge = known.told_charge
    if charge is None:
        raise PaymentNotFlagged("the payment itself is not known yet", payment_status=known.status)
    books = CustomerBooks.read(metering, known.customer_id, now, by=wanted.by)
    for credit in known.credits:
        if credit.quantity > credit.taken_back:
            books = take_back(books, credit, credit.quantity - credit.taken_back)
    purchase = _purchase(books, known, charge, wanted)
    payment = replace(
        known,
        charge=replace(charge, sold=purchase.sold.kind, plan=purchase.sold.plan),
        unmatched=None,
        credits=purchase.credits,
        remainder=purchase.remainder,
        resolution=wanted,
        checkout_id=purchase.checkout_id or known.checkout_id,
    )
    beside = (*order_bound(known.order_id, known.customer_id, now), *purchase.writes)
    effects = settled(known, payment, purchase.books, CAUSE, beside)
    return payment, effects.writes


def _purchase(books: CustomerBooks, known: Payment, charge: Charge, wanted: Resolution) -> Purchase:
    """Return what the payment buys; ``paid_at`` is when it was paid, so that it pays for overage of that time too."""
    paid_at = min(charge.paid_at, books.now)
    if wanted.kind == "not_ours":
        return Purchase(books, Sold(charge.sold, charge.plan), ())
    if wanted.kind == "units":
        return _units(books, wanted, paid_at)
    checkout = _checkout_of(books, known, wanted)
    return buy_as_told(books, checkout, checkout.meter or "", known.payment_id, paid_at)


def _units(books: CustomerBooks, wanted: Resolution, paid_at: datetime) -> Purchase:
    meter, quantity = wanted.meter or "", wanted.quantity or ZERO
    books.metering.check_meter(meter)
    if quantity <= ZERO or (wanted.expires_at is not None and wanted.expires_at <= books.now):
        raise InvalidGift("a payment buys some units, and they end after they are given")
    top_up = books.metering.catalog.meters[meter].top_up
    priority = wanted.priority
    if priority is None:
        priority = top_up.priority if top_up else DEFAULT_PRIORITY["top_up"]
    expires_at = wanted.expires_at
    if expires_at is None and top_up is not None and top_up.expires_after is not None:
        expires_at = books.now + top_up.expires_after
    return buy_units(books, meter, quantity, priority, expires_at, paid_at)


def _checkout_of(books: CustomerBooks, known: Payment, wanted: Resolution) -> Checkout:
    """Return the checkout that is paid: that of the resolution, or the one that the payment names."""
    checkout = read_checkout(books.metering.table, wanted.checkout_id or known.checkout_id or "")
    if checkout is None or checkout.customer_id != known.customer_id:
        raise CheckoutNotFound("the customer of the payment has no such checkout")
    if checkout.kind not in UNIT_KINDS or checkout.meter is None:
        raise CheckoutOfNoUnits(
            "the checkout sells a plan, which its own webhooks bring into force", kind=checkout.kind
        )
    return checkout


def _bring_current(metering: Metering, customer_id: str, now: datetime) -> None:
    """Write what time alone has changed in each balance by itself, where all is more than one transaction writes."""
    written = [metering.keep_current(balance, now) for balance in read_balances(metering.table, customer_id)]
    if not any(written):
        raise TooManyLines("the payment changes more than one transaction writes")
