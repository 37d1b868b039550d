"""What one verified event does: reads, pure decisions, and the writes that go into one transaction with its mark."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from pancake_meter.domain.balance.adjust import claw_back, reopen_overage
from pancake_meter.domain.balance.balance import ZERO
from pancake_meter.domain.balance.change import Change
from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.checkout import UNIT_KINDS, Checkout
from pancake_meter.domain.selling.payment import Charge, Credit, Payment
from pancake_meter.domain.standing.bought_twice import bought_twice
from pancake_meter.domain.standing.lifecycle import PAYING_KINDS
from pancake_meter.domain.standing.order import OrderFacts
from pancake_meter.domain.standing.paid_period import Charged
from pancake_meter.store.selling.overage_lines import read_lines
from pancake_meter.store.selling.payments import payment_writes, read_payment
from pancake_meter.store.table import Write
from pancake_meter.store.webhooks.deliveries import Verdict, each_of_order, order_write, read_order_customer
from pancake_meter.usecases.balance.metering import Metering
from pancake_meter.usecases.standing.customer_books import CustomerBooks
from pancake_meter.usecases.webhooks.customer import resolve_customer
from pancake_meter.usecases.webhooks.purchase import (
    Purchase,
    Sold,
    buy_checkout,
    buy_stated,
    find_checkout,
    guess_checkout,
    plan_checkout_write,
    replacing,
)
from pancake_meter.usecases.webhooks.reading import Ignored, Parked, lifecycle_event
from pancake_meter.usecases.webhooks.refund_identity import ToldRefund
from pancake_meter.usecases.webhooks.refunded_payment import find_payment
from pancake_meter.waffo.events import (
    EventKind,
    Order,
    PaymentFacts,
    RefundFacts,
    SubscriptionFacts,
    Unrecognised,
    WaffoEvent,
)

FREE_OF_CHARGE: Final = "charged_nothing"
"""Flag of a purchase whose price was waived: granted, and shown to a person."""

CHARGE_UNKNOWN: Final = "charge_unknown"
"""Flag of a refund whose payment we were never told of: what it bought is taken back once that is known."""

PAYMENT_UNKNOWN: Final = "payment_unknown"
"""Reason of a refund that names no payment, and of whose order none fits yet. Reconciliation asks GraphQL."""

REFUND_NOT_TOLD_APART: Final = "refund_not_told_apart"
"""Reason of a refund that may be another of its payment or the one that is known: nothing in it says which."""

REFUND_OF_NO_PERIOD: Final = "refund_of_no_period"
"""Flag of a subscription's refund that takes nothing: its charge is of none of the order's periods."""

CHARGED_CARD_CHECK: Final = "charged_card_check"
"""Flag of a charge with the number of a card check, 0, that collected money all the same."""

PAYMENT_OF_ANOTHER: Final = "payment_of_another_customer"
"""Reason of a charge or a refund whose payment is known as another customer's."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to be made of an event: the verdict, its reason (of ``applied``: the flag, if any), and the writes."""

    verdict: Verdict
    reason: str | None = None
    customer_id: str | None = None
    writes: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What an event does not say and others do: an operator whose it is, Waffo's GraphQL which payment a refund is of."""

    customer_id: str | None = None
    payment_id: str | None = None


NOTHING_TOLD: Final = Told()


def effects_of(metering: Metering, event: WaffoEvent, now: datetime, told: Told = NOTHING_TOLD) -> Effects:
    """Return the effects of an event on the state as it is now.

    Raises:
        StoreBusy, StoreUnavailable: passing trouble.
    """
    facts = event.facts
    if isinstance(facts, Unrecognised):
        return Effects("ignored", "unknown_event_type")
    if _is_not_ours(metering, facts.order) or (isinstance(facts, RefundFacts) and _refunds_not_ours(metering, facts)):
        return Effects("ignored", "not_ours")
    checkout = find_checkout(metering.table, facts.order)
    owner = _owner(metering, facts.order, checkout, told.customer_id)
    if isinstance(owner, Parked):
        return Effects("parked", owner.reason)
    if isinstance(facts, SubscriptionFacts):
        return _lifecycle(metering, event, facts, owner, checkout, now)
    if isinstance(facts, PaymentFacts):
        return _payment(metering, event, facts, owner, checkout, now)
    return _refund(metering, event, facts, owner, now, told.payment_id)


def _is_not_ours(metering: Metering, order: Order) -> bool:
    """Whether the order is of something else that the store sells: by its own event, else by what others said of it."""
    not_ours = metering.catalog.not_ours
    if not_ours.is_empty:
        return False
    if order.product_name or order.metadata or order.product_metadata:
        return not_ours.covers(order.product_name or "", order.product_metadata, order.metadata)
    return any(each.reason == "not_ours" for each in each_of_order(metering.table, order.id))


def _refunds_not_ours(metering: Metering, facts: RefundFacts) -> bool:
    """Whether a refund that does not name the product is of an order which is known not to be ours."""
    bare = replace(facts.order, metadata={}, product_metadata={})
    return not facts.order.product_name and _is_not_ours(metering, bare)


def _owner(metering: Metering, order: Order, checkout: Checkout | None, assigned: str | None) -> str | Parked:
    """Return whose event it is; one that would move an order or a checkout to another customer is parked."""
    of_checkout = checkout.customer_id if checkout else None
    owner = assigned or resolve_customer(metering.table, order, of_checkout=of_checkout)
    if owner is None:
        return Parked("customer_unknown")
    if of_checkout not in (None, owner):
        return Parked("checkout_of_another_customer")
    if read_order_customer(metering.table, order.id) not in (None, owner):
        return Parked("order_of_another_customer")
    return owner


def _lifecycle(
    metering: Metering,
    event: WaffoEvent,
    facts: SubscriptionFacts,
    customer_id: str,
    checkout: Checkout | None,
    now: datetime,
) -> Effects:
    books = CustomerBooks.read(metering, customer_id, now)
    read = lifecycle_event(event, facts, metering.catalog, books.learned.order(facts.order.id))
    if isinstance(read, Parked):
        return Effects("parked", read.reason, customer_id)
    if isinstance(read, Ignored):
        return Effects("ignored", read.reason, customer_id, _bind(facts.order, customer_id, now))
    learned = books.learn(replacing(OrderFacts.of(read), checkout))
    is_flagged = bool(bought_twice(learned.learned) - bought_twice(books.learned))
    reason = None if is_flagged else _why_nothing_moved(books, learned, facts.order.id)
    writes = learned.writes(event.cause, facts.order.id) if learned.learned != books.learned else []
    closed = plan_checkout_write(checkout, facts.order.id) if read.kind in PAYING_KINDS else ()
    verdict: Verdict = "applied" if reason is None else "ignored"
    flag = "bought_twice" if is_flagged else None
    return Effects(verdict, reason or flag, customer_id, (*_bind(facts.order, customer_id, now), *writes, *closed))


def _why_nothing_moved(before: CustomerBooks, after: CustomerBooks, order_id: str) -> str | None:
    """Return why an event has no effect that anybody could see, or ``None`` when it has one."""
    if after.learned == before.learned:
        return "no_news"
    was, order = before.learned.order(order_id), after.learned.order(order_id)
    if order is None:
        return "order_too_old"
    if was is not None and was.ended_at is not None and not after.moved:
        return "order_ended"
    if order.order_id in after.learned.superseded and not after.moved:
        return "order_superseded"
    if was is not None and (was.paid, was.status, was.ended_at, was.pending) == (
        order.paid,
        order.status,
        order.ended_at,
        order.pending,
    ):
        return "out_of_date"
    return None


def _payment(
    metering: Metering,
    event: WaffoEvent,
    facts: PaymentFacts,
    customer_id: str,
    checkout: Checkout | None,
    now: datetime,
) -> Effects:
    """Keep a receipt and, for a one-time order, credit what it bought. A subscription's receipt never moves a period."""
    bound = _bind(facts.order, customer_id, now)
    if facts.is_card_check:
        return Effects("ignored", "card_check", customer_id, bound)
    known = read_payment(metering.table, facts.payment_id) or Payment(facts.payment_id, facts.order.id, customer_id)
    if known.customer_id != customer_id:
        return Effects("parked", PAYMENT_OF_ANOTHER, customer_id)
    if known.charge is not None:
        return Effects("ignored", "no_news", customer_id, bound)
    flag = CHARGED_CARD_CHECK if facts.period_number == 0 else None
    paid_at = floor_ms(event.timestamp)
    books = CustomerBooks.read(metering, customer_id, now)
    if facts.kind is not EventKind.ORDER_COMPLETED:
        sold = Sold("subscription", _plan_sold(metering, facts.order, checkout))
        settled = _settled(known, known.with_charge(_charge(facts, sold, paid_at)), books, event.cause, bound)
        return replace(settled, reason=flag or settled.reason)
    purchase = _purchase(books, facts, checkout, min(paid_at, now))
    if purchase is None:
        return Effects("parked", "purchase_unknown", customer_id)
    paid = replace(known.with_charge(_charge(facts, purchase.sold, paid_at)), credits=purchase.credits)
    settled = _settled(known, paid, purchase.books, event.cause, (*bound, *purchase.writes))
    return replace(settled, reason=purchase.flag or flag or (FREE_OF_CHARGE if facts.is_free else None))


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


def _refund(
    metering: Metering,
    event: WaffoEvent,
    facts: RefundFacts,
    customer_id: str,
    now: datetime,
    told_payment_id: str | None,
) -> Effects:
    """Take back in proportion what the payment bought. A refund that failed changed nothing and changes nothing."""
    if facts.kind is EventKind.REFUND_FAILED:
        return Effects("ignored", "refund_failed", customer_id, _bind(facts.order, customer_id, now))
    amount = facts.refunded if facts.refunded is not None else facts.amount
    if amount is None:
        return Effects("parked", "amount_unknown", customer_id)
    payment_id = facts.payment_id or find_payment(metering.table, facts) or told_payment_id
    if payment_id is None:
        return Effects("parked", PAYMENT_UNKNOWN, customer_id)
    known = read_payment(metering.table, payment_id) or Payment(payment_id, facts.order.id, customer_id)
    told = ToldRefund.of(event, facts, payment_id, amount)
    news, bound = told.news_to(known), _bind(facts.order, customer_id, now)
    if news == "known":
        return Effects("ignored", "no_news", customer_id, bound)
    grown = known.with_refund(told.refund)
    unfit = REFUND_NOT_TOLD_APART if news == "uncertain" else _unfit(known, grown, facts, customer_id)
    if unfit is not None:
        return Effects("parked", unfit, customer_id)
    settled = _settled(known, grown, CustomerBooks.read(metering, customer_id, now), event.cause, bound)
    return replace(settled, reason=CHARGE_UNKNOWN) if grown.charge is None else settled


def _unfit(known: Payment, grown: Payment, facts: RefundFacts, customer_id: str) -> str | None:
    """Why a refund that is news cannot be taken from the payment as it is known, or ``None``."""
    if known.customer_id != customer_id:
        return PAYMENT_OF_ANOTHER
    if known.charge is not None and known.charge.currency != facts.currency:
        return "currency_mismatch"
    return "too_many_refunds" if grown == known else None


def _settled(known: Payment, payment: Payment, books: CustomerBooks, cause: str, beside: tuple[Write, ...]) -> Effects:
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
    if payment.charge is None:
        return payment, books
    claimed = []
    for credit in payment.credits if share else ():
        due = credit.due(share)
        change, shortfall = _take_back(books, credit, due)
        books = books.with_change(change)
        claimed.append(credit.took_back(due, shortfall))
    if payment.charge.is_subscription and payment.paid_amount is not None:
        books = books.learn(OrderFacts.of_charge(payment.order_id, payment.payment_id, _money(payment, payment.charge)))
    return replace(payment, credits=tuple(claimed) or payment.credits), books


def _take_back(books: CustomerBooks, credit: Credit, quantity: Decimal) -> tuple[Change, Decimal]:
    """Take units back that a refund claims; return the shortfall too. Settled overage has none: it is owed again."""
    change = books.change_of(credit.meter)
    if credit.line is None:
        return claw_back(change, credit.grant_id, quantity)
    stored = read_lines(books.metering.table, books.customer_id, credit.meter, [credit.line])
    return reopen_overage(change, credit.line, quantity, stored), ZERO


def _money(payment: Payment, charge: Charge) -> Charged:
    """Return what a payment says of its order: the period that it paid for stands by what is left of it."""
    return Charged(
        charged=payment.paid_amount or ZERO,
        refunded=payment.refunded_amount,
        paid_at=charge.paid_at,
        number=charge.number,
        plan=charge.plan,
        price=charge.list_total,
        refunded_at=max((refund.at for refund in payment.refunds.values()), default=None),
        revision=1 + len(payment.refunds),
    )


def _bind(order: Order, customer_id: str, now: datetime) -> tuple[Write, ...]:
    return (order_write(order.id, customer_id, now),)
