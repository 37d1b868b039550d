"""What a refund does: its share of what the payment bought is taken back, and given back if the refund failed after all."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.adjust import claw_back, give_back, reopen_overage, settle_again
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.credit import lot_of
from pancake_meter.domain.balance.grant import DEFAULT_PRIORITY
from pancake_meter.domain.balance.ledger import Cause
from pancake_meter.domain.selling.overage import Lines, exact_sum
from pancake_meter.domain.selling.payment import Charge, Credit, LotTerms, Payment
from pancake_meter.domain.selling.refund import Refund, find_refund
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.store.selling.overage_lines import read_lines, remainder_write
from pancake_meter.store.selling.payments import payment_writes, read_payment
from pancake_meter.store.table import Write
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.decision import NOTHING_TOLD, Effects, Told, order_bound
from pancake_meter.usecases.webhooks.flagged_checkout import checkout_writes
from pancake_meter.usecases.webhooks.refund_identity import find_payment, told_refund
from pancake_meter.value import replace
from pancake_meter.waffo.events import EventKind, RefundFacts, WaffoEvent

CHARGE_UNKNOWN: Final = "charge_unknown"
"""Flag of a refund whose payment we were never told of: what it bought is taken back once that is known."""

PAYMENT_UNKNOWN: Final = "payment_unknown"
"""Reason of a refund that names no payment, and of whose order none fits yet. Reconciliation asks GraphQL."""

REFUND_NOT_TOLD_APART: Final = "refund_not_told_apart"
"""Reason of a refund that may be another of its payment or the one that is known: nothing in it says which."""

REFUND_OF_NO_PERIOD: Final = "refund_of_no_period"
"""Flag of a subscription's refund that takes nothing: its charge is of none of the order's periods."""

PAYMENT_OF_ANOTHER: Final = "payment_of_another_customer"
"""Reason of a charge or a refund whose payment is known as another customer's."""


def refund_effects(
    metering: Metering,
    event: WaffoEvent,
    facts: RefundFacts,
    customer_id: str,
    now: datetime,
    told: Told = NOTHING_TOLD,
) -> Effects:
    """Take back in proportion what the payment bought, or give it back where a refund failed after all.

    The last word on a refund counts, by Waffo's time (``domain/selling/refund.py``). A word that changes nothing is kept
    too: an older one may come later.
    """
    has_failed, bound = facts.kind is EventKind.REFUND_FAILED, order_bound(facts.order.id, customer_id, now)
    if not has_failed and facts.refunded is None and facts.amount is None:
        return Effects("parked", "amount_unknown", customer_id)
    payment_id = facts.payment_id or find_payment(metering.table, facts) or told.payment_id
    if payment_id is None:
        return Effects("parked", PAYMENT_UNKNOWN, customer_id)
    known = read_payment(metering.table, payment_id) or Payment(payment_id, facts.order.id, customer_id)
    refund = told_refund(event, facts, payment_id)
    same = find_refund(refund, known.refunds.values())
    if same == "unclear":
        return Effects("parked", REFUND_NOT_TOLD_APART, customer_id)
    unfit = _unfit(known, refund, same, facts, customer_id)
    if unfit is not None:
        return Effects("parked", unfit, customer_id)
    grown = known.with_refund(refund, same)
    if len(grown.standing_refunds) == len(known.standing_refunds):
        kept = tuple(payment_writes(known, grown)) if grown != known else ()
        return Effects("ignored", "refund_failed" if has_failed else "no_news", customer_id, (*bound, *kept))
    books = CustomerBooks.read(metering, customer_id, now, by=told.by)
    written = settled(known, grown, books, event.cause, bound)
    return replace(written, reason=CHARGE_UNKNOWN) if grown.charge is None and grown.standing_refunds else written


def _unfit(known: Payment, told: Refund, same: Refund | None, facts: RefundFacts, customer_id: str) -> str | None:
    """Why a refund cannot be taken from the payment as it is known, or ``None``."""
    if known.customer_id != customer_id:
        return PAYMENT_OF_ANOTHER
    if known.told_charge is not None and known.told_charge.currency != facts.currency:
        return "currency_mismatch"
    return None if known.has_place_for(told, same) else "too_many_refunds"


def settled(known: Payment, payment: Payment, books: CustomerBooks, cause: Cause, beside: tuple[Write, ...]) -> Effects:
    """Write a payment and the books, after the balances have followed its refunds."""
    payment, books = follow_refunds(payment, books)
    writes = books.writes(cause, payment.payment_id)
    flag = REFUND_OF_NO_PERIOD if _misses_its_period(payment, books) else None
    kept = (*payment_writes(known, payment), *_carried(known, payment))
    checkout = () if _is_told_of_its_checkout(known, payment) else checkout_writes(books.metering.table, known, payment)
    return Effects("applied", flag, books.customer_id, (*beside, *kept, *checkout, *writes), books)


def _is_told_of_its_checkout(known: Payment, payment: Payment) -> bool:
    """Whether an operator says just now that it pays the checkout that it names: the sale writes that checkout."""
    told = payment.resolution if payment.resolution != known.resolution else None
    return told is not None and told.kind == "checkout" and payment.checkout_id == known.checkout_id


def _carried(known: Payment, payment: Payment) -> tuple[Write, ...]:
    """Return the writes of what a payment now carries, more or less, to the customer's next sale of overage."""
    more: dict[str, Decimal] = {}
    for each, carried in ((known, -known.carried), (payment, payment.carried)):
        meter = next((credit.meter for credit in each.credits if credit.line is not None), None)
        if meter is not None:
            more[meter] = exact_sum(more.get(meter, ZERO), carried)
    if payment.charge is None:
        return ()
    currency = payment.charge.currency
    return tuple(remainder_write(payment.customer_id, meter, currency, part) for meter, part in more.items() if part)


def _misses_its_period(payment: Payment, books: CustomerBooks) -> bool:
    order = books.learned.order(payment.order_id)
    return order is not None and order.misses_period_of(payment.payment_id)


def follow_refunds(payment: Payment, books: CustomerBooks) -> tuple[Payment, CustomerBooks]:
    """Bring all that a payment bought to where its refunds leave it, as far as charge and refunds are both known.

    What is taken is a function of the refunds that stand: repeating it is nothing, and less refunded gives units back.
    """
    charge = payment.charge
    if charge is None:
        return payment, books
    bought: list[Credit] = []
    for credit, units in zip(payment.credits, payment.refunded_units, strict=True):
        more = units - credit.taken_back
        if more > ZERO:
            books = take_back(books, credit, more)
            bought.append(replace(credit, taken_back=credit.taken_back + more))
        elif more < ZERO:
            books, given = _give_back(books, credit, -more, charge.paid_at)
            bought.extend(given)
        else:
            bought.append(credit)
    if charge.is_subscription and payment.paid_amount is not None:
        books = books.learn(OrderFacts.of_charge(payment.order_id, payment.payment_id, _money(payment, charge)))
    return replace(payment, credits=tuple(bought)), books


def take_back(books: CustomerBooks, credit: Credit, quantity: Decimal) -> CustomerBooks:
    """Take units back that refunds claim. Settled overage is owed again."""
    change = books.change_of(credit.meter)
    if credit.line is None:
        return books.with_change(claw_back(change, credit.grant_id, quantity, books.due_lines(credit.meter)))
    return books.with_change(reopen_overage(change, credit.line, quantity, _lines_of(books, credit)))


def _give_back(
    books: CustomerBooks, credit: Credit, quantity: Decimal, paid_at: datetime
) -> tuple[CustomerBooks, list[Credit]]:
    """Give units back whose refund failed; return what the payment has bought now.

    Units of a line that are not owed any more (another payment settled them, or the seller let them go) become a grant.
    """
    change = books.change_of(credit.meter)
    if credit.line is None:
        lot = lot_of(credit, quantity, paid_at)
        change = give_back(change, lot, books.now, books.due_lines(credit.meter))
        return books.with_change(change), [replace(credit, taken_back=credit.taken_back - quantity)]
    change, settled_units = settle_again(change, credit.line, quantity, _lines_of(books, credit))
    rest = quantity - settled_units
    kept = replace(credit, quantity=credit.quantity - rest, taken_back=credit.taken_back - quantity)
    if rest == ZERO:
        return books.with_change(change), [kept]
    terms = LotTerms("credit", DEFAULT_PRIORITY["credit"], min(paid_at, books.now), None)
    more = Credit(credit.meter, credit.grant_id, rest, terms=terms)
    change = give_back(change, lot_of(more, rest, paid_at), books.now, books.due_lines(credit.meter))
    return books.with_change(change), [each for each in (kept, more) if each.quantity]


def _lines_of(books: CustomerBooks, credit: Credit) -> Lines:
    """Return the line that a credit settled, as it is kept, and those with units due."""
    keys = [credit.line] if credit.line is not None else []
    return {**books.due_lines(credit.meter), **read_lines(books.metering.table, books.customer_id, credit.meter, keys)}


def _money(payment: Payment, charge: Charge) -> Charged:
    """Return what a payment says of its order: the period that it paid for stands by what is left of it."""
    return Charged(
        charged=payment.paid_amount or ZERO,
        refunded=payment.refunded_amount,
        paid_at=charge.paid_at,
        number=charge.number,
        plan=charge.plan,
        price=charge.list_total,
        refunded_at=max((refund.done_at for refund in payment.standing_refunds if refund.done_at), default=None),
        revision=1 + payment.refunds_rank,
    )
