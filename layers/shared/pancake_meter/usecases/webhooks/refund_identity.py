"""Which refund is it, and of which payment? Two parts of one payment are two refunds; one that is told twice is one."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.payment import Payment, Refund
from pancake_meter.store.selling.payments import payment_ids_of_order, read_payment
from pancake_meter.store.table import Table
from pancake_meter.store.webhooks.deliveries import each_of_order, read_delivery
from pancake_meter.waffo.errors import WebhookRefused
from pancake_meter.waffo.events import EventKind, PaymentFacts, RefundFacts, WaffoEvent, kind_of, parse_event

_PAYING = (EventKind.ORDER_COMPLETED, EventKind.SUBSCRIPTION_PAYMENT_SUCCEEDED)
News = Literal["new", "known", "uncertain"]


@dataclass(frozen=True, slots=True)
class ToldRefund:
    """A refund as an event tells it. ``former_id`` is its id as earlier versions made it.

    ``is_named``: its own id or the instant at which it was made stand in its id, so an equal id is the same refund.
    """

    refund: Refund
    former_id: str
    is_named: bool

    @classmethod
    def of(cls, event: WaffoEvent, facts: RefundFacts, payment_id: str, amount: Decimal) -> "ToldRefund":
        """Return the refund with an id of all that tells it from another of the payment.

        Waffo's ``eventId`` may be the order's or the payment's, and ``refundCreatedAt`` may be missing or a day. Then the
        seller's id of the ticket tells refunds apart, and without one the amount.
        """
        made_at = facts.created_at
        former_id = f"{event.event_id}@{made_at.instant.isoformat() if made_at else ''}"
        instant = made_at.instant if made_at and not made_at.is_date_only else None
        original = facts.original_price.total if facts.original_price else None
        at = floor_ms(instant or event.timestamp)

        def told(refund_id: str, *, is_named: bool) -> ToldRefund:
            return cls(Refund(refund_id, amount, facts.original_charged or original, at), former_id, is_named)

        if event.event_id not in (facts.order.id, payment_id):
            return told(former_id, is_named=True)
        if facts.ticket_external_id is not None:
            return told(f"{former_id}#{facts.ticket_external_id}", is_named=instant is not None)
        return told(former_id if instant else f"{former_id}#{amount:f}", is_named=instant is not None)

    def news_to(self, payment: Payment) -> News:
        """Whether the payment has this refund. Of two that nothing tells apart, only a person knows: ``uncertain``."""
        known = payment.refunds.get(self.refund.id) or payment.refunds.get(self.former_id)
        if known is None:
            return "new"
        if self.is_named:
            return "known"
        if known.amount != self.refund.amount:
            return "new"
        return "known" if known.at == self.refund.at else "uncertain"


def find_payment(table: Table, facts: RefundFacts) -> str | None:
    """Return the payment of a refund that names none, or ``None`` where it is not certain.

    A subscription's charge is found by its number, a one-time order has one payment. Payments that were written before
    orders listed them are looked for among the order's deliveries.
    """
    listed = _fitting(table, facts, payment_ids_of_order(table, facts.order.id))
    return listed or _fitting(table, facts, _paid_by_deliveries(table, facts.order.id))


def _fitting(table: Table, facts: RefundFacts, payments: dict[str, int | None]) -> str | None:
    if facts.period_number is not None:
        fitting = [payment_id for payment_id, number in payments.items() if number == facts.period_number]
        return fitting[0] if len(fitting) == 1 else None
    if len(payments) != 1:
        return None
    (payment_id,) = payments
    payment = read_payment(table, payment_id)
    # Of a subscription's charges the only one that we know need not be the one that was refunded.
    is_one_time = payment is not None and payment.charge is not None and not payment.charge.is_subscription
    return payment_id if is_one_time else None


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
