"""Paying: a session becomes an order, or changes one; a payment is given back."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from local.waffo_simulator.envelope import ApiError
from local.waffo_simulator.ids import Ids
from local.waffo_simulator.model import Order, Payment, PlanChange, Refund, RefundTicket, Session, State
from local.waffo_simulator.notifying import Notifier
from local.waffo_simulator.subscriptions import Purchase, Subscriptions, add_payment
from pancake_meter.domain.selling.loopback import is_loopback_url

DEFAULT_EMAIL = "buyer@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who pays. `rebuilt`: the buyer made the checkout anew, and the merchant's metadata and external id are lost.

    `charged`: what a discount leaves to pay, tax included.
    """

    identity: str | None = None
    email: str | None = None
    rebuilt: bool = False
    charged: Decimal | None = None


class Checkout:
    """What happens when a buyer presses Pay, and when the merchant gives money back."""

    def __init__(self, state: State, ids: Ids, notifier: Notifier, subscriptions: Subscriptions) -> None:
        self._state = state
        self._ids = ids
        self._notifier = notifier
        self._subscriptions = subscriptions

    def pay(self, session: Session, payer: Payer, at: datetime) -> Order:
        """Pay a session. Raises `ApiError`: 410 expired, 400 the payment fails or the plan cannot be changed."""
        if at >= session.expires_at:
            raise ApiError(410, "The checkout session has expired", "order")
        url = session.success_url
        # Waffo's own rule is https alone; who develops locally comes back to the app on this machine.
        if url and not url.startswith("https://") and not is_loopback_url(url):
            raise ApiError(400, "The payment failed: the return address is not https", "order")
        if session.plan_change:
            order = self._change_plan(session, session.plan_change, at)
        elif session.product.kind == "subscription":
            purchase = _purchase(session, payer)
            trial = self._subscriptions.trial_of(purchase, session.with_trial)
            order = self._subscriptions.start(replace(purchase, trial=trial), at)
        else:
            order = self._buy_once(_purchase(session, payer), at)
        session.order_ids.append(order.id)
        return order

    def refund(
        self,
        payment: Payment,
        amount: Decimal | None,
        at: datetime,
        *,
        reason: str,
        external_id: str | None,
        fail: bool,
    ) -> Refund:
        """Give back `amount`, by default all that is left. Raises `ApiError` (400): more than that."""
        left = self._left(payment)
        wanted = left if amount is None else amount
        if payment.status != "succeeded" or not 0 < wanted <= left:
            raise ApiError(400, f"Refund amount exceeds the refundable amount of {left}", "order")
        refund = Refund(
            id=self._ids.short("REF"),
            payment=payment,
            amount=wanted,
            status="failed" if fail else "succeeded",
            reason=reason,
            external_id=external_id,
            created_at=at,
        )
        self._state.refunds[refund.id] = refund
        self._notifier.refund(refund, at)
        return refund

    def ask_for_refund(
        self, payment: Payment, amount: Decimal, at: datetime, *, reason: str, external_id: str | None
    ) -> RefundTicket:
        """Take a refund ticket, approved at once. By the settings, the money goes back now, or when a test says so.

        Raises `ApiError` (400): more than is left, or is asked for already.
        """
        waiting = (t.amount for t in self._state.tickets.values() if t.payment is payment and t.status == "processing")
        left = self._left(payment) - sum(waiting, Decimal(0))
        if payment.status != "succeeded" or not 0 < amount <= left:
            raise ApiError(400, f"Refund amount exceeds the refundable amount of {left}", "order")
        ticket = RefundTicket(
            id=self._ids.short("TKT"),
            payment=payment,
            amount=amount,
            reason=reason,
            external_id=external_id,
            created_at=at,
        )
        self._state.tickets[ticket.id] = ticket
        return ticket

    def finish_ticket(self, ticket: RefundTicket, at: datetime, *, fail: bool = False) -> Refund:
        """Give the money of a ticket back, or fail to. One that failed may be tried again."""
        if ticket.status == "succeeded":
            raise ApiError(409, "The ticket is done", "order")
        ticket.status = "failed"
        refund = self.refund(
            ticket.payment, ticket.amount, at, reason=ticket.reason, external_id=ticket.external_id, fail=fail
        )
        ticket.status, ticket.refund_id = refund.status, refund.id
        return refund

    def _left(self, payment: Payment) -> Decimal:
        done = (r.amount for r in self._state.refunds.values() if r.payment is payment and r.status == "succeeded")
        return payment.charged - sum(done, Decimal(0))

    def _buy_once(self, purchase: Purchase, at: datetime) -> Order:
        order = Order(
            id=self._ids.short("ORD"),
            product=purchase.product,
            price=purchase.price,
            status="completed",
            buyer_email=purchase.buyer_email,
            buyer_identity=purchase.buyer_identity,
            billing_detail=purchase.billing_detail,
            external_id=purchase.external_id,
            metadata=purchase.metadata,
            created_at=at,
            updated_at=at,
        )
        self._state.orders[order.id] = order
        charged = order.price.total if purchase.charged is None else purchase.charged
        self._notifier.payment(add_payment(self._state, self._ids, order, at, charged), at)
        return order

    def _change_plan(self, session: Session, change: PlanChange, at: datetime) -> Order:
        order = self._subscriptions.find(change.origin_order_id)
        # Who pays, and where from, comes from the subscription that is changed.
        purchase = Purchase(
            product=session.product,
            price=session.price,
            buyer_email=order.buyer_email,
            buyer_identity=order.buyer_identity,
            billing_detail=order.billing_detail,
            external_id=session.external_id or order.external_id,
            metadata=session.metadata or order.metadata,
        )
        is_upgrade = session.price.subtotal > order.price.subtotal
        if (change.timing or ("immediate" if is_upgrade else "next_period")) == "next_period":
            self._subscriptions.schedule_change(order, purchase, at)
            return order
        charged = session.price.total
        if change.amount is not None:
            charged = change.amount
        if change.credit is not None:
            charged = max(Decimal(0), charged - change.credit)
        return self._subscriptions.change_now(order, purchase, at, charged)


def _purchase(session: Session, payer: Payer) -> Purchase:
    return Purchase(
        product=session.product,
        price=session.price,
        buyer_email=payer.email or session.buyer_email or DEFAULT_EMAIL,
        buyer_identity=payer.identity,
        billing_detail=session.billing_detail,
        external_id=None if payer.rebuilt else session.external_id,
        metadata={} if payer.rebuilt else session.metadata,
        charged=payer.charged,
    )
