"""The life of a subscription: each step changes the order, charges what is due, and tells the merchant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from local.waffo_simulator.calendar_periods import bound
from local.waffo_simulator.config import Product
from local.waffo_simulator.envelope import ApiError
from local.waffo_simulator.ids import Ids
from local.waffo_simulator.model import Order, Payment, State, SubscriptionOrder, Trial
from local.waffo_simulator.money import Price, taxed
from local.waffo_simulator.notifying import Notifier

GRACE = timedelta(days=7)
STEPS_MAX = 10_000
RENEWING = ("active", "trialing")
LIVE = (*RENEWING, "past_due", "canceling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What is bought and by whom. `charged`: what the buyer pays at once instead of the price, by a discount."""

    product: Product
    price: Price
    buyer_email: str
    buyer_identity: str | None = None
    billing_detail: Mapping[str, object] | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    trial: Trial | None = None
    charged: Decimal | None = None


class Subscriptions:
    """Every change of a subscription, by the merchant, the buyer, or time. `at` is when it happens."""

    def __init__(self, state: State, ids: Ids, notifier: Notifier) -> None:
        self._state = state
        self._ids = ids
        self._notifier = notifier

    def find(self, order_id: str) -> SubscriptionOrder:
        """The subscription of this id. Raises `ApiError` (404)."""
        order = self._state.orders.get(order_id)
        if not isinstance(order, SubscriptionOrder):
            raise ApiError(404, "Subscription order not found", "order")
        return order

    def start(self, purchase: Purchase, at: datetime) -> SubscriptionOrder:
        """Buy one: the first charge, then `activated`. How a trial is told is a matter of the settings."""
        order = self._new(purchase, at)
        if purchase.trial is not None:
            settings = self._state.settings
            order.trial, order.is_trialing, order.is_in_trial = purchase.trial, True, True
            order.status, order.period_number = settings.trial_status, settings.trial_number
            order.period_end = at + timedelta(days=purchase.trial.days)
        self._charge(order, at, purchase.charged)
        self._changed(order, "subscription.activated", at)
        return order

    def trial_of(self, purchase: Purchase, wanted: bool | None) -> Trial | None:  # noqa: FBT001 - the wire's own three states
        """The trial that a purchase comes with: the product's, once a buyer; forced or left out as `wanted`."""
        product, price = purchase.product, purchase.price
        if product.trial_days is None or wanted is False:
            return None
        had = (order for order in self._state.subscriptions() if order.trial and order.product.id == product.id)
        identity = purchase.buyer_identity
        if wanted is None and identity is not None and any(order.buyer_identity == identity for order in had):
            return None
        amount = product.trial_prices.get(price.currency, Decimal(0))
        return Trial(days=product.trial_days, price=taxed(amount, price.currency, self._state.settings.tax))

    def renew(self, order: SubscriptionOrder, at: datetime, custom: tuple[datetime, datetime] | None = None) -> None:
        """Roll the period forward, or to the `custom` bounds that a sandbox may give it; apply a scheduled plan.

        A trial becomes the paid period; by the settings, its charge alone tells.
        By the settings, a scheduled plan comes with a new order, which ends this one.
        """
        self._expect(order, "renewed", *RENEWING, "past_due")
        changes = order.next_product is not None
        converts = order.is_trialing
        if changes and self._state.settings.plan_change == "new_order":
            self._replace(order, _scheduled(order), at)
            return
        if order.next_product is not None and order.next_price is not None:
            order.product, order.price, order.next_product, order.next_price = (
                order.next_product,
                order.next_price,
                None,
                None,
            )
        self._roll(order, custom)
        order.status = "active"
        self._charge(order, at)
        if converts and not changes and self._state.settings.trial_conversion == "charge":
            _touch(order, at)
            return
        self._changed(order, "subscription.plan_changed" if changes else "subscription.renewed", at)

    def fail_renewal(self, order: SubscriptionOrder, at: datetime, grace: timedelta | None = GRACE) -> None:
        """The renewal's charge fails: past_due. Its new period ends with the grace; without, the period stays."""
        self._expect(order, "renewed", *RENEWING)
        if grace is not None:
            self._roll(order, None)
            order.period_end = order.period_start + grace
        order.status, order.is_trialing, order.is_in_trial = "past_due", False, False
        payment = self._payment(order, at, order.price.total, "failed")
        payment.failure_reason = "card_declined"
        self._changed(order, "subscription.past_due", at)

    def recover(self, order: SubscriptionOrder, at: datetime) -> None:
        """A retried charge succeeds: the period is the whole one, paid."""
        self._expect(order, "recovered", "past_due")
        order.status = "active"
        order.period_end = bound(order.anchor, _period_of(order), order.index + 1)
        self._charge(order, at)
        self._changed(order, "subscription.recovered", at)

    def cancel(self, order: SubscriptionOrder, at: datetime, *, immediately: bool = False) -> None:
        """End it with its period, or now."""
        if immediately:
            self._expect(order, "canceled", *LIVE, "pending")
            order.canceled_at = order.canceled_at or at
            order.is_trialing = order.is_in_trial = False
            order.status = "canceled"
            self._changed(order, "subscription.canceled", at)
            return
        self._expect(order, "canceled", *RENEWING, "past_due")
        order.has_unpaid_balance = order.status == "past_due"
        order.status, order.canceled_at, order.is_in_trial = "canceling", at, False
        self._changed(order, "subscription.canceling", at)

    def uncancel(self, order: SubscriptionOrder, at: datetime) -> None:
        """Withdraw a cancellation."""
        if order.status == "past_due" or (order.status == "canceling" and order.has_unpaid_balance):
            raise ApiError(400, "Subscription with an unpaid balance cannot be reactivated", "order")
        self._expect(order, "reactivated", "canceling")
        order.status = self._state.settings.trial_status if order.is_trialing else "active"
        order.canceled_at, order.is_in_trial = None, order.is_trialing
        self._changed(order, "subscription.uncanceled", at)

    def schedule_change(self, order: SubscriptionOrder, purchase: Purchase, at: datetime) -> None:
        """Change the plan with the next period."""
        self._expect_changeable(order)
        order.next_product, order.next_price = purchase.product, purchase.price
        self._changed(order, "subscription.plan_change_scheduled", at)

    def fail_change(self, order: SubscriptionOrder, at: datetime) -> None:
        """A plan change does not come about; the plan stays."""
        self._expect_changeable(order)
        order.next_product = order.next_price = None
        self._changed(order, "subscription.plan_change_failed", at)

    def change_now(
        self, order: SubscriptionOrder, purchase: Purchase, at: datetime, charged: Decimal
    ) -> SubscriptionOrder:
        """Change the plan at once, and end its trial. By the settings, a new order takes its place, or this one goes on."""
        self._expect_changeable(order)
        if self._state.settings.plan_change == "same_order":
            order.product, order.price = purchase.product, purchase.price
            order.next_product = order.next_price = None
            if order.is_trialing:
                order.period_end = at
                self._roll(order, None)
                order.status = "active"
            self._charge(order, at, charged)
            self._changed(order, "subscription.plan_changed", at)
            return order
        return self._replace(order, purchase, at, charged)

    def run_until(self, now: datetime) -> int:
        """Let time pass: renew what is due, one period at a time and in order, and end what has run out.

        Raises `ApiError` (400) when that takes more than `STEPS_MAX` steps.
        """
        for steps in range(STEPS_MAX):
            if self.next_end(now) is None:
                return steps
            self.end_next(now)
        raise ApiError(400, f"more than {STEPS_MAX} periods end by then", "order")

    def next_end(self, now: datetime) -> datetime | None:
        """When the first of the periods ends that end by `now`; `None` when none does."""
        ends = [order.period_end for order in self._state.subscriptions() if order.status in LIVE]
        return min((end for end in ends if end <= now), default=None)

    def end_next(self, now: datetime) -> None:
        """Renew the order whose period ends first by `now`, or end it when it has run out."""
        due = [order for order in self._state.subscriptions() if order.status in LIVE and order.period_end <= now]
        order = min(due, key=lambda order: order.period_end)
        if order.status in RENEWING:
            self.renew(order, order.period_end)
        else:
            self.cancel(order, order.period_end, immediately=True)

    def _replace(
        self, order: SubscriptionOrder, purchase: Purchase, at: datetime, charged: Decimal | None = None
    ) -> SubscriptionOrder:
        """Put a new order in the place of this one, and end it."""
        new = self._new(purchase, at)
        new.origin_order_id, order.superseded_by_order_id = order.id, new.id
        order.next_product = order.next_price = None
        self._charge(new, at, charged)
        self._changed(new, "subscription.plan_changed", at)
        self.cancel(order, at, immediately=True)
        return new

    def _new(self, purchase: Purchase, at: datetime) -> SubscriptionOrder:
        if purchase.product.billing_period is None:
            raise ApiError(400, "The product is not a subscription", "order")
        order = SubscriptionOrder(
            id=self._ids.short("ORD"),
            product=purchase.product,
            price=purchase.price,
            status="active",
            buyer_email=purchase.buyer_email,
            buyer_identity=purchase.buyer_identity,
            billing_detail=purchase.billing_detail,
            external_id=purchase.external_id,
            metadata=purchase.metadata,
            created_at=at,
            updated_at=at,
            anchor=at,
            index=0,
            period_number=1,
            period_start=at,
            period_end=bound(at, purchase.product.billing_period, 1),
        )
        self._state.orders[order.id] = order
        return order

    def _roll(self, order: SubscriptionOrder, custom: tuple[datetime, datetime] | None) -> None:
        billing_period = _period_of(order)
        order.is_trialing = order.is_in_trial = False
        order.index += 1
        order.period_number += 1
        start = custom[0] if custom else order.period_end
        if custom or bound(order.anchor, billing_period, order.index) != start:
            order.anchor, order.index = start, 0
        order.period_start = start
        order.period_end = custom[1] if custom else bound(order.anchor, billing_period, order.index + 1)

    def _charge(self, order: SubscriptionOrder, at: datetime, charged: Decimal | None = None) -> None:
        amount = order.phase_price.total if charged is None else charged
        self._notifier.payment(self._payment(order, at, amount, "succeeded"), at)

    def _payment(self, order: SubscriptionOrder, at: datetime, charged: Decimal, status: str) -> Payment:
        return add_payment(self._state, self._ids, order, at, charged, failed=status == "failed")

    def _changed(self, order: SubscriptionOrder, event_type: str, at: datetime) -> None:
        _touch(order, at)
        self._notifier.subscription(event_type, order, order.updated_at)

    def _expect_changeable(self, order: SubscriptionOrder) -> None:
        if order.status not in RENEWING:
            raise ApiError(400, f"Subscription plan cannot be changed, current status: {order.status}", "order")

    def _expect(self, order: SubscriptionOrder, verb: str, *statuses: str) -> None:
        if order.status not in statuses:
            raise ApiError(400, f"Subscription cannot be {verb}, current status: {order.status}", "order")


def add_payment(
    state: State, ids: Ids, order: Order, at: datetime, charged: Decimal, *, failed: bool = False
) -> Payment:
    """Keep a charge of an order."""
    payment = Payment(
        id=ids.short("PAY"),
        order=order,
        price=order.phase_price,
        charged=charged,
        status="failed" if failed else "succeeded",
        created_at=at,
        period_number=order.period_number if isinstance(order, SubscriptionOrder) else None,
    )
    state.payments[payment.id] = payment
    return payment


def _touch(order: SubscriptionOrder, at: datetime) -> None:
    """Note a change, strictly later than the last one: the time is part of the eventId, and tells newer from older."""
    order.updated_at = max(at, order.updated_at + timedelta(milliseconds=1))


def _scheduled(order: SubscriptionOrder) -> Purchase:
    """The purchase that a scheduled change comes to: the buyer and the merchant's words stay those of the order."""
    if order.next_product is None or order.next_price is None:
        raise ApiError(400, "No plan change is scheduled", "order")
    return Purchase(
        product=order.next_product,
        price=order.next_price,
        buyer_email=order.buyer_email,
        buyer_identity=order.buyer_identity,
        billing_detail=order.billing_detail,
        external_id=order.external_id,
        metadata=order.metadata,
    )


def _period_of(order: SubscriptionOrder) -> str:
    return order.product.billing_period or "monthly"
