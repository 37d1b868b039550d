"""What a charge does: it is kept as a receipt, and a one-time order credits what it bought."""

from datetime import datetime
from typing import Final

from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.payment import Charge, Payment
from pancake_meter.store.selling.payments import payment_writes, read_payment
from pancake_meter.store.table import Write
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.decision import Effects, order_bound
from pancake_meter.usecases.webhooks.purchase import Purchase, Sold, buy_checkout, buy_stated, guess_checkout
from pancake_meter.usecases.webhooks.refund import PAYMENT_OF_ANOTHER, settled
from pancake_meter.value import replace
from pancake_meter.waffo.events import EventKind, Order, PaymentFacts, WaffoEvent

FREE_OF_CHARGE: Final = "charged_nothing"
"""Flag of a purchase whose price was waived: granted, and shown to a person."""

PURCHASE_UNKNOWN: Final = "purchase_unknown"
"""Reason and flag of a one-time payment that names no checkout of ours and no units, and is no checkout's money."""

CHARGED_CARD_CHECK: Final = "charged_card_check"
"""Flag of a charge with the number of a card check, 0, that collected money all the same."""


def payment_effects(
    metering: Metering,
    event: WaffoEvent,
    facts: PaymentFacts,
    customer_id: str,
    checkout: Checkout | None,
    now: datetime,
    by: str | None = None,
) -> Effects:
    """Keep a receipt and, for a one-time order, credit what it bought. A subscription's receipt never moves a period."""
    bound = order_bound(facts.order.id, customer_id, now)
    if facts.is_card_check:
        return Effects("ignored", "card_check", customer_id, bound)
    known = read_payment(metering.table, facts.payment_id) or Payment(facts.payment_id, facts.order.id, customer_id)
    if known.customer_id != customer_id:
        return Effects("parked", PAYMENT_OF_ANOTHER, customer_id)
    if known.charge is not None:
        return Effects("ignored", "no_news", customer_id, bound)
    paid_at = floor_ms(event.timestamp)
    books = CustomerBooks.read(metering, customer_id, now, by=by)
    flag = CHARGED_CARD_CHECK if facts.period_number == 0 and not _is_on_trial(books, facts.order) else None
    if facts.kind is not EventKind.ORDER_COMPLETED:
        sold = Sold("subscription", _plan_sold(metering, facts.order, checkout))
        charged = replace(known.with_charge(_charge(facts, sold, paid_at)), flag=flag)
        written = settled(known, charged, books, event.cause, bound)
        return replace(written, reason=flag or written.reason)
    purchase = _purchase(books, facts, checkout, min(paid_at, now))
    if purchase is None:
        return Effects("parked", PURCHASE_UNKNOWN, customer_id, _unmatched(known, facts, paid_at))
    flag = purchase.flag or flag or (FREE_OF_CHARGE if facts.is_free else None)
    charged = known.with_charge(_charge(facts, purchase.sold, paid_at))
    checkout_id = purchase.checkout_id or charged.checkout_id
    paid = replace(charged, credits=purchase.credits, remainder=purchase.remainder, flag=flag, checkout_id=checkout_id)
    written = settled(known, paid, purchase.books, event.cause, (*bound, *purchase.writes))
    return replace(written, reason=flag)


def _unmatched(known: Payment, facts: PaymentFacts, paid_at: datetime) -> tuple[Write, ...]:
    """Return the writes of a payment that nobody can match: it is listed, and counts nowhere until somebody can."""
    charge = _charge(facts, Sold("top_up"), paid_at)
    kept = replace(known, unmatched=charge, flag=PURCHASE_UNKNOWN)
    return tuple(payment_writes(known, kept)) if kept != known else ()


def _is_on_trial(books: CustomerBooks, order: Order) -> bool:
    """Whether the order is known to be on trial: a trial may have a price, and its charge the number 0."""
    known = books.learned.order(order.id)
    return known is not None and known.paid is not None and known.paid.is_trial


def _charge(facts: PaymentFacts, sold: Sold, paid_at: datetime) -> Charge:
    price = facts.list_price
    return Charge(
        currency=facts.currency,
        collected=facts.charged,
        list_total=price.total if price else facts.amount,
        paid_at=paid_at,
        sold=sold.kind,
        plan=sold.plan,
        number=facts.period_number,
        tax=price.tax if price else None,
    )


def _plan_sold(metering: Metering, order: Order, checkout: Checkout | None) -> str | None:
    """Return the plan that a charge is for: as its own event or our checkout says, whatever other events have told."""
    resolved = metering.catalog.resolve_plan(order.product_metadata, order.metadata, order.product_name or "")
    if resolved is not None:
        return resolved.plan.key
    return checkout.plan if checkout else None


def _purchase(
    books: CustomerBooks, facts: PaymentFacts, checkout: Checkout | None, paid_at: datetime
) -> Purchase | None:
    metering = books.metering
    if checkout is not None and checkout.meter is not None and checkout.kind in UNIT_KINDS:
        return buy_checkout(books, checkout, checkout.meter, facts, paid_at)
    stated = buy_stated(books, metering.catalog, facts, paid_at)
    if stated is not None:
        return stated
    guessed = guess_checkout(metering.table, metering.catalog, books.customer_id, facts)
    return buy_checkout(books, guessed, guessed.meter, facts, paid_at) if guessed and guessed.meter else None
