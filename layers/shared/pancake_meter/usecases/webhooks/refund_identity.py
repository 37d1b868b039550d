"""Which refund is it? Two parts of one payment are two refunds; the same refund told twice is one."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pancake_meter.domain.instant import floor_ms
from pancake_meter.domain.selling.payment import Payment, Refund
from pancake_meter.waffo.events import RefundFacts, WaffoEvent

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
