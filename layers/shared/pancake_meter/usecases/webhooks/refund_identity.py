"""Which refund is it, and of which payment? Two parts of one payment are two refunds; one that is told twice is one."""

from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.payment import Payment
from pancake_meter.domain.selling.refund import Refund, RefundMarks
from pancake_meter.store.selling.payments import payment_ids_of_order, read_payment
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import each_of_order, read_delivery
from pancake_meter.waffo.errors import WebhookRefused
from pancake_meter.waffo.events import EventKind, PaymentFacts, RefundFacts, WaffoEvent, kind_of, parse_event

_PAYING = (EventKind.ORDER_COMPLETED, EventKind.SUBSCRIPTION_PAYMENT_SUCCEEDED)


def told_refund(event: WaffoEvent, facts: RefundFacts, payment_id: str) -> Refund:
    """Return the refund as its event tells it.

    Waffo's ``eventId`` may be the order's or the payment's, and ``refundCreatedAt`` may be missing or a day. So the id is
    made of all that may tell refunds apart. A failure needs no amount, and may say 0 for it.
    """
    made_at, told_at = facts.created_at, floor_ms(event.timestamp)
    amount = facts.refunded if facts.refunded is not None else facts.amount
    has_failed = facts.kind is EventKind.REFUND_FAILED
    if has_failed and not amount:
        amount = None
    marks = RefundMarks(
        event_id=event.event_id if event.event_id not in (facts.order.id, payment_id) else None,
        ticket=facts.ticket_external_id,
        made_at=floor_ms(made_at.instant) if made_at else None,
        is_day=made_at is not None and made_at.is_date_only,
    )
    said = (f"{event.event_id}@{made_at.instant.isoformat() if made_at else ''}", facts.ticket_external_id, amount)
    return Refund(
        id="#".join(each if isinstance(each, str) else f"{each:f}" for each in said if each is not None),
        amount=amount,
        of=facts.original_charged or (facts.original_price.total if facts.original_price else None),
        at=marks.instant or told_at,
        marks=marks,
        succeeded_at=None if has_failed else told_at,
        failed_at=told_at if has_failed else None,
    )


def find_payment(table: Table, facts: RefundFacts) -> str | None:
    """Return the payment of a refund that names none, or ``None`` where it is not certain.

    A subscription's charge is found by its number and by what it collected, a one-time order has one payment. Payments that
    were written before orders listed them are looked for among the order's deliveries.
    """
    listed = _fitting(table, facts, payment_ids_of_order(table, facts.order.id))
    return listed or _fitting(table, facts, _paid_by_deliveries(table, facts.order.id))


def _fitting(table: Table, facts: RefundFacts, payments: dict[str, int | None]) -> str | None:
    if facts.period_number is not None:
        numbered = (payment_id for payment_id, number in payments.items() if number == facts.period_number)
        # A change of plan inside a period may be charged under the number of the charge before it.
        fitting = [payment_id for payment_id in numbered if _collected_that(read_payment(table, payment_id), facts)]
        return fitting[0] if len(fitting) == 1 else None
    if len(payments) != 1:
        return None
    (payment_id,) = payments
    payment = read_payment(table, payment_id)
    # Of a subscription's charges the only one that we know need not be the one that was refunded.
    charge = payment.told_charge if payment is not None else None
    return payment_id if charge is not None and not charge.is_subscription else None


def _collected_that(payment: Payment | None, facts: RefundFacts) -> bool:
    """Whether a payment may have collected what the refunded one did; where one of the two is not known, it may."""
    collected = payment.charge.collected if payment and payment.charge else None
    return None in (collected, facts.original_charged) or collected == facts.original_charged


def _paid_by_deliveries(table: Table, order_id: str) -> dict[str, int | None]:
    """Return the payments that applied deliveries of an order tell of, with their numbers."""
    payments: dict[str, int | None] = {}
    for listed in each_of_order(table, order_id):
        if listed.verdict != "applied" or kind_of(listed.event_type) not in _PAYING:
            continue
        kept = read_delivery(table, listed.digest)
        try:
            facts = parse_event(kept.body).facts if kept else None
        except WebhookRefused:
            continue
        if isinstance(facts, PaymentFacts):
            payments[facts.payment_id] = facts.period_number
    return payments
