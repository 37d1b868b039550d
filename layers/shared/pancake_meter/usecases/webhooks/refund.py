"""What a refund does: its share of what the payment bought is taken back."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.adjust import claw_back, reopen_overage
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.selling.payment import Charge, Credit, Payment
from pancake_meter.domain.standing.subscription import OrderFacts, RefundedShare
from pancake_meter.store.selling.overage_lines import read_lines
from pancake_meter.store.selling.payments import payment_writes, read_payment
from pancake_meter.store.table import Write
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.decision import Effects, order_bound
from pancake_meter.usecases.webhooks.refund_identity import ToldRefund, find_payment
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
    told_payment_id: str | None,
) -> Effects:
    """Take back in proportion what the payment bought. A refund that failed changed nothing and changes nothing."""
    if facts.kind is EventKind.REFUND_FAILED:
        return Effects("ignored", "refund_failed", customer_id, order_bound(facts.order.id, customer_id, now))
    amount = facts.refunded if facts.refunded is not None else facts.amount
    if amount is None:
        return Effects("parked", "amount_unknown", customer_id)
    payment_id = facts.payment_id or find_payment(metering.table, facts) or told_payment_id
    if payment_id is None:
        return Effects("parked", PAYMENT_UNKNOWN, customer_id)
    known = read_payment(metering.table, payment_id) or Payment(payment_id, facts.order.id, customer_id)
    told = ToldRefund.of(event, facts, payment_id, amount)
    news, bound = told.news_to(known), order_bound(facts.order.id, customer_id, now)
    if news == "known":
        return Effects("ignored", "no_news", customer_id, bound)
    grown = known.with_refund(told.refund)
    unfit = REFUND_NOT_TOLD_APART if news == "uncertain" else _unfit(known, grown, facts, customer_id)
    if unfit is not None:
        return Effects("parked", unfit, customer_id)
    written = settled(known, grown, CustomerBooks.read(metering, customer_id, now), event.cause, bound)
    return replace(written, reason=CHARGE_UNKNOWN) if grown.charge is None else written


def _unfit(known: Payment, grown: Payment, facts: RefundFacts, customer_id: str) -> str | None:
    """Why a refund that is news cannot be taken from the payment as it is known, or ``None``."""
    if known.customer_id != customer_id:
        return PAYMENT_OF_ANOTHER
    if known.charge is not None and known.charge.currency != facts.currency:
        return "currency_mismatch"
    return "too_many_refunds" if grown == known else None


def settled(known: Payment, payment: Payment, books: CustomerBooks, cause: str, beside: tuple[Write, ...]) -> Effects:
    """Write a payment and the books, after taking back what refunds claim."""
    payment, books = take_back_refunded(payment, books)
    writes = books.writes(cause, payment.payment_id)
    flag = REFUND_OF_NO_PERIOD if _misses_its_period(payment, books) else None
    return Effects("applied", flag, books.customer_id, (*beside, *payment_writes(known, payment), *writes))


def _misses_its_period(payment: Payment, books: CustomerBooks) -> bool:
    order = books.learned.order(payment.order_id)
    return order is not None and order.misses_period_of(payment.payment_id)


def take_back_refunded(payment: Payment, books: CustomerBooks) -> tuple[Payment, CustomerBooks]:
    """Take back what a payment's refunds claim of all that it bought, as far as charge and refunds are both known."""
    share = payment.refunded_share
    if payment.charge is None or share == ZERO:
        return payment, books
    claimed = []
    for credit in payment.credits:
        due = credit.due(share)
        change, shortfall = _take_back(books, credit, due)
        books = books.with_change(change)
        claimed.append(credit.took_back(due, shortfall))
    if payment.charge.is_subscription:
        books = books.learn(_refunded(payment, payment.charge, share))
    return replace(payment, credits=tuple(claimed)), books


def _take_back(books: CustomerBooks, credit: Credit, quantity: Decimal) -> tuple[Change, Decimal]:
    """Take units back that a refund claims; return the shortfall too. Settled overage has none: it is owed again."""
    change = books.change_of(credit.meter)
    if credit.line is None:
        return claw_back(change, credit.grant_id, quantity)
    stored = read_lines(books.metering.table, books.customer_id, credit.meter, [credit.line])
    return reopen_overage(change, credit.line, quantity, stored), ZERO


def _refunded(payment: Payment, charge: Charge, share: Decimal) -> OrderFacts:
    """Return what a refund says of the order: the period that the payment paid is worth less."""
    refund = RefundedShare(share, charge.paid_at, charge.number)
    return OrderFacts(payment.order_id, (charge.paid_at, charge.paid_at), refunds={payment.payment_id: refund})
